"""Files and spools of the version before clients and money were known, as that version wrote them."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from pointsman.admin.store import usage_log
from pointsman.admin.store.usage_file import UsageFile
from pointsman.ledger.blocks import UsageBlock, block_of
from pointsman.ledger.records import UsageRecord
from pointsman.link.spool import Spool

from .test_usage import broken, shape
from .test_usage_log import plain

FILE = Path(__file__).with_name("usage_v4.sql")
"""Made by that version: three records that are folded, and a block of two that are not."""
FRAME = bytes.fromhex(
    "88a77265636f72647301a866697273745f6174cb40d1954000000000a76c6173745f6174cb40d1954000000000a57370616e739193ae7265"
    "715f61616161616161616161b67265715f616161616161616161613030303030303035b67265715f61616161616161616161303030303030"
    "3035a56b696e647391c4369aab6f70656e61695f63686174b42f76312f636861742f636f6d706c6574696f6e73a16da86f70656e61693a6d"
    "c0ccc8a26f6b01c0c3a577686963689100a7636f6c756d6e738da269649391ae7265715f616161616161616161619100a830303030303030"
    "35a26174c408000000004095d140a77265717565737491c0a673747265616d91c2a8617474656d7074739101a7617474656d70749101a66a"
    "6f696e656491c2ac696e7075745f746f6b656e73910fad6f75747075745f746f6b656e739105ad6361636865645f746f6b656e7391c0b072"
    "6561736f6e696e675f746f6b656e7391c0af66697273745f6f75747075745f6d73c408000000000000f83fa8746f74616c5f6d73c4080000"
    "000000000440a7616e737765727390"
)
"""A block of one record, as that version put it into a spool."""


@pytest.fixture
def old(tmp_path: Path) -> Path:
    path = tmp_path / "usage.db"
    path.touch(mode=0o600)
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(FILE.read_text())
        connection.execute("PRAGMA user_version = 4")
    return path


def of_old(number: int, **more: object) -> UsageRecord:
    fields: dict[str, object] = {
        "at": 3600.0 * number + 5, "protocol": "openai_chat", "path": "/v1/chat/completions", "target": "openai:m",
        "input_tokens": 10 + number, "output_tokens": number, "first_output_ms": 1.5, "total_ms": 2.5, "key_id": 1,
    }  # fmt: skip
    return plain(number, **fields | more)


OLD = [
    of_old(4), of_old(3, model="other"), of_old(2, outcome="error", status=500, output_tokens=None), of_old(1), of_old(0),
]  # fmt: skip


def test_its_records_are_there_and_their_cost_is_unknown_and_not_nothing(old: Path) -> None:
    usage = UsageFile(old)
    assert usage.page()[0] == OLD
    totals = usage.totals()
    assert (totals.requests, totals.failed, totals.input_tokens) == (5, 1, 60)
    assert (totals.cost, totals.unpriced) == (None, 5)
    known = of_old(
        9, client="claude-cli", session="s-1", cost=1_500_000_000, saved=7, flag="estimated", tier="flex"
    )
    assert usage.add(block_of([known])) == 1
    usage.tend()
    usage.tend()
    usage.close()
    usage = UsageFile(old)
    assert usage.page()[0] == [known, *OLD]
    totals = usage.totals()
    assert (totals.cost, totals.saved, totals.extra, totals.unpriced) == (1.5, 7e-9, None, 5)
    assert usage.integrity() == []
    usage.close()


def test_a_change_that_is_cut_off_is_made_the_next_time(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = shape(old)
    usage = UsageFile(old)
    with monkeypatch.context() as patch:
        patch.setattr(usage_log.UsageLog, "__init__", broken)
        patch.setattr("pointsman.admin.store.usage_file._metadata.create_all", broken)
        with pytest.raises(sqlite3.OperationalError, match="as if"):
            usage.totals()
    assert shape(old) == before, "nothing of it is there"
    assert usage.totals().requests == 5
    usage.close()


def test_a_spool_that_it_left_is_taken(old: Path, tmp_path: Path) -> None:
    block = msgspec.msgpack.decode(FRAME, type=UsageBlock)
    spool = Spool(tmp_path / "spool", 0)
    assert spool.append(block)
    taken = spool.take()
    assert taken is not None
    assert taken.read() == [of_old(5)]
    usage = UsageFile(old)
    assert usage.add(taken) == 1
    assert usage.add(taken) == 0
    assert usage.page()[0] == [of_old(5), *OLD]
    assert usage.totals().unpriced == 6
    usage.close()
