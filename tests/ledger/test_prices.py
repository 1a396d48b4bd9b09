"""What an answer costs: arithmetic from vendors' price pages, each to the nano-dollar, through what our readers make of usage."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import astuple

from pointsman.admin.store.price_lists import built_in, models_of
from pointsman.conversation.usage import Apart, TokenUsage
from pointsman.ledger.cost import NO_PRICE, Bill
from pointsman.ledger.price_spec import Period, Prices, PriceSpec, Tariff, dollars, pico
from pointsman.ledger.prices import CACHE_TIME, NO_USAGE, REGION, TIER, PriceBook, Rate, period_at

NOW = datetime(2026, 11, 27, tzinfo=UTC).timestamp()
BEFORE = datetime(2026, 10, 1, tzinfo=UTC).timestamp()


def book(provider: str) -> PriceBook:
    listed = built_in().named(provider)
    assert listed is not None
    return PriceBook(models_of(listed.models))


BOOKS = {name: book(name) for name in ("openai", "anthropic", "deepseek", "google")}


def cost(provider: str, model: str, usage: TokenUsage, at: float = NOW) -> tuple[int | None, str | None]:
    rate = BOOKS[provider].rate(model, at)
    return (None, NO_PRICE) if rate is None else rate.cost(usage)


CASES = {
    "chat, part of it cached, reasoning inside the output": (
        "openai", "gpt-5.4", TokenUsage(10_000, 1200, 8000, 800), NOW, 25_000_000,
    ),
    "over 272K all is repriced": ("openai", "gpt-5.4", TokenUsage(300_000, 2000, 250_000), NOW, 420_000_000),
    "written to a cache by OpenAI": (
        "openai", "gpt-6.1-sol", TokenUsage(20_000, 1000, 12_000, cache_write=5000), NOW, 29_700_000,
    ),
    "written for five minutes and for an hour": (
        "anthropic", "claude-sonnet-5",
        TokenUsage(56_120, 900, 50_000, cache_write=6000, cache_write_long=4000), NOW, 40_240_000,
    ),
    "three searches": ("anthropic", "claude-opus-4-8", TokenUsage(5000, 700, web_searches=3), NOW, 72_500_000),
    "a batch": ("anthropic", "claude-sonnet-5", TokenUsage(11_000, 1000, 10_000, tier="batch"), NOW, 7_000_000),
    "sound in and out": (
        "openai", "gpt-audio", TokenUsage(1500, 700, apart=Apart(audio_input=1000, audio_output=600)), NOW, 72_650_000,
    ),
    "a priority tier": ("openai", "gpt-5-mini", TokenUsage(1000, 1000, tier="priority"), NOW, 4_050_000),
    "made in the United States": (
        "anthropic", "claude-opus-4-8", TokenUsage(1000, 1000, apart=Apart(region="us")), NOW, 33_000_000,
    ),
    "a search of Responses": ("openai", "gpt-5.4", TokenUsage(10_000, 500, web_searches=1), NOW, 42_500_000),
    "sound of the preview": (
        "openai", "gpt-4o-audio-preview", TokenUsage(1500, 700, apart=Apart(audio_input=1000, audio_output=600)), NOW,
        90_250_000,
    ),
    "a batch before somebody looked": ("openai", "gpt-5.4", TokenUsage(1000, 1000, tier="batch"), BEFORE, 8_750_000),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_an_invoice_of_a_vendor(name: str) -> None:
    provider, model, usage, at, nano = CASES[name]
    assert cost(provider, model, usage, at) == (nano, None)


def test_what_is_not_known_is_none_and_says_why_never_zero() -> None:
    used = TokenUsage(1000, 1000)
    assert cost("openai", "gpt-of-tomorrow", used) == (None, NO_PRICE)
    assert cost("openai", "gpt-5.4", TokenUsage(1000, 1000, tier="scale")) == (None, TIER)
    assert cost("anthropic", "claude-opus-4-8", TokenUsage(1, 1, tier="priority")) == (None, TIER)
    assert cost("anthropic", "claude-opus-4-8", TokenUsage(1, 1, apart=Apart(region="eu"))) == (None, REGION)
    assert cost("openai", "gpt-5.4", TokenUsage(None, 5)) == (None, NO_USAGE)
    assert cost("openai", "gpt-5.4", TokenUsage(5, None)) == (None, NO_USAGE)
    assert cost("openai", "gpt-audio", TokenUsage(1, 1, web_searches=1)) == (None, NO_PRICE)
    rate = BOOKS["openai"].rate("gpt-5.4", NOW)
    assert rate is not None
    assert rate.cost(None) == (None, NO_USAGE)


def test_a_cache_write_of_which_only_the_sum_is_told_is_charged_for_five_minutes_and_flagged() -> None:
    assert cost("anthropic", "claude-sonnet-5", TokenUsage(1000, 0, cache_write=1000)) == (
        2_500_000,
        CACHE_TIME,
    )


def test_an_embedding_has_no_output() -> None:
    assert cost("openai", "text-embedding-3-small", TokenUsage(1_000_000)) == (20_000_000, None)


@pytest.mark.parametrize(
    "name", ["gpt-5.4", "GPT-5.4", "gpt-5.4-2026-03-05", "gpt-5.4-20260305", "gpt-6.1-sol-2026-09-29"]
)
def test_a_model_is_known_by_every_way_its_name_is_written(name: str) -> None:
    rate = BOOKS["openai"].rate(name, NOW)
    assert rate is not None
    assert rate.spec.model in name.lower()


def test_a_name_of_google_s_own_writing() -> None:
    assert BOOKS["google"].rate("models/gemini-3.8-flash", NOW) is not None
    named = BOOKS["google"].rate("gemini-3.8-flash-tts", NOW)
    assert named is not None
    assert named.spec.model == "gemini-3.8-flash-tts"


def test_hours_of_a_day_have_their_price() -> None:
    def at(hour: int, minute: int = 0) -> Rate:
        found = BOOKS["deepseek"].rate(
            "deepseek-chat", datetime(2026, 11, 27, hour, minute, tzinfo=UTC).timestamp()
        )
        assert found is not None
        return found

    used = TokenUsage(1_000_000, 0)
    assert at(0).cost(used) == (135_000_000, None)
    assert at(0).until == datetime(2026, 11, 27, 0, 30, tzinfo=UTC).timestamp()
    assert at(0, 30).cost(used) == (270_000_000, None)
    assert at(16, 29).cost(used) == (270_000_000, None)
    assert at(16, 30).cost(used) == (135_000_000, None)
    assert at(16, 30).until == datetime(2026, 11, 28, 0, 30, tzinfo=UTC).timestamp()


def test_a_price_of_tomorrow_is_asked_for_tomorrow() -> None:
    new_year = datetime(2027, 1, 1, tzinfo=UTC).timestamp()
    rate = BOOKS["google"].rate("gemini-3.6-flash", NOW)
    assert rate is not None
    assert rate.until == new_year
    used = TokenUsage(1_000_000, 0)
    assert rate.cost(used) == (750_000_000, None)
    assert cost("google", "gemini-3.6-flash", used, new_year) == (1_500_000_000, None)
    assert cost("google", "gemini-3.6-flash", used) == (750_000_000, None)


def test_a_window_over_midnight() -> None:
    night, day = Period(Tariff(Prices(1)), 0, {}, (22 * 60, 6 * 60)), Period(Tariff(Prices(2)))
    assert period_at((day, night), 23 * 3600)[0] is night
    assert period_at((day, night), 3600) == (night, 6 * 3600)
    assert period_at((day, night), 12 * 3600) == (day, 22 * 3600)


def test_own_prices_come_first_from_their_day_on() -> None:
    own = PriceSpec(
        "gpt-5.4", ("=gpt-5.4",), (Period(Tariff(Prices(1_000_000, 2_000_000)), int(NOW)),), source="own"
    )
    mixed = PriceBook((own, *BOOKS["openai"].specs))
    earlier, now = mixed.rate("gpt-5.4", NOW - 1), mixed.rate("gpt-5.4", NOW)
    assert earlier is not None
    assert now is not None
    assert (earlier.spec.source, earlier.until) == ("", NOW)
    assert now.cost(TokenUsage(1_000_000, 1_000_000)) == (3_000_000_000, None)


@pytest.mark.parametrize("given", ["-1", "nan", "inf", "much", 1e30, 1e-7])
def test_what_is_no_price(given: float | str) -> None:
    with pytest.raises(ValueError, match=r"is no|is more|is less"):
        pico(given, "input")


def test_a_price_is_written_as_people_read_it() -> None:
    assert pico(2.5, "input") == 2_500_000
    assert pico("0.0028", "cached") == 2800
    assert pico(0.01, "web_search") == 10_000_000_000
    assert dollars(2_500_000, "input") == 2.5
    assert dollars(10_000_000_000, "web_search") == 0.01


COUNT = st.integers(0, 2**53)
COUNTS = st.one_of(st.none(), COUNT)
PRICE = st.one_of(st.none(), st.integers(0, 10**9))
PRICES = st.builds(Prices, *[PRICE] * len(Prices.__struct_fields__))
SPECS = st.builds(
    lambda prices, above, flex: PriceSpec(
        "m", ("=m",), (Period(Tariff(prices, ((100_000, above),)), 0, {"flex": Tariff(flex)}),), {"us": 1100}
    ),
    PRICES, PRICES, PRICES,
)  # fmt: skip
PARTS = st.builds(Apart, *[st.integers(0, 10**6)] * 4, st.sampled_from([None, "us", "eu"]))


def usages(
    count: st.SearchStrategy[int | None] = COUNTS,
) -> st.SearchStrategy[TokenUsage]:
    return st.builds(
        TokenUsage, *[count] * 6, st.one_of(st.none(), st.integers(0, 100)), st.sampled_from([None, "flex", "odd"]),
        st.one_of(st.none(), PARTS),
    ).map(TokenUsage.bounded)  # fmt: skip


def rate_of(spec: PriceSpec) -> Rate:
    rate = PriceBook((spec,)).rate("m", 0)
    assert rate is not None
    return rate


@given(SPECS, usages())
def test_a_cost_is_never_negative_and_none_always_says_why(spec: PriceSpec, usage: TokenUsage) -> None:
    nano, flag = rate_of(spec).cost(usage)
    assert flag is not None if nano is None else nano >= 0


@given(SPECS, usages(), st.integers(0, 10**6))
def test_more_output_never_costs_less(spec: PriceSpec, usage: TokenUsage, more: int) -> None:
    rate = rate_of(spec)
    before = rate.cost(usage)[0]
    grown = TokenUsage(
        usage.input, (usage.output or 0) + more, usage.cached, usage.reasoning, usage.cache_write,
        usage.cache_write_long, usage.web_searches, usage.tier, usage.apart,
    )  # fmt: skip
    after = rate.cost(grown)[0]
    if before is not None and after is not None and not (usage.apart and usage.apart.audio_output):
        assert after >= before


@given(
    st.builds(Prices, *[st.integers(0, 10**9)] * len(Prices.__struct_fields__)), usages(st.integers(0, 10**9))
)
def test_a_cost_is_the_sum_of_its_parts_rounded_once(prices: Prices, usage: TokenUsage) -> None:
    spec = PriceSpec(
        "m",
        ("=m",),
        (Period(Tariff(prices), 0, {"flex": Tariff(prices), "odd": Tariff(prices)}),),
        {"us": 1100, "eu": 1000},
    )
    apart = usage.apart or Apart()
    nano, _ = rate_of(spec).cost(usage)
    if usage.input is None or usage.output is None:
        assert nano is None
        return
    read = usage.input - (usage.cached or 0) - (usage.cache_write or 0)
    audio = min(apart.audio_input, read)
    image = min(apart.image_input, read - audio)
    made = usage.output
    sound = min(apart.audio_output, made)
    drawn = min(apart.image_output, made - sound)
    thought = min(usage.reasoning or 0, made - sound - drawn)
    long = usage.cache_write_long or 0
    parts = [
        (read - audio - image, prices.input), (usage.cached or 0, prices.cached),
        ((usage.cache_write or 0) - long, prices.cache_write), (long, prices.cache_write_long),
        (audio, prices.audio_input), (image, prices.image_input), (sound, prices.audio_output),
        (drawn, prices.image_output), (thought, prices.reasoning), (made - sound - drawn - thought, prices.output),
    ]  # fmt: skip
    tokens = sum(count * (price or 0) for count, price in parts)
    fees = (prices.request or 0) + (usage.web_searches or 0) * (prices.web_search or 0)
    times = 1100 if apart.region == "us" else 1000
    assert nano == (tokens * times + fees * 1000 + 500_000) // 1_000_000


@given(SPECS, usages(st.integers(0, 10**6)))
def test_the_most_that_is_reserved_is_enough(spec: PriceSpec, usage: TokenUsage) -> None:
    rate = rate_of(spec)
    most, (nano, _) = rate.most(usage.input or 0, usage.output or 0), rate.cost(usage)
    if most is not None and nano is not None and not usage.web_searches:
        assert nano <= most


@given(SPECS, usages(st.integers(0, 2**31)))
def test_a_bill_says_the_same_by_its_small_numbers(spec: PriceSpec, usage: TokenUsage) -> None:
    """The first is charged by the rate, the second by what was kept of it."""
    bill, wanted = Bill("m", PriceBook((spec,)), False, None), rate_of(spec).cost(usage)
    assert [bill.of(astuple(usage), at)[:2] for at in (5.0, 6.0, 4.0, 4.5)] == [wanted] * 4


def test_a_data_plane_without_prices_loads_nothing_of_them() -> None:
    code = "import sys, pointsman.gateway.__main__; sys.exit('pointsman.ledger.prices' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
