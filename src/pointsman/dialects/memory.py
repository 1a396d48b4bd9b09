"""What was made of a text, remembered by the whole of it: the one bounded memory that tools and turns are kept in.

Not here: what is kept, and when (tool_memory.py, turn_memory.py).
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from threading import Lock
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class Memory(Generic[Key, Value]):
    """most: entries. most_bytes: of text. The least recently used goes first. Its lock: large bodies are read by
    threads."""

    def __init__(self, most: int, most_bytes: int) -> None:
        self._most = most
        self._most_bytes = most_bytes
        self._entries: dict[Key, tuple[Value, int]] = {}  # the least recently used first
        self._lock = Lock()
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    def values(self) -> list[Value]:
        """All, the least recently used first."""
        return [value for value, _ in self._entries.values()]

    def get(self, keys: Iterable[Key]) -> list[Value | None]:
        """What is kept under each."""
        found: list[Value | None] = []
        entries = self._entries
        with self._lock:
            for key in keys:
                entry = entries.pop(key, None)
                if entry is None:
                    found.append(None)
                else:
                    entries[key] = entry
                    found.append(entry[0])
        return found

    def put(self, key: Key, size: int, value: Value) -> None:
        """The value is nobody's to change from now on. What is there already stays. size: bytes of its text."""
        with self._lock:
            if key not in self._entries:
                self._entries[key] = (value, size)
                self.bytes += size
            while len(self._entries) > self._most or self.bytes > self._most_bytes:
                oldest = next(iter(self._entries))
                self.bytes -= self._entries.pop(oldest)[1]

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            self._entries.clear()
            self.bytes = 0
