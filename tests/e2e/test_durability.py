"""A usage database that is lost, and a backend that is the gateway itself. Not here: crashes, and a database in trouble
(tests/durable/test_outages.py)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .gateway import Gateway, wait_until
from .wires import CHAT


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """Its usage database is deleted, so that it is no other module's."""
    with Gateway(tmp_path_factory.mktemp("durability") / "data") as found:
        yield found


def test_a_usage_database_that_is_deleted_is_made_anew(gateway: Gateway) -> None:
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


def test_a_backend_that_is_the_gateway_itself_ends_in_an_error_soon(gateway: Gateway) -> None:
    gateway.rule("loop", gateway.backend("local", gateway.url))
    answer = gateway.fetch("POST", CHAT.path, CHAT.ask("loop"))
    assert answer.status >= 400
    assert CHAT.check_error(answer.json())
    rows = wait_until("its usage", lambda: gateway.api("GET", "/api/usage?model=loop&limit=100"))
    assert len(rows) <= 6, "it went round and round"
