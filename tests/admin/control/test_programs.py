"""`/api/programs`: snippets for this gateway, and whether a program's first request has arrived."""

from __future__ import annotations

import itertools

import pytest

from pointsman.ledger.blocks import block_of
from pointsman.link.messages import UsageBatch

from .plane import Plane, Worker
from .test_usage import record

_numbers = itertools.count(1)
_times = itertools.count(1_700_100_000, 1000)


def arrivals(worker: Worker, *rows: dict[str, object]) -> float:
    """These requests, a second apart; when they began."""
    began, batch = float(next(_times)), next(_numbers)
    records = [record(0, **{"id": f"req_{batch}_{n}", "at": began + n, **row}) for n, row in enumerate(rows)]
    worker.send(UsageBatch(batch=batch, block=block_of(records)))
    worker.wait(lambda: batch in worker.acks)
    return began


def arrival(plane: Plane, name: str, since: float, key: str = "") -> dict[str, object]:
    found: dict[str, object] = plane.good("GET", f"/api/programs/{name}/arrival?since={since}{key}")
    return found


def test_every_program_is_listed_with_how_its_first_request_is_sent(plane: Plane) -> None:
    listed = plane.good("GET", "/api/programs")
    titles = {row["name"]: row["title"] for row in listed}
    assert titles["claude-code"] == "Claude Code"
    assert all(row["first"] and row["kind"] for row in listed)


def test_snippets_have_the_gateways_own_address_unless_another_is_given(plane: Plane) -> None:
    texts = [one["text"] for one in plane.good("GET", "/api/programs/codex?model=qwen3")["snippets"]]
    assert 'base_url = "http://127.0.0.1:4480/v1"' in texts[0]
    assert 'model = "qwen3"' in texts[0]
    far = plane.good("GET", "/api/programs/cursor?url=https://models.example.com")
    assert (far["problem"], far["needs_key"]) == (None, False)
    assert "https://models.example.com/v1" in far["snippets"][0]["text"]
    assert "https" in plane.good("GET", "/api/programs/cursor")["problem"]


@pytest.mark.parametrize("query", ["model=", "model=a%0Ab", "url=javascript:alert(1)", "nonsense=1"])
def test_what_no_snippet_can_hold_is_refused(plane: Plane, query: str) -> None:
    assert plane.call("GET", f"/api/programs/curl?{query}").status == 422


def test_an_unknown_program_is_a_404(plane: Plane) -> None:
    assert plane.call("GET", "/api/programs/nobody").status == 404
    assert plane.call("GET", "/api/programs/nobody/arrival?since=0").status == 404


def test_nothing_has_come_while_others_ask(plane: Plane, worker: Worker) -> None:
    began = arrivals(worker, {"client": "curl"}, {"client": "openai-python"})
    assert arrival(plane, "claude-code", began)["state"] == "waiting"
    assert arrival(plane, "curl", began + 10)["state"] == "waiting"  # that was before


def test_the_first_that_was_answered_is_the_arrival(plane: Plane, worker: Worker) -> None:
    began = arrivals(
        worker,
        {"client": "claude-cli", "status": 404, "outcome": "error", "target": None},
        {"client": "claude-cli", "first_output_ms": 240.0, "target": "local/box:qwen3"},
        {"client": "claude-cli", "target": "openai:gpt"},
        {"client": "claude-cli", "status": 500, "outcome": "error"},
    )
    found = arrival(plane, "claude-code", began)
    assert (found["state"], found["target"], found["first_output_ms"]) == (
        "arrived",
        "local/box:qwen3",
        240.0,
    )
    assert found["why"] is None


@pytest.mark.parametrize(
    ("row", "word"),
    [
        ({"status": 401}, "key is missing or wrong"),
        ({"status": 403}, "scope"),
        ({"status": 404, "model": "<b>no</b>"}, "model name <b>no</b>"),
        ({"status": 429}, "limit"),
        ({"status": 400}, "refused with 400"),
        ({"status": 502}, "no backend answered (502)"),
        ({"status": 499, "outcome": "aborted"}, "left before"),
        ({"status": 200, "outcome": "interrupted"}, "broke off"),
    ],
    ids=str,
)
def test_a_failed_one_says_what_to_do(
    plane: Plane, worker: Worker, row: dict[str, object], word: str
) -> None:
    began = arrivals(worker, {"client": "claude-cli", "outcome": "error", **row})
    found = arrival(plane, "claude-code", began)
    assert found["state"] == "failed"
    assert word in str(found["why"])


def test_with_a_key_only_its_requests_count_and_those_that_had_no_good_one(
    plane: Plane, worker: Worker
) -> None:
    began = arrivals(worker, {"client": "codex_exec", "key_id": 4})
    assert arrival(plane, "codex", began, "&key_id=5")["state"] == "waiting"
    assert arrival(plane, "codex", began, "&key_id=4")["state"] == "arrived"
    refused = arrivals(worker, {"client": "codex_cli_rs", "status": 401, "outcome": "error"})
    assert arrival(plane, "codex", refused, "&key_id=5")["state"] == "failed"


def test_a_program_that_does_not_say_who_it_is_has_arrived_with_anybodys_but_our_own(
    plane: Plane, worker: Worker
) -> None:
    began = arrivals(worker, {"client": "playground"})
    assert arrival(plane, "cursor", began)["state"] == "waiting"
    assert arrival(plane, "cursor", arrivals(worker, {"client": "some-fetch"}))["state"] == "arrived"


def test_goose_which_sends_no_name_has_not_arrived_with_what_has_one(plane: Plane, worker: Worker) -> None:
    assert arrival(plane, "goose", arrivals(worker, {"client": "curl"}))["state"] == "waiting"
    assert arrival(plane, "goose", arrivals(worker, {"client": ""}))["state"] == "arrived"


@pytest.mark.parametrize(
    ("program", "client"),
    [
        ("cline", "ai-sdk-openai-compatible"),  # its command, 3.0.65
        ("continue", "sdk-js"),  # cn 1.5.47, whose build shortened the SDK's name
        ("goose", ""),
        ("crush", "charm-crush"),
        ("qwen-code", "qwencode"),
        ("open-webui", "python-aiohttp"),
    ],
)
def test_a_program_is_known_by_what_it_was_seen_to_call_itself(
    plane: Plane, worker: Worker, program: str, client: str
) -> None:
    assert arrival(plane, program, arrivals(worker, {"client": client}))["state"] == "arrived"
