"""A budget through `kill -9` of the whole gateway: what is counted after the next start, beside what clients were answered.

`python -m tests.durable.budgets 200` does it two hundred times; tests do it a few. Nothing here asserts; `failures` is the
verdict.
"""

from __future__ import annotations

import http.client
import json
import random
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.crowding import within
from tests.e2e.gateway import Gateway

CLIENTS = 8
LOST_SECONDS = 1.0
"""R9: what a crash may cost of the usage rows."""
ANSWERS = 60
"""Of which the budget of one life has room for so many."""
ASK = json.dumps(
    {"model": "practice:fast", "max_tokens": 8, "messages": [{"role": "user", "content": "hi there"}]}
).encode()


@dataclass
class Budgets:
    """kills: how often. answers: whole answers that clients got; counted: those that the budget holds. lost: of those, per
    kill, at most; age: seconds before the kill that the oldest of them was given. over: tokens beyond the limit, at
    most."""

    kills: int = 0
    answers: int = 0
    refused: int = 0
    counted: int = 0
    lost: int = 0
    age: float = 0.0
    over: int = 0
    failures: list[str] = field(default_factory=list)


class _Load:
    """Clients that ask until the gateway is gone; what each was told, and when."""

    def __init__(self, port: int, secret: str) -> None:
        self.answered: list[tuple[float, int]] = []  # when, tokens
        self.refused = 0
        self.odd: list[tuple[float, str]] = []
        self._headers = {"authorization": f"Bearer {secret}"}
        self._threads = [threading.Thread(target=self._run, args=(port,)) for _ in range(CLIENTS)]
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        for thread in self._threads:
            thread.join(30)

    def _run(self, port: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        try:
            while True:
                connection.request("POST", "/v1/chat/completions", ASK, self._headers)
                answer = connection.getresponse()
                said: dict[str, Any] = json.loads(answer.read())
                if answer.status == 200:
                    self.answered.append((time.monotonic(), said["usage"]["total_tokens"]))
                elif answer.status == 429:
                    self.refused += 1
                    time.sleep(0.01)
                else:
                    self.odd.append((time.monotonic(), f"{answer.status}: {said}"))
        except (OSError, http.client.HTTPException, ValueError):
            return  # it is gone
        finally:
            connection.close()


def rehearse(kills: int, seed: int = 1, *options: str) -> Budgets:
    """So many lives, each ended by `kill -9` of all its processes at a random moment."""
    found, chance = Budgets(), random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="pm-budgets-") as folder:
        gateway = Gateway(Path(folder) / "data", *options, expect_clean_log=False)
        secret, key, spent, limit, killed = "", 1, 0, 0, 0.0
        load: _Load | None = None
        for life in range(kills + 1):
            gateway.start()
            try:
                if not secret:
                    secret = gateway.api("POST", "/api/keys", {"name": "load", "budget_tokens": 1})["secret"]
                now = _spent(gateway, key)
                if load is not None:
                    _compare(found, now, spent, limit, load, killed)
                    if now != _logged(gateway, key):
                        found.failures.append(
                            f"life {life}: the budget holds {now}, the log {_logged(gateway, key)}"
                        )
                spent = now
                if life == kills:
                    break
                each = load.answered[0][1] if load is not None and load.answered else 16
                limit = spent + ANSWERS * each
                gateway.api("PATCH", f"/api/keys/{key}", {"budget_tokens": limit})
                load = _Load(int(gateway.url.rpartition(":")[2]), secret)
                time.sleep(chance.uniform(0.02, 2.0))
                ending = time.monotonic()  # one process after the other
                gateway.kill()
                killed = time.monotonic()
                load.join()
                found.kills += 1
                found.failures += [text for when, text in load.odd if when < ending]
            finally:
                if gateway.process is not None:
                    gateway.stop()
    return found


def _compare(found: Budgets, now: int, before: int, limit: int, load: _Load, killed: float) -> None:
    each = max((tokens for _, tokens in load.answered), default=16)
    answered = sum(tokens for _, tokens in load.answered)
    counted = now - before
    missing = max(0, answered - counted) // each
    age = killed - sorted(load.answered)[-missing][0] if missing else 0.0
    found.answers += len(load.answered)
    found.refused += load.refused
    found.counted += counted // each
    found.lost = max(found.lost, missing)
    found.age = max(found.age, round(age, 2))
    found.over = max(found.over, now - limit)
    if not within(age, LOST_SECONDS):
        found.failures.append(f"an answer is lost that was given {age:.2f} s before the kill")
    if counted > answered + CLIENTS * each:
        found.failures.append(f"{counted} tokens are counted of {answered} that were answered")
    if now > limit + each:
        found.failures.append(f"{now - limit} tokens over the limit")


def _spent(gateway: Gateway, key: int) -> int:
    spent: int = gateway.api("GET", f"/api/keys/{key}")["spent"]["tokens"]
    return spent


def _logged(gateway: Gateway, key: int) -> int:
    totals = gateway.api("GET", f"/api/usage/totals?key_id={key}")
    return (totals["input_tokens"] or 0) + (totals["output_tokens"] or 0)


if __name__ == "__main__":
    print(rehearse(int(sys.argv[1]), 1, *sys.argv[2:]))
