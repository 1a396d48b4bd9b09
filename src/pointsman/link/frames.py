"""Framing of link messages: 4-byte big-endian length, then msgpack. Reads whole messages; knows no meaning."""

from __future__ import annotations

import asyncio

import msgspec

from .messages import Down, Up

MAX_FRAME = 64 * 1024 * 1024
"""Bytes. A snapshot of 100,000 rules is about 20 MB; more than this is a broken peer."""

_encoder = msgspec.msgpack.Encoder()
_up: msgspec.msgpack.Decoder[Up] = msgspec.msgpack.Decoder(Up)
_down: msgspec.msgpack.Decoder[Down] = msgspec.msgpack.Decoder(Down)


class LinkError(Exception):
    """The other end spoke nonsense; the connection is closed and made again."""


def encode(message: Up | Down) -> bytes:
    """One frame, ready to write."""
    body = _encoder.encode(message)
    return len(body).to_bytes(4, "big") + body


async def _read(reader: asyncio.StreamReader) -> bytes:
    size = int.from_bytes(await reader.readexactly(4), "big")
    if size > MAX_FRAME:
        raise LinkError(f"a frame of {size} bytes")
    return await reader.readexactly(size)


async def read_up(reader: asyncio.StreamReader) -> Up:
    """Next message from a data-plane process. Raises asyncio.IncompleteReadError at the end, LinkError on nonsense."""
    try:
        return _up.decode(await _read(reader))
    except msgspec.DecodeError as error:
        raise LinkError(str(error)) from None


async def read_down(reader: asyncio.StreamReader) -> Down:
    """Next message from the control plane. Raises like read_up."""
    try:
        return _down.decode(await _read(reader))
    except msgspec.DecodeError as error:
        raise LinkError(str(error)) from None
