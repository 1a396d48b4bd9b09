"""Lists of prices that others keep, as they write them."""

from __future__ import annotations

from typing import Any

import pytest

from pointsman.conversation.usage import TokenUsage
from pointsman.errors import PointsmanError
from pointsman.ledger.price_files import read
from pointsman.ledger.prices import PriceBook

GENAI = [
    {
        "id": "acme", "name": "Acme", "api_pattern": r"https://api\.acme\.example", "fallback_model_providers": ["other"],
        "models": [
            {
                "id": "rocket",
                "match": {"or": [{"equals": "Rocket"}, {"and": [{"starts_with": "rocket-"}, {"regex": r"\d$"}]}]},
                "prices": [
                    {"prices": {"input_mtok": 4, "output_mtok": 8}},
                    {
                        "constraint": {"start_date": "2026-06-01"},
                        "prices": {
                            "input_mtok": {"base": 2, "tiers": [{"start": 1000, "price": 3}]}, "output_mtok": 4,
                            "web_searches_kcount": 10, "requests_kcount": 5,
                        },
                    },
                ],
                "price_variants": [
                    {
                        "when": {"service_tier": "flex"}, "constraint": {"start_date": "2026-10-01"},
                        "prices": {"input_mtok": 1},
                    },
                    {"when": {"service_tier": "default"}, "prices": {}},
                    {"when": {"route": "x"}, "prices": {"input_mtok": 99}},
                ],
            },
            {"id": "voice", "match": {"contains": "voice"}, "prices": {"audio_hours": 1}},
        ],
    }
]  # fmt: skip
LITELLM = {
    "sample_spec": {"litellm_provider": "one of https://docs", "input_cost_per_token": 0},
    "gpt-9": {
        "litellm_provider": "openai", "mode": "chat", "input_cost_per_token": 2.5e-06, "output_cost_per_token": 1.5e-05,
        "cache_read_input_token_cost": 2.5e-07, "input_cost_per_token_above_272k_tokens": 5e-06,
        "input_cost_per_token_priority": 5e-06, "output_cost_per_token_flex": 7.5e-06,
        "search_context_cost_per_query": {"search_context_size_low": 0.01, "search_context_size_high": 0.01},
        "supports_vision": True,
    },
    "groq/llama-9": {"litellm_provider": "groq", "input_cost_per_token": 1e-07, "output_cost_per_token": 2e-07},
    "vertex_ai/gemini-9": {
        "litellm_provider": "vertex_ai-language-models", "input_cost_per_token": 1e-06, "output_cost_per_token": 1e-06,
    },
    "painter": {"litellm_provider": "openai", "output_cost_per_image": 0.04},
}  # fmt: skip
JUNE, OCTOBER = 1_780_272_000, 1_790_812_800


def book(data: Any, provider: str) -> PriceBook:
    (found,) = [one for one in read(data, "file") if one.id == provider]
    return PriceBook(found.models)


def cost(prices: PriceBook, model: str, usage: TokenUsage, at: float = OCTOBER) -> int | None:
    rate = prices.rate(model, at)
    return None if rate is None else rate.cost(usage)[0]


def test_genai_prices() -> None:
    acme = book(GENAI, "acme")
    million = TokenUsage(1000, 1_000_000)
    assert cost(acme, "rocket", million, JUNE - 1) == 8_004_000_000
    assert cost(acme, "rocket", million, JUNE) == 4_002_000_000 + 5_000_000
    assert cost(acme, "ROCKET", TokenUsage(2000, 0), OCTOBER) == 6_000_000 + 5_000_000
    assert cost(acme, "rocket-7", TokenUsage(0, 0, web_searches=2)) == 20_000_000 + 5_000_000
    assert cost(acme, "rocket-x", million) is None
    assert cost(acme, "voice", million) is None
    flex = TokenUsage(1000, 0, tier="flex")
    assert cost(acme, "rocket", flex) == 6_000_000
    assert cost(acme, "rocket", flex, JUNE) == 6_000_000  # the day of a tier is when somebody looked
    (found,) = read(GENAI, "file")
    assert (found.hosts, found.others) == (r"https://api\.acme\.example", ("other",))


def test_litellm() -> None:
    openai = book(LITELLM, "openai")
    assert cost(openai, "gpt-9", TokenUsage(10_000, 1200, 8000)) == 25_000_000
    assert cost(openai, "gpt-9", TokenUsage(300_000, 0)) == 1_500_000_000
    assert cost(openai, "gpt-9", TokenUsage(1000, 1000, tier="priority")) == 20_000_000
    assert cost(openai, "gpt-9", TokenUsage(1000, 1000, tier="fast")) == 20_000_000
    assert cost(openai, "gpt-9", TokenUsage(1000, 1000, tier="flex")) == 10_000_000
    assert cost(openai, "gpt-9", TokenUsage(0, 1000, web_searches=1)) == 25_000_000
    assert cost(openai, "painter", TokenUsage(1, 1)) is None
    assert cost(book(LITELLM, "groq"), "llama-9", TokenUsage(1_000_000, 0)) == 100_000_000
    assert cost(book(LITELLM, "google"), "gemini-9", TokenUsage(1_000_000, 0)) == 1_000_000_000


@pytest.mark.parametrize(
    "data",
    [
        [], {}, None, 3, "x", [1], [{"id": "x"}], {"gpt-9": 3}, {"gpt-9": {"input_cost_per_token": 1}},
        [{"models": [{"id": "x"}], "id": "y"}],
        [{"id": "x", "models": [{"id": "x", "match": {"regex": "("}, "prices": {"input_mtok": 1}}]}],
        [{"id": "x", "models": [{"id": "x", "match": {"equals": "x"}, "prices": {"input_mtok": "much"}}]}],
        [{"id": "x", "models": [{"id": "x", "match": {"equals": "x"}, "prices": {"input_mtok": -1}}]}],
    ],
)  # fmt: skip
def test_what_is_no_list_is_said_in_words(data: Any) -> None:
    with pytest.raises(PointsmanError, match=r"list of prices"):
        read(data, "file")
