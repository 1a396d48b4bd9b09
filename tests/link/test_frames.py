"""link.frames and link.messages: every message survives the wire under any cut, and nonsense is told as such."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.ledger.blocks import block_of
from pointsman.ledger.records import UsageRecord
from pointsman.link.frames import MAX_FRAME, LinkError, encode, read_down, read_up
from pointsman.link.messages import (
    Applied,
    BackendHealth,
    ClientKeySpec,
    Down,
    Hello,
    Snapshot,
    Up,
    UsageAck,
    UsageBatch,
    WorkerStatus,
)
from pointsman.routing.specs import BackendSpec, MappingSpec, TargetSpec
from pointsman.secret import Secret, SecretBytes

CANARY = "sk-canary-\u00e9"
PEPPER = b"pepper-canary-" + b"\x01" * 18


def record(number: int = 1) -> UsageRecord:
    return UsageRecord(
        id=f"req_{number}", at=1.5, protocol="openai_chat", path="/v1/chat/completions", model="m\u00e9", target="openai:m",
        attempts=1, fallback=None, status=200, outcome="ok", stream=True, input_tokens=3,
    )  # fmt: skip


SNAPSHOT = Snapshot(
    version=7,
    epoch="e",
    mappings=(MappingSpec(1, "gpt-*", 5, (TargetSpec("openai", "x"), TargetSpec("local")), True, True),),
    backends=(
        BackendSpec(
            "openai",
            "openai",
            "",
            "https://x",
            ("openai_chat",),
            "bearer",
            Secret(CANARY),
            True,
            True,
            8192,
            None,
        ),
        BackendSpec("local/box", "local", "box", "http://127.0.0.1:1", problem="broken"),
    ),
    client_keys=(ClientKeySpec(1, "me", b"\x00\xff" * 16),),
    keys_required=True,
    pepper=SecretBytes(PEPPER),
    problems=("degraded",),
)
UPS: list[Up] = [
    Hello(123, 0),
    Applied("e", 7),
    UsageBatch(3, block_of((record(1), record(2)))),
    UsageBatch(4, block_of(())),
    WorkerStatus(1, 123, 5, {'a{b="c"}': 1.0}, (BackendHealth("openai", 1, 2.0, None, "timeout"),), 9),
]
DOWNS: list[Down] = [SNAPSHOT, Snapshot(1, "x"), UsageAck(3)]


def read(raw: bytes, reader: Callable[[asyncio.StreamReader], Any], pieces: int = 1) -> list[Any]:
    """All messages in `raw`, given in pieces, and last what ended the reading."""

    async def main() -> list[Any]:
        stream = asyncio.StreamReader()

        async def feed() -> None:
            step = max(1, len(raw) // pieces)
            for start in range(0, len(raw), step):
                stream.feed_data(raw[start : start + step])
                await asyncio.sleep(0)
            stream.feed_eof()

        feeder = asyncio.ensure_future(feed())
        found: list[Any] = []
        try:
            while True:
                found.append(await reader(stream))
        except (asyncio.IncompleteReadError, LinkError) as error:
            found.append(error)
        await feeder
        return found

    return asyncio.run(main())


@pytest.mark.parametrize("pieces", [1, 2, 7, 100_000])
def test_every_message_survives_any_cut(pieces: int) -> None:
    *ups, end = read(b"".join(map(encode, UPS)), read_up, pieces)
    assert ups == [(one, len(encode(one)) - 4) for one in UPS]
    assert isinstance(end, asyncio.IncompleteReadError)
    *downs, _ = read(b"".join(map(encode, DOWNS)), read_down, pieces)
    assert downs == DOWNS


def test_the_frame_is_length_and_msgpack() -> None:
    raw = encode(UsageAck(3))
    assert int.from_bytes(raw[:4], "big") == len(raw) - 4


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xc1",
        b"hello",
        b"\x80",
        b"\x81\xa4type\xa6cheese",
        encode(UsageAck(1))[4:],
        encode(Hello(1, 2))[4:-1],
    ],
)
def test_nonsense_is_a_link_error(body: bytes) -> None:
    (error,) = read(len(body).to_bytes(4, "big") + body, read_up)
    assert isinstance(error, LinkError)


def test_a_frame_too_large_is_refused_before_it_is_read() -> None:
    (error,) = read((MAX_FRAME + 1).to_bytes(4, "big") + b"x", read_up)
    assert isinstance(error, LinkError)


@pytest.mark.parametrize("size", [0, 1, 3, 4, 10])
def test_a_cut_frame_is_an_end_not_a_message(size: int) -> None:
    (error,) = read(encode(Hello(1, 2))[:size], read_up)
    assert isinstance(error, asyncio.IncompleteReadError)


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=60))
def test_random_bytes_are_no_crash(raw: bytes) -> None:
    end = read(raw, read_up)[-1]
    assert isinstance(end, (asyncio.IncompleteReadError, LinkError))


def test_the_pepper_is_in_clear_on_the_wire_alone() -> None:
    assert PEPPER in encode(SNAPSHOT)
    (found, _) = read(encode(SNAPSHOT), read_down)
    assert type(found.pepper) is SecretBytes
    assert bytes(found.pepper) == PEPPER
    for value in (found.pepper, msgspec.structs.asdict(found), SNAPSHOT.pepper):
        assert "pepper-canary" not in repr(value)
        assert "pepper-canary" not in str(value)


def test_no_repr_shows_a_secret() -> None:
    for value in (SNAPSHOT, SNAPSHOT.backends[0], [SNAPSHOT], {"x": SNAPSHOT.backends}):
        assert "canary" not in repr(value)
        assert "canary" not in str(value)
        assert "canary" not in f"{value}"
