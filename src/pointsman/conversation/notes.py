"""What a translation could not carry: collected, told in `x-pointsman-warnings`, refused under
`x-pointsman-strict: 1`.

docs/protocols/requests.md#losses is the decision table: a hint is dropped and told, a changed
answer shape or meaning is a 400.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NoReturn

import msgspec

from ..errors import PointsmanError
from ..kinds import ErrorKind
from .parts import Placed

_MAX_HEADER = 4000
"""Bytes of the warnings header; clients' header limits start at 8 KiB for all headers together."""


Told = tuple[str, str, str]
"""(code, path, why): see Notes.note()."""


class Notes:
    """strict: every loss is a 400. names: neutral field (`effort`; of a part or a tool
    `Image.detail`) -> what the client's protocol calls it (Translation.names, Request.paths)."""

    __slots__ = ("_names", "strict", "warnings")

    def __init__(self, strict: bool = False, names: Mapping[str, str] | None = None) -> None:
        self.strict = strict
        self.warnings: list[str] = []
        self._names = names or {}

    def drop(self, path: str, why: str = "the backend's protocol has no place for it") -> None:
        """A hint that cannot travel. path: in the client's body, or a neutral field's name.
        Raises when strict."""
        self.note("dropped", path, why)

    def emulate(self, path: str, why: str) -> None:
        """Asked for in another way than the client did; the answer is as close as can be. Raises
        when strict."""
        self.note("emulated", path, why)

    def change(self, path: str, why: str) -> None:
        """A value that was clamped, converted or shortened. Raises when strict."""
        self.note("changed", path, why)

    def repair(self, path: str, why: str) -> None:
        """A history that no backend would take was made legal. Raises when strict."""
        self.note("repaired", path, why)

    def note(self, code: str, path: str, why: str) -> None:
        """Any loss. code: one word. why: a clause for the 400 under strict."""
        path = self.path(path)
        if self.strict:
            raise PointsmanError(
                ErrorKind.BAD_REQUEST,
                f"'{path}' cannot be sent to this backend as it is: {why}. "
                f"Leave x-pointsman-strict out to let it be {code}.",
                param=path,
            )
        entry = f"{code}:{path}"
        if entry not in self.warnings:
            self.warnings.append(entry)

    def replay(self, told: Iterable[Told]) -> None:
        """Losses that a recorder was told."""
        for code, path, why in told:
            self.note(code, path, why)

    def recorder(self) -> LossRecorder:
        """Notes that keep what they are told, to be told again."""
        return LossRecorder(False, self._names)

    def refuse(self, path: str, why: str) -> NoReturn:
        """A loss that would change the answer's shape or meaning: 400. why: a whole sentence
        with what to do."""
        path = self.path(path)
        raise PointsmanError(ErrorKind.BAD_REQUEST, f"'{path}': {why}", param=path)

    def path(self, path: str) -> str:
        """What the client calls a neutral field; any other path is itself."""
        return self._names.get(path, path)

    def inside(self, value: msgspec.Struct, field: str, path: str = "") -> str:
        """The path of one field of a part, a message, a tool, or of the request itself. path: of
        a value that does not know its own."""
        kind = type(value).__name__
        above = value.path if isinstance(value, Placed) else path
        key = self._names.get(f"{kind}.{field}") or (field if above else self.path(field))
        return f"{above}.{key}" if above else key

    def header(self) -> bytes:
        """`code:path,code:path`, bounded; b"" when nothing was lost."""
        if not self.warnings:
            return b""
        shown: list[str] = []
        size = 0
        for index, entry in enumerate(self.warnings):
            clean = "".join(c if c.isascii() and c.isprintable() and c != "," else "_" for c in entry[:200])
            size += len(clean) + 1
            if size > _MAX_HEADER:
                shown.append(f"more:{len(self.warnings) - index}")
                break
            shown.append(clean)
        return ",".join(shown).encode("ascii")


class LossRecorder(Notes):
    """told: all losses so far. Not for a strict request, whose first loss is its answer."""

    __slots__ = ("told",)

    def __init__(self, strict: bool = False, names: Mapping[str, str] | None = None) -> None:
        super().__init__(strict, names)
        self.told: list[Told] = []

    def note(self, code: str, path: str, why: str) -> None:
        """See Notes."""
        self.told.append((code, self.path(path), why))


_named: dict[Any, tuple[Mapping[str, str], Mapping[str, str]]] = {}
_MOST_NAMED = 100


def with_paths(names: Mapping[str, str], paths: dict[str, str]) -> Mapping[str, str]:
    """A protocol's names, with those that a client wrote elsewhere; the same few come again and again."""
    key = (id(names), *paths.items())
    found = _named.get(key)
    if found is None:
        if len(_named) >= _MOST_NAMED:
            _named.clear()
        found = _named[key] = names, {**names, **paths}
    return found[1]
