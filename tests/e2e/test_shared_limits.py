"""Limits of two gateways on one PostgreSQL, one of them with two processes, as clients with one key meet them. The arithmetic:
tests/ledger/test_leased.py; three at once: tests/admin/control/test_leases.py.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.postgres_ready import ReadyDatabases

from .gateway import POINTSMAN, Gateway, clean_environment
from .web import Answer

BODY = {"model": "m", "max_tokens": 100, "messages": [{"role": "user", "content": "hi"}]}


@pytest.fixture(scope="module")
def two(
    ready_databases: ReadyDatabases, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Gateway, Gateway]]:
    folder = tmp_path_factory.mktemp("shared")
    with ExitStack() as stack:
        env = {"POINTSMAN_DATABASE_URL": stack.enter_context(ready_databases.lent())}
        first = stack.enter_context(Gateway(folder / "n1", "--node", "n1", env=env))
        (folder / "n2").mkdir(mode=0o700)
        shutil.copy(folder / "n1" / "master.key", folder / "n2" / "master.key")
        second = stack.enter_context(Gateway(folder / "n2", "--node", "n2", "--workers", "2", env=env))
        first.rule("m", "local/practice")
        yield first, second


def key(gateway: Gateway, name: str, *limits: str) -> str:
    """A new one's secret."""
    done = subprocess.run(
        [POINTSMAN, "key", "create", "--name", name, *limits, "--data-dir", str(gateway.data_dir), "--json"],
        env=clean_environment(gateway.env), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return str(json.loads(done.stdout)["secret"])


def chat(gateway: Gateway, secret: str) -> Answer:
    return gateway.fetch("POST", "/v1/chat/completions", BODY, authorization=f"Bearer {secret}")


def test_a_rate_is_one_for_both_and_each_tells_what_is_left_of_it(two: tuple[Gateway, Gateway]) -> None:
    secret = key(two[0], "rated", "--rate-requests", "6")
    first = chat(two[0], secret)
    assert (first.status, first.header("x-ratelimit-remaining-requests")) == (200, "5")
    told = [chat(two[number % 2], secret) for number in range(1, 10)]
    assert [one.status for one in told].count(200) <= 6
    assert [one.status for one in told][:3] == [200, 200, 200]
    assert [one.status for one in told][-2:] == [429, 429]
    assert told[-1].json()["error"]["code"] == "rate_limit_exceeded"


def test_a_budget_is_one_for_both_and_what_one_used_is_known_to_the_other_after_its_end(
    two: tuple[Gateway, Gateway],
) -> None:
    secret = key(two[0], "budgeted", "--budget-tokens", "150", "--per", "total")
    spent, largest, refused = 0, 0, set()
    until = time.monotonic() + 30
    while len(refused) < 2 and time.monotonic() < until:
        for gateway in two:
            got = chat(gateway, secret)
            if got.status == 200:
                used = got.json()["usage"]["total_tokens"]
                spent, largest = spent + used, max(largest, used)
            elif got.json()["error"]["code"] == "insufficient_quota":
                refused.add(gateway.url)
            else:
                time.sleep(0.2)  # what is left is held elsewhere
    assert refused == {gateway.url for gateway in two}
    assert 150 <= spent < 150 + largest
