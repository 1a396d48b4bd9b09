"""Usage on its way: whatever ends in between, each record is stored once, and few batches tell of a long wait."""

from __future__ import annotations

import tempfile
from pathlib import Path

import hypothesis.strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from msgspec.structs import replace

from pointsman.ledger.blocks import block_of, joined
from pointsman.link.messages import Up, UsageBatch
from pointsman.link.outbox import JOINED, WINDOW, Outbox
from pointsman.link.spool import Spool

from .test_frames import record


class Upper:
    """A control plane that reads, or does not."""

    def __init__(self) -> None:
        self.connected = False
        self.reads = False
        self.got: list[UsageBatch] = []

    def say(self, message: Up) -> bool:
        if self.reads:
            assert isinstance(message, UsageBatch)
            self.got.append(message)
        return self.reads

    def comes(self, outbox: Outbox) -> None:
        self.connected = self.reads = True
        self.got = []
        outbox.connected()

    def goes(self) -> None:
        self.connected = self.reads = False


def test_what_waited_for_a_minute_goes_in_few_batches() -> None:
    upper = Upper()
    upper.comes(outbox := Outbox(upper))
    for number in range(240):
        outbox.record(record(number))
        outbox.flush()
    assert len(upper.got) == WINDOW
    outbox.acknowledged(upper.got[0].batch)
    assert len(upper.got) == WINDOW + 1
    assert [one.id for one in upper.got[-1].block.read()] == [
        f"req_{number}" for number in range(WINDOW, 240)
    ]
    assert not upper.got[-1].again, "none of it was sent before"
    for batch in upper.got[1:]:
        outbox.acknowledged(batch.batch)
    assert (outbox.held, outbox.unacked, outbox.sent) == (0, {}, {})


def test_batches_become_no_larger_than_the_loop_can_bear() -> None:
    upper = Upper()
    upper.comes(outbox := Outbox(upper))
    for number in range(WINDOW):
        outbox.record(record(number))
        outbox.flush()
    for start in range(1_000, 1_000 + 9 * 200, 200):
        for number in range(start, start + 200):
            outbox.record(record(number))
        outbox.flush()
    for number, batch in enumerate(upper.got):
        outbox.acknowledged(batch.batch)
        assert batch.block.records <= JOINED, number


def test_joined_blocks_say_what_they_said_apart() -> None:
    answer = ("resp_1", 3, "local:m", "m", 1.5)
    blocks = [block_of([record(1), record(2)]), block_of([record(2), record(3)])]
    told = [replace(block, answers=[answer]) for block in blocks]
    found = joined(told)
    assert found.read() == [record(1), record(2), record(3)]
    assert found.answers == [answer, answer]


def test_what_may_have_been_stored_is_looked_for_though_it_goes_with_what_is_new(tmp_path: Path) -> None:
    first = Outbox(Upper(), spool=Spool(tmp_path, 0))
    first.record(record(1))
    first.trim()  # and it is killed
    upper = Upper()
    outbox = Outbox(upper, spool=Spool(tmp_path, 0))
    outbox.record(record(2))
    outbox.flush()
    upper.comes(outbox)
    outbox.flush()
    assert [one.id for one in upper.got[0].block.read()] == ["req_2", "req_1"]
    assert upper.got[0].again


def test_what_is_not_on_disk_goes_there_though_it_was_joined_to_what_is(tmp_path: Path) -> None:
    upper = Upper()
    outbox = Outbox(upper, spool=Spool(tmp_path, 0))
    outbox.record(record(1))
    outbox.trim()
    outbox.record(record(2))
    outbox.flush()
    upper.comes(outbox)
    outbox.flush()
    assert [one.id for one in upper.got[0].block.read()] == ["req_1", "req_2"]
    outbox.spill(0.0)  # and it is killed
    left = Spool(tmp_path, 0)
    found = [one.id for block in (left.take(), left.take()) if block for one in block.read()]
    assert set(found) == {"req_1", "req_2"}


class Usage(RuleBasedStateMachine):
    """Everything that may happen between a record and its row."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.upper = Upper()
        self.outbox = self._begun()
        self.recorded: list[str] = []
        self.stored: set[str] = set()

    def _begun(self) -> Outbox:
        return Outbox(self.upper, 1e9, Spool(Path(self.folder.name) / "spool", 0))

    def _store(self, batch: UsageBatch) -> None:
        ids = [one.id for one in batch.block.read()]
        assert len(set(ids)) == len(ids)
        assert batch.again or self.stored.isdisjoint(ids), "it would be counted twice"
        self.stored.update(ids)

    @rule(many=st.integers(1, 3))
    def is_recorded(self, many: int) -> None:
        for _ in range(many):
            one = record(len(self.recorded))
            self.recorded.append(one.id)
            self.outbox.record(one)

    @rule()
    def flushes(self) -> None:
        self.outbox.flush()

    @rule()
    def is_asked_to_send_all(self) -> None:
        self.outbox.send_all()

    @rule(age=st.sampled_from([0.0, 1e9]))
    def goes_to_disk(self, age: float) -> None:
        self.outbox.spill(age)

    @rule()
    def ticks(self) -> None:
        self.outbox.trim()

    @precondition(lambda self: not self.upper.connected)
    @rule()
    def comes(self) -> None:
        self.upper.comes(self.outbox)

    @precondition(lambda self: self.upper.connected)
    @rule(reads=st.booleans())
    def hangs(self, reads: bool) -> None:
        self.upper.reads = reads

    @precondition(lambda self: self.upper.got)
    @rule()
    def stores_the_next(self) -> None:
        batch = self.upper.got.pop(0)
        self._store(batch)
        self.outbox.acknowledged(batch.batch)

    @precondition(lambda self: self.upper.connected)
    @rule(stores=st.integers(0, WINDOW))
    def goes(self, stores: int) -> None:
        """It stored so many of those that it got, and nobody heard of it."""
        for batch in self.upper.got[:stores]:
            self._store(batch)
        self.upper.got = []
        self.upper.goes()

    @rule()
    def is_killed(self) -> None:
        self.outbox.flush()
        self.outbox.spill(0.0)
        self.goes(0)
        self.outbox = self._begun()

    @invariant()
    def holds_what_it_says(self) -> None:
        assert self.outbox.held == sum(one.block.records for one in self.outbox.unacked.values())
        assert self.outbox.sent.keys() <= self.outbox.unacked.keys()
        assert len(self.outbox.sent) <= WINDOW

    def teardown(self) -> None:
        self.goes(0)
        self.comes()
        for _ in range(1_000):
            self.outbox.flush()
            if not self.upper.got:
                break
            self.stores_the_next()
        assert self.stored == set(self.recorded)
        assert self.outbox.dropped == 0
        self.folder.cleanup()


TestUsage = Usage.TestCase
