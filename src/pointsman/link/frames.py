"""Framing of link messages: 4-byte big-endian length, then msgpack. Reads whole messages; knows no meaning.

Packed, a secret is in clear; unpacked it is a `Secret` or `SecretBytes` again. Nothing else of the link sees it in clear.
"""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from ..secret import Secret, SecretBytes
from .messages import Down, Up

MAX_FRAME = 64 * 1024 * 1024
"""Bytes. A snapshot of 100,000 rules is about 20 MB; more than this is a broken peer."""


def _clear(value: Any) -> str | bytes:
    if isinstance(value, Secret):
        return value.reveal()
    if isinstance(value, SecretBytes):
        return bytes(value)
    raise NotImplementedError(f"{type(value).__name__} does not travel by the link")


def _hidden(kind: type, value: Any) -> Secret | SecretBytes:
    if kind is Secret and isinstance(value, str):
        return Secret(value)
    if kind is SecretBytes and isinstance(value, bytes):
        return SecretBytes(value)
    raise NotImplementedError(f"{kind.__name__} does not travel by the link")


_encoder = msgspec.msgpack.Encoder(enc_hook=_clear)
_up: msgspec.msgpack.Decoder[Up] = msgspec.msgpack.Decoder(Up)
_down: msgspec.msgpack.Decoder[Down] = msgspec.msgpack.Decoder(Down, dec_hook=_hidden)


class LinkError(Exception):
    """The other end spoke nonsense; the connection is closed and made again."""


def pack(message: Up | Down) -> bytes:
    """A message's bytes, its secrets in clear."""
    return _encoder.encode(message)


def unpack(raw: bytes) -> Down:
    """A message of the control plane from its bytes. Raises msgspec.DecodeError."""
    return _down.decode(raw)


def encode(message: Up | Down) -> bytes:
    """One frame, ready to write."""
    body = pack(message)
    return len(body).to_bytes(4, "big") + body


async def _read(reader: asyncio.StreamReader) -> bytes:
    size = int.from_bytes(await reader.readexactly(4), "big")
    if size > MAX_FRAME:
        raise LinkError(f"a frame of {size} bytes")
    return await reader.readexactly(size)


async def read_up(reader: asyncio.StreamReader) -> tuple[Up, int]:
    """Next message from a data-plane process, and its bytes. Raises asyncio.IncompleteReadError at the end, LinkError on
    nonsense."""
    raw = await _read(reader)
    try:
        return _up.decode(raw), len(raw)
    except msgspec.DecodeError as error:
        raise LinkError(str(error)) from None


async def read_down(reader: asyncio.StreamReader) -> Down:
    """Next message from the control plane. Raises like read_up."""
    try:
        return unpack(await _read(reader))
    except msgspec.DecodeError as error:
        raise LinkError(str(error)) from None
