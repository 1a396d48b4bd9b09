"""Who tries to reach a server that is away, and what the others get: by threads that are held where they are."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from pointsman.admin.store.postgres_approach import Approach


def _fails() -> None:
    raise psycopg.OperationalError("away")


def test_while_it_is_away_the_others_get_what_the_one_who_tries_gets() -> None:
    approach, asked, go = Approach(), threading.Semaphore(0), threading.Event()
    with pytest.raises(psycopg.OperationalError):
        approach.make(_fails)
    tries = 0

    def tried() -> str:
        nonlocal tries
        tries += 1
        asked.release()
        assert go.wait(10)
        if tries == 1:
            _fails()
        return "here"

    with ThreadPoolExecutor(4) as pool:
        first = [pool.submit(approach.make, tried) for _ in range(4)]
        assert asked.acquire(timeout=10)
        assert not asked.acquire(timeout=0.2), "the others wait"
        go.set()
        assert [str(one.exception(10)) for one in first] == ["away"] * 4
        assert tries == 1
        again = [pool.submit(approach.make, tried) for _ in range(4)]
        assert [one.result(10) for one in again] == ["here"] * 4
    assert approach.make(tried) == "here"


def test_who_is_interrupted_leaves_the_turn_to_the_next() -> None:
    approach = Approach()
    with pytest.raises(psycopg.OperationalError):
        approach.make(_fails)

    def stopped() -> None:
        raise RuntimeError("of another kind")

    with pytest.raises(RuntimeError):
        approach.make(stopped)
    with pytest.raises(psycopg.OperationalError):
        approach.make(_fails)
    assert approach.make(lambda: 1) == 1
