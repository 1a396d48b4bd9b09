"""Prices in the database: which one holds, and what the data plane gets of them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.admin.store import prices, settings
from pointsman.admin.store.database import Store
from pointsman.admin.store.price_lists import built_in
from pointsman.admin.store.prices import clause
from pointsman.admin.store.schemas import PriceCreate
from pointsman.admin.store.tables import Price
from pointsman.admin.vault import Vault
from pointsman.conversation.usage import TokenUsage
from pointsman.ledger.price_spec import Period, Prices, PriceSpec, Tariff
from pointsman.ledger.prices import PriceBook
from pointsman.routing.pattern import wild_match

from .test_snapshot import compiled, credential, local

NOW = datetime(2026, 11, 27, tzinfo=UTC).timestamp()
MILLION = TokenUsage(1_000_000, 1_000_000)


def put(store: Store, where: str, model: str, **fields: Any) -> None:
    with store.write() as session:
        prices.put(session, PriceCreate.model_validate({"where": where, "model": model, **fields}))


def cost(
    store: Store, vault: Vault, key: str, model: str, usage: TokenUsage = MILLION, at: float = NOW
) -> int | None:
    specs = compiled(store, vault).prices.get(key)
    rate = PriceBook(specs).rate(model, at) if specs is not None else None
    return None if rate is None else rate.cost(usage)[0]


def test_who_has_no_provider_gets_no_list(store: Store, vault: Vault) -> None:
    local(store, vault)
    assert compiled(store, vault).prices == {}


def test_a_provider_is_known_by_its_address_and_not_by_its_name(store: Store, vault: Vault) -> None:
    credential(store, vault)
    credential(store, vault, name="openai-not", base_url="https://api.groq.com/openai/v1")
    credential(store, vault, name="groq", base_url="https://models.example/v1")
    credential(store, vault, backend_type="anthropic")
    assert cost(store, vault, "openai", "gpt-5.4", TokenUsage(1000, 1000)) == 17_500_000
    assert cost(store, vault, "openai/openai-not", "gpt-5.4") is None
    assert cost(store, vault, "openai/openai-not", "llama-3.3-70b-versatile") is not None
    assert compiled(store, vault).prices["openai/groq"] == ()
    assert cost(store, vault, "anthropic", "claude-opus-4-8", TokenUsage(1000, 1000)) == 30_000_000


def test_a_provider_that_sells_others_models_has_their_prices(store: Store, vault: Vault) -> None:
    credential(store, vault, name="azure", base_url="https://mine.openai.azure.com/openai/v1")
    assert cost(store, vault, "openai/azure", "gpt-5.4", TokenUsage(1000, 1000)) == 17_500_000


def test_own_prices_hold_instead_backend_before_provider_before_list(store: Store, vault: Vault) -> None:
    credential(store, vault, name="quick", base_url="https://api.groq.com/openai/v1")
    model = "llama-3.3-70b-versatile"
    listed = cost(store, vault, "openai/quick", model)
    put(store, "groq", "llama-*", input=1, output=2)
    assert cost(store, vault, "openai/quick", model) == 3_000_000_000 != listed
    put(store, "openai/quick", "*", input=2, output=2)
    assert cost(store, vault, "openai/quick", model) == 4_000_000_000
    put(store, "openai/quick", model.upper(), input=3, output=2)
    assert cost(store, vault, "openai/quick", model) == 5_000_000_000
    put(store, "openai/quick", model.upper(), input=4, output=2)
    assert cost(store, vault, "openai/quick", model) == 6_000_000_000, "set again is changed"


def test_a_local_server_costs_what_was_set_for_it_and_else_nothing_is_said(
    store: Store, vault: Vault
) -> None:
    local(store, vault)
    put(store, "local/box", "qwen*", input=0.05, output=0.1)
    assert cost(store, vault, "local/box", "qwen3") == 150_000_000
    assert cost(store, vault, "local/box", "llama") is None
    assert "local/other" not in compiled(store, vault).prices


def test_days_tiers_and_long_inputs_of_own_prices(store: Store, vault: Vault) -> None:
    credential(store, vault)
    put(store, "openai", "m", input=1, output=1, since="2026-06-01")
    put(store, "openai", "m", input=9, output=9, since="2026-12-01")
    put(store, "openai", "m", input=0.5, output=0.5, tier="flex", since="2026-09-01")
    put(store, "openai", "m", input=2, output=2, above=1000, since="2026-06-01")

    def of(usage: TokenUsage, day: str) -> int | None:
        return cost(
            store, vault, "openai", "m", usage, datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()
        )

    few, many, flex = TokenUsage(1000, 0), TokenUsage(2000, 0), TokenUsage(1000, 0, tier="flex")
    assert of(few, "2026-05-31") is None
    assert of(few, "2026-06-01") == 1_000_000
    assert of(many, "2026-06-01") == 4_000_000
    assert of(flex, "2026-06-01") is None
    assert of(flex, "2026-09-01") == 500_000
    assert of(few, "2026-11-30") == 1_000_000
    assert of(few, "2026-12-01") == 9_000_000


def test_a_tier_without_the_usual_price_is_refused(store: Store) -> None:
    with pytest.raises(Exception, match="no price of yours yet"):
        put(store, "openai", "m", tier="flex", input=1, output=1)


def test_a_price_row_edited_by_hand_stops_nothing(store: Store, vault: Vault) -> None:
    credential(store, vault)
    with store.write() as session:
        session.add(Price(where="openai", model="m", prices={"input": -4, "output": 1, "odd": 3}))
        session.add(Price(where="openai", model="n", tier="flex", prices={"input": 1}))
    assert cost(store, vault, "openai", "m") is None
    assert cost(store, vault, "openai", "n") is None
    assert cost(store, vault, "openai", "gpt-5.4", TokenUsage(1000, 1000)) == 17_500_000


def test_a_reference_works_without_a_key_for_it(store: Store, vault: Vault) -> None:
    with store.write() as session:
        prices.set_reference(session, "anthropic:claude-sonnet-5")
    found = compiled(store, vault).reference
    assert found is not None
    rate = PriceBook(found.prices).rate(found.model, NOW)
    assert rate is not None
    assert rate.cost(MILLION)[0] == 12_000_000_000
    with store.write() as session:
        settings.put(session, prices.REFERENCE, "gone:model")
    assert compiled(store, vault).reference is None


def test_a_list_that_was_read_in_holds_until_it_is_forgotten(store: Store, vault: Vault) -> None:
    from pointsman.ledger.price_files import ProviderPrices

    credential(store, vault)
    credential(store, vault, name="acme", base_url="https://api.acme.example/v1")
    spec = PriceSpec("gpt-5.4", ("=gpt-5.4",), (Period(Tariff(Prices(1_000_000, 1_000_000))),))
    with store.write() as session:
        for name, hosts in (("openai", ""), ("acme", r"https://api\.acme\.example")):
            prices.keep_list(session, ProviderPrices(name, name, hosts, (spec,)), "a file")
    assert cost(store, vault, "openai", "gpt-5.4") == 2_000_000_000
    assert cost(store, vault, "openai", "gpt-5-mini") is None
    assert cost(store, vault, "openai/acme", "gpt-5.4") == 2_000_000_000
    with store.read() as session:
        assert prices.Lists(session, built_in()).source("openai") == "a file"
    with store.write() as session:
        prices.forget_lists(session)
    assert cost(store, vault, "openai", "gpt-5-mini") is not None
    assert cost(store, vault, "openai/acme", "gpt-5.4") is None


PIECES = st.text("ab.*?-", min_size=1, max_size=8)


@given(PIECES, st.text("ab.-", max_size=8))
def test_a_pattern_of_a_price_covers_what_a_rule_s_covers(pattern: str, name: str) -> None:
    spec = PriceSpec("m", (clause(pattern),), (Period(Tariff(Prices(1))),))
    assert bool(PriceBook((spec,)).matching(name)) is wild_match(pattern, name)


def test_a_pattern_with_many_stars_takes_no_time() -> None:
    spec = PriceSpec("m", (clause("*a*b" * 60 + "*c"),), (Period(Tariff(Prices(1))),))
    assert PriceBook((spec,)).matching("ab" * 250) == []
