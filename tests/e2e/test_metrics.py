"""`/metrics` says the same with one process as with several: names, help, types, labels and sums."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pointsman.practice import Received, Reply, ScriptedUpstream
from tests.agents.model import CHAT as CHAT_NAME
from tests.agents.model import JSON
from tests.ledger.exposition import Family, parse, problems_of

from .gateway import Gateway, wait_until
from .replies import either, fails
from .wires import CHAT, MESSAGES

ROUNDS = 6
Facts = dict[str, tuple[str, str, dict[tuple[tuple[str, str], ...], float]]]


def scraped(gateway: Gateway) -> dict[str, Family]:
    answer = gateway.fetch("GET", "/metrics")
    assert answer.status == 200
    assert answer.header("content-type") == "text/plain; version=0.0.4; charset=utf-8"
    text = answer.body.decode()
    assert problems_of(text) == []
    return parse(text)


def total(families: dict[str, Family], name: str) -> float:
    return sum(families[name].samples.values()) if name in families else 0.0


def answers() -> Callable[[Received], Any]:
    """The first question is refused with a 400; each process also asks for the list of models."""
    asked: list[Received] = []

    def answer(received: Received) -> Any:
        if received.method == "GET":
            return Reply(200, JSON, body=b'{"object":"list","data":[]}')
        asked.append(received)
        return fails(CHAT, 400) if len(asked) == 1 else either(CHAT, "hello")(received)

    return answer


def traffic(gateway: Gateway) -> None:
    """Good and bad answers, streams and whole ones, two protocols, a name that nobody knows."""
    for _ in range(ROUNDS):
        gateway.fetch("POST", CHAT.path, CHAT.ask("good"))
        gateway.fetch("POST", CHAT.path, CHAT.ask("good", stream=True))
        gateway.fetch("POST", MESSAGES.path, MESSAGES.ask("practice"))
        gateway.fetch("POST", CHAT.path, CHAT.ask("unknown"))
    gateway.fetch("GET", "/v1/models")


def facts(tmp_path: Path, workers: int) -> tuple[Facts, dict[str, int | None]]:
    with (
        ScriptedUpstream() as server,
        Gateway(tmp_path / f"data-{workers}", "--workers", str(workers)) as gateway,
    ):
        gateway.api("POST", "/api/local", {"name": "box", "base_url": server.url, "dialects": [CHAT_NAME]})
        gateway.rule("good", "local/box")
        server.always(answers())
        traffic(gateway)
        wait_until(
            "every process has told what it counted",
            lambda: (
                total(scraped(gateway), "pointsman_requests_total") == 4 * ROUNDS
                and total(scraped(gateway), "pointsman_inflight") == 0
            ),
        )
        found = scraped(gateway)
        wait_until(
            "all usage is stored", lambda: gateway.api("GET", "/api/usage/totals")["requests"] == 4 * ROUNDS
        )
        totals = gateway.api("GET", "/api/usage/totals")
        named = {n: (f.kind, f.help, f.samples) for n, f in found.items()}
        assert all(len(set(map(tuple, f.buckets.values()))) == 1 for f in found.values() if f.buckets), (
            "fixed bounds"
        )
        processes = named.pop("pointsman_data_plane_processes")
        assert processes[2] == {(): float(workers)}
        version = named.pop(
            "pointsman_snapshot_version"
        )  # how often rules were published: no matter of the traffic
        assert version[2][()] >= 1.0
        return named | {
            "pointsman_data_plane_processes": (*processes[:2], {}),
            "pointsman_snapshot_version": (*version[:2], {}),
        }, totals


@pytest.mark.slow
def test_one_process_and_two_say_the_same_after_the_same_traffic(tmp_path: Path) -> None:
    one, totals = facts(tmp_path, 1)
    two, others = facts(tmp_path, 2)
    assert one == two
    assert totals == others
    assert {name for name, (kind, _, _) in one.items() if kind == "histogram"} == {
        "pointsman_request_duration_seconds",
        "pointsman_time_to_first_output_seconds",
        "pointsman_gateway_overhead_seconds",
    }
    tokens: dict[str, float] = {}
    for labels, value in one["pointsman_tokens_total"][2].items():
        kind = dict(labels)["kind"]
        tokens[kind] = tokens.get(kind, 0.0) + value
    assert tokens["input"] > 0
    assert {kind: tokens.get(kind) for kind in ("input", "output", "cached", "reasoning")} == {
        kind: totals[f"{kind}_tokens"] for kind in ("input", "output", "cached", "reasoning")
    }, "what the usage says"


def test_while_the_control_plane_is_away_one_process_answers_for_itself(tmp_path: Path) -> None:
    with Gateway(tmp_path / "data", "--workers", "2", expect_clean_log=False) as gateway:
        names = set(scraped(gateway))
        for pid in gateway.pids("pointsman.admin"):
            os.kill(pid, signal.SIGKILL)
        assert set(scraped(gateway)) == names
