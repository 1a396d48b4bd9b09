"""The head of a GGUF file: names, numbers and texts that say what model it is. Bounded, whatever it claims.

Source: the specification of GGUF in the ggml repository, versions 2 and 3. Not here: tensors.
"""

from __future__ import annotations

import struct
from typing import BinaryIO

MAGIC = b"GGUF"
Value = int | float | bool | str | tuple[int, ...]

_KEYS = 65_536
_TEXT = 16 * 2**20
_ITEMS = 2**25
_HEAD = 512 * 2**20
_KEPT_ITEMS = 1024
"""Bounds of what is believed: keys, bytes of a text, items of a list, bytes of the whole head, items of a list that is
kept (numbers a layer, such as heads; lists of tokens are passed over)."""

_TEXT_TYPE, _LIST_TYPE, _BOOL_TYPE = 8, 9, 7
_NUMBERS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}


class BadGguf(ValueError):
    """The file is no GGUF file, or is cut off or damaged at its head. The text says which."""


def read_head(file: BinaryIO) -> dict[str, Value]:
    """Metadata of a GGUF file that is open for reading bytes, at its beginning: key to value. Lists of texts and lists of
    more than 1,024 numbers are left out. Raises BadGguf; OSError as the file does."""
    reader = _Reader(file)
    if reader.take(4) != MAGIC:
        raise BadGguf("this is no GGUF file")
    (version,) = struct.unpack("<I", reader.take(4))
    if version not in (2, 3):
        raise BadGguf(f"GGUF version {version} is not known; 2 and 3 are")
    _, keys = struct.unpack("<QQ", reader.take(16))
    if keys > _KEYS:
        raise BadGguf(f"its head claims {keys} keys")
    found: dict[str, Value] = {}
    for _ in range(keys):
        key = reader.text()
        value = reader.value(reader.number("I"))
        if value is not None:
            found[key] = value
    return found


class _Reader:
    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._left = _HEAD

    def take(self, count: int) -> bytes:
        self._left -= count
        if self._left < 0:
            raise BadGguf("its head is longer than 512 MiB")
        data = self._file.read(count)
        if len(data) != count:
            raise BadGguf("it ends inside its head: the download was cut off")
        return data

    def number(self, form: str) -> int:
        (value,) = struct.unpack("<" + form, self.take(struct.calcsize("<" + form)))
        return int(value)

    def text(self) -> str:
        length = self.number("Q")
        if length > _TEXT:
            raise BadGguf(f"its head claims a text of {length} bytes")
        return self.take(length).decode("utf-8", "replace")

    def value(self, kind: int) -> Value | None:
        if kind == _TEXT_TYPE:
            return self.text()
        if kind == _LIST_TYPE:
            return self._list()
        form = _NUMBERS.get(kind)
        if form is None:
            raise BadGguf(f"its head has a value of an unknown type, {kind}")
        raw = self.take(struct.calcsize("<" + form))
        if kind == _BOOL_TYPE:
            return raw != b"\0"
        value: int | float = struct.unpack("<" + form, raw)[0]
        return value

    def _list(self) -> tuple[int, ...] | None:
        kind, count = self.number("I"), self.number("Q")
        if count > _ITEMS:
            raise BadGguf(f"its head claims a list of {count} items")
        if kind == _TEXT_TYPE:
            for _ in range(count):
                self.text()
            return None
        form = _NUMBERS.get(kind)
        if form is None:
            raise BadGguf(f"its head has a list of an unknown type, {kind}")
        data = self.take(count * struct.calcsize("<" + form))
        if count > _KEPT_ITEMS or form in "fd?":
            return None
        return struct.unpack(f"<{count}{form}", data)
