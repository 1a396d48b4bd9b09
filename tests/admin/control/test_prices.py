"""`/api/prices` over the socket: what is set holds in the data plane when the answer comes."""

from __future__ import annotations

from collections.abc import Callable

from pointsman.conversation.usage import TokenUsage
from pointsman.ledger.prices import PriceBook
from tests.ledger.test_price_files import GENAI, LITELLM

from .plane import Plane, Worker

PRICE = {"where": "openai/priced", "model": "gpt-5.4", "input": 1, "output": 2}


def cost(worker: Worker, model: str) -> int | None:
    rate = PriceBook(worker.snapshot.prices["openai/priced"]).rate(model, 1_796_000_000)
    return None if rate is None else rate.cost(TokenUsage(1_000_000, 0))[0]


def test_a_price_from_set_to_remove(plane: Plane, worker: Worker) -> None:
    plane.good(
        "PUT", "/api/credentials/openai/priced", {"api_key": "sk-1", "base_url": "https://api.openai.com/v1"}
    )
    assert cost(worker, "gpt-5.4") == 5_000_000_000, "a long input of the list"
    said = plane.call("POST", "/api/prices", PRICE)
    made = said.json()
    assert (said.status, said.headers["location"]) == (201, f"/api/prices/{made['id']}")
    assert (made["source"], made["input"], made["cached"]) == ("own", 1.0, None)
    assert "cached" in made["warnings"][0]
    assert cost(worker, "gpt-5.4") == 1_000_000_000
    assert plane.good("POST", "/api/prices", PRICE | {"input": 3})["id"] == made["id"]
    assert cost(worker, "gpt-5.4") == 3_000_000_000
    assert plane.good("GET", f"/api/prices/{made['id']}")["input"] == 3.0
    listed = plane.good("GET", "/api/prices?model=gpt-5.4")
    assert listed[0]["id"] == made["id"]
    assert {row["where"] for row in listed[1:]} == {"openai"}
    assert {row["tier"] for row in listed[1:]} == {"", "flex", "priority", "fast", "batch"}
    assert [row["id"] for row in plane.good("GET", "/api/prices?own=true&provider=openai/priced")] == [
        made["id"]
    ]
    plane.good("DELETE", f"/api/prices/{made['id']}", status=204)
    assert cost(worker, "gpt-5.4") == 5_000_000_000
    plane.problem("DELETE", f"/api/prices/{made['id']}", status=404)


def test_what_is_no_price_is_refused_by_name(plane: Plane) -> None:
    for change, param in (
        ({"input": -1}, "input"), ({"output": "2"}, "output"), ({"since": "soon"}, "since"), ({"tier": "a b"}, "tier"),
        ({"above": -1}, "above"), ({"where": ""}, "where"), ({"odd": 1}, "odd"), ({"input": 1e7}, "input"),
        ({"tier": "flex", "model": "other"}, "tier"),
    ):  # fmt: skip
        assert plane.problem("POST", "/api/prices", PRICE | change)["param"] == param
    assert (
        "name at least one price"
        in plane.problem("POST", "/api/prices", {"where": "x", "model": "y"})["detail"]
    )


def test_lists_that_others_keep_are_read_in_and_forgotten(plane: Plane, worker: Worker) -> None:
    plane.good(
        "PUT", "/api/credentials/openai/priced", {"api_key": "sk-1", "base_url": "https://api.openai.com/v1"}
    )
    told = plane.good("POST", "/api/price-lists", {"source": "litellm.json", "data": LITELLM})
    assert told == {"models": {"openai": 1, "groq": 1, "google": 1}, "own": 0}
    assert cost(worker, "gpt-9") == 5_000_000_000
    assert plane.good("GET", "/api/prices?provider=groq")[0]["source"] == "litellm.json"
    assert plane.good("POST", "/api/price-lists", {"data": GENAI})["models"] == {"acme": 1}
    rows = plane.good("GET", "/api/prices?provider=acme&model=rocket")
    assert [(row["above"], row["since"], row["input"]) for row in rows if not row["tier"]] == [
        (0, "", 4.0), (0, "2026-06-01", 2.0), (1000, "2026-06-01", 3.0),
    ]  # fmt: skip
    plane.good("DELETE", "/api/price-lists", status=204)
    assert cost(worker, "gpt-9") is None
    assert cost(worker, "gpt-5.4") == 5_000_000_000
    assert "list of prices" in plane.problem("POST", "/api/price-lists", {"data": {"a": 1}})["detail"]


def test_ones_own_prices_go_out_and_come_in(plane: Plane) -> None:
    first = plane.good("POST", "/api/prices", PRICE | {"model": "exported"})
    plane.good("POST", "/api/prices", PRICE | {"model": "exported", "tier": "flex", "input": 0.5})
    out = plane.good("GET", "/api/prices?own=true&model=exported")
    for row in out:
        plane.good("DELETE", f"/api/prices/{row['id']}", status=204)
    assert plane.good("POST", "/api/price-lists", {"data": out}) == {"models": {}, "own": 2}
    again = plane.good("GET", "/api/prices?own=true&model=exported")
    anew = {"id": 0, "version": ""}
    assert [row | anew for row in again] == [row | anew for row in out]
    assert again[0]["id"] != first["id"]
    assert plane.problem("POST", "/api/price-lists", {"data": [out[0] | {"input": -1}]})["param"] == "input"


def test_a_reference_is_a_model_whose_price_is_known(
    plane: Plane, worker: Worker, fresh: Callable[[], str]
) -> None:
    assert plane.good("GET", "/api/price-reference") == {"target": None}
    plane.good("PUT", "/api/price-reference", {"target": "anthropic:claude-sonnet-5"})
    assert plane.good("GET", "/api/price-reference") == {"target": "anthropic:claude-sonnet-5"}
    assert worker.snapshot.reference is not None
    for wrong in ("nonsense", ":x", f"{fresh()}:model", "openai:gpt-of-tomorrow", "local/box:qwen3"):
        assert plane.problem("PUT", "/api/price-reference", {"target": wrong})["param"] == "target"
    plane.good("PUT", "/api/price-reference", {"target": None})
    assert worker.snapshot.reference is None


def test_explain_says_what_each_target_costs(plane: Plane, fresh: Callable[[], str]) -> None:
    plane.good(
        "PUT", "/api/credentials/openai/priced", {"api_key": "sk-1", "base_url": "https://api.openai.com/v1"}
    )
    targets = [
        ("openai", "priced", "gpt-5-mini"),
        ("openai", "priced", "gpt-of-tomorrow"),
        ("local", "box", "qwen3"),
    ]
    found = []
    for kind, name, model in targets:
        pattern = fresh()
        rule = {"model_pattern": pattern, "backend_type": kind, "backend_name": name, "backend_model": model}
        plane.good("POST", "/api/mappings", rule)
        (target,) = plane.good("GET", f"/api/explain?model={pattern}")["targets"]
        found.append(target["price"])
    assert found == [{"input": 0.25, "cached": 0.025, "output": 2.0, "web_search": 0.01}, None, {}]
