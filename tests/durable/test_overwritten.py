"""The database's file is written by somebody else while the gateway runs: a change was taken from the pages that SQLite
remembered, and was gone after the next start. One gateway for all: each trouble ends with the backup put back."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pointsman.admin.store.database import Store
from tests.e2e.gateway import Gateway, wait_until

CHAT = {"model": "practice:fast", "messages": [{"role": "user", "content": "hi"}]}
RULE = {"model_pattern": "a", "backend_type": "local"}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with Gateway(tmp_path_factory.mktemp("overwritten") / "data") as running:
        for number in range(30):
            running.api("POST", "/api/mappings", RULE | {"model_pattern": f"mine-{number}"}, status=201)
        yield running


def noise(file: Path, _: Path) -> None:
    with file.open("r+b") as found:
        found.write(random.Random(1).randbytes(file.stat().st_size))


def noise_behind_the_head(file: Path, _: Path) -> None:
    with file.open("r+b") as found:
        found.seek(4096)
        found.write(random.Random(1).randbytes(file.stat().st_size - 4096))


def half(file: Path, _: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


def somebody_s_database(file: Path, aside: Path) -> None:
    with sqlite3.connect(aside / "other.db") as other:
        other.execute("CREATE TABLE notes (text)")
    other.close()
    (aside / "other.db").chmod(0o600)
    os.replace(aside / "other.db", file)


def another_gateway_s(file: Path, aside: Path) -> None:
    Store.open(aside / "another").close()
    shutil.copyfile(aside / "another" / "pointsman.db", file)


def by_renaming(kept: Path, file: Path) -> None:
    shutil.copyfile(kept, kept.with_suffix(".copy"))
    kept.with_suffix(".copy").chmod(0o600)
    os.replace(kept.with_suffix(".copy"), file)


def in_place(kept: Path, file: Path) -> None:
    shutil.copyfile(kept, file)


@pytest.mark.parametrize(
    ("trouble", "told", "put_back"),
    [
        (noise, "is not a database", by_renaming),
        (noise_behind_the_head, "is damaged", in_place),
        (half, "is damaged", by_renaming),
        (somebody_s_database, "is not this gateway's", in_place),
        (another_gateway_s, "is not this gateway's", by_renaming),
    ],
)
def test_a_database_that_somebody_overwrites_is_told_and_takes_no_change(
    trouble: Callable[[Path, Path], None],
    told: str,
    put_back: Callable[[Path, Path], None],
    gateway: Gateway,
    tmp_path: Path,
) -> None:
    file, kept = gateway.data_dir / "pointsman.db", tmp_path / "kept.db"
    rules = gateway.api("GET", "/api/mappings")
    shutil.copyfile(file, kept)  # a plain copy holds everything: nothing waits in a log
    trouble(file, tmp_path)
    refused = gateway.api_answer("POST", "/api/mappings", RULE)  # at once, before anybody looked
    assert refused.status == 503, refused.body
    assert told in refused.json()["detail"]
    assert dict(refused.headers)["retry-after"]

    def degraded() -> bool:
        ready = gateway.fetch("GET", "/readyz").json()
        return ready["status"] == "degraded" and any(told in one for one in ready["problems"])

    wait_until("it is told", degraded, 5)
    assert gateway.api_answer("GET", "/api/mappings").status == 503
    assert gateway.fetch("POST", "/v1/chat/completions", CHAT).status == 200, "the rules in memory serve on"
    put_back(kept, file)
    wait_until("it is back", lambda: gateway.fetch("GET", "/readyz").json()["status"] == "ready", 5)
    assert gateway.api("GET", "/api/mappings") == rules
    made = gateway.api("POST", "/api/mappings", RULE, status=201)
    with sqlite3.connect(f"file:{file}?immutable=1", uri=True) as found:  # the file alone
        assert found.execute("SELECT id FROM backend_mappings WHERE id = ?", (made["id"],)).fetchall()
    found.close()


def test_what_another_program_writes_properly_is_no_damage(gateway: Gateway) -> None:
    """As `sqlite3 pointsman.db` does; a SIGHUP makes it live (docs/outages.md)."""
    made = gateway.api("POST", "/api/mappings", RULE | {"model_pattern": "by hand"}, status=201)
    with sqlite3.connect(gateway.data_dir / "pointsman.db") as by_hand:
        by_hand.execute("UPDATE backend_mappings SET priority = 7 WHERE id = ?", (made["id"],))
    by_hand.close()
    assert gateway.api("GET", f"/api/mappings/{made['id']}")["priority"] == 7
    assert gateway.api("PATCH", f"/api/mappings/{made['id']}", {"priority": 8})["priority"] == 8
    assert gateway.fetch("GET", "/readyz").json()["status"] == "ready"
