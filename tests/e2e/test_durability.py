"""Crashes and a database in trouble: what was acknowledged stays, and requests go on."""

from __future__ import annotations

import os
import signal
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from http.client import HTTPException

from .gateway import Gateway, wait_until
from .web import Connection
from .wires import CHAT

Make = Callable[..., Gateway]


def patterns(gateway: Gateway) -> set[str]:
    return {row["model_pattern"] for row in gateway.api("GET", "/api/mappings")}


def test_acknowledged_rules_survive_kill_9_again_and_again(own_gateway: Make) -> None:
    gateway = own_gateway()
    acknowledged: set[str] = set()
    for round_number in range(3):
        (control,) = gateway.pids("pointsman.admin")
        timer = threading.Timer(0.15, os.kill, (control, signal.SIGKILL))
        try:
            for number in range(10_000):
                name = f"r{round_number}-{number}"
                answer = gateway.api_answer(
                    "POST", "/api/mappings", {"model_pattern": name, "backend_type": "local"}
                )
                if answer.status != 201:
                    break
                acknowledged.add(name)
                if not timer.ident:
                    timer.start()
        except (OSError, HTTPException):  # killed before the answer, or in the middle of one
            pass
        if not timer.ident:  # refused before any was acknowledged
            timer.start()
        timer.join()

        def back() -> bool:
            try:
                return gateway.api_answer("GET", "/api/mappings").status == 200
            except (OSError, HTTPException):
                return False

        wait_until("the control plane is back", back, 15)
        assert acknowledged <= patterns(gateway)
    assert acknowledged
    gateway.stop()
    with closing(sqlite3.connect(gateway.data_dir / "pointsman.db")) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_locked_database_is_try_again_for_admins_and_nothing_for_clients(own_gateway: Make) -> None:
    gateway = own_gateway()
    gateway.rule("m", "local/practice=practice")
    body = {"model_pattern": "n", "backend_type": "local", "backend_name": "practice"}
    with closing(sqlite3.connect(gateway.data_dir / "pointsman.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        client = Connection(gateway.url)
        try:
            asked = threading.Thread(target=client.request, args=("GET", "/livez"))
            asked.start()
            answer = gateway.api_answer("POST", "/api/mappings", body)
            assert answer.status == 503, answer.body
            assert answer.header("retry-after")
            assert answer.json()["code"]
            assert gateway.fetch("POST", CHAT.path, CHAT.ask("m")).status == 200
            asked.join()
        finally:
            client.close()
        other.execute("ROLLBACK")
    gateway.api("POST", "/api/mappings", body, status=201)


def test_a_usage_database_that_is_deleted_is_made_anew(own_gateway: Make) -> None:
    gateway = own_gateway()
    gateway.rule("m", "local/practice=practice")
    gateway.fetch("POST", CHAT.path, CHAT.ask("m"))
    wait_until("a row", lambda: gateway.api("GET", "/api/usage?model=m"))
    for path in gateway.data_dir.glob("usage.db*"):
        path.unlink()
    last = gateway.fetch("POST", CHAT.path, CHAT.ask("m")).header("x-request-id")

    def stored() -> bool:
        answer = gateway.api_answer("GET", "/api/usage?model=m")
        return answer.status == 200 and last in [row["id"] for row in answer.json()]

    wait_until("the new row", stored, 15)


def test_a_backend_that_is_the_gateway_itself_ends_in_an_error_soon(own_gateway: Make) -> None:
    gateway = own_gateway()
    gateway.rule("loop", gateway.backend("local", gateway.url))
    answer = gateway.fetch("POST", CHAT.path, CHAT.ask("loop"))
    assert answer.status >= 400
    assert CHAT.check_error(answer.json())
    rows = wait_until("its usage", lambda: gateway.api("GET", "/api/usage?model=loop&limit=100"))
    assert len(rows) <= 6, "it went round and round"
