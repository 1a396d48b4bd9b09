"""Types for keys, clear and sealed, so that none is taken for the other or shown by accident.

Not here: sealing and opening (vault.py, which also offers both names).
"""

from __future__ import annotations

from typing import Any, NoReturn

_MASK = "***"
_VERSION = "pm1"


class _Hidden:
    """Text that no repr, str, format, json or pickle shows. Not a str, so nothing takes it for one."""

    __slots__ = ("_text",)
    _text: str

    def __init__(self, text: str) -> None:
        object.__setattr__(self, "_text", text)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"{type(self).__name__} cannot be changed")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({_MASK})"

    def __str__(self) -> str:
        return _MASK

    def __format__(self, spec: str) -> str:
        return format(_MASK, spec)

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError(f"a {type(self).__name__} cannot be pickled")

    def __copy__(self) -> _Hidden:
        return self

    def __deepcopy__(self, memo: object) -> _Hidden:
        return self

    def __hash__(self) -> int:
        return hash((type(self).__name__, self._text))


class Secret(_Hidden):
    """A key in clear. `reveal()` is the only way in, so that a search finds every place that uses one."""

    __slots__ = ()

    def reveal(self) -> str:
        return self._text

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        import hmac  # with 4 MB of libcrypto, which the supervisor does without

        return hmac.compare_digest(self._text.encode(), other._text.encode())

    __hash__ = _Hidden.__hash__


class SecretBytes(bytes):
    """Bytes with a key in clear in them, such as a compiled header block: bytes to whoever sends them, a mask to whoever
    shows them (a repr, a log line, a dump of locals). What is made of them by `+` or a slice is plain again."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"SecretBytes({_MASK})"

    def __str__(self) -> str:
        return _MASK

    def __format__(self, spec: str) -> str:
        return format(_MASK, spec)

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError("SecretBytes cannot be pickled")


class Sealed(_Hidden):
    """A sealed key as it stands in a column. Equal to its own text: a row read back is what was written."""

    __slots__ = ()

    @property
    def text(self) -> str:
        return self._text

    @property
    def key_id(self) -> str | None:
        """Which master key sealed it; None when it is not in our form."""
        parts = self._text.split(".")
        return parts[1] if len(parts) == 3 and parts[0] == _VERSION else None

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Sealed):
            return self._text == other._text
        return self._text == other if isinstance(other, str) else NotImplemented

    __hash__ = _Hidden.__hash__

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        """Lets a table declare the type; a dump of the row shows the mask."""
        from pydantic_core import core_schema

        return core_schema.no_info_plain_validator_function(
            cls.of, serialization=core_schema.plain_serializer_function_ser_schema(str)
        )

    @classmethod
    def of(cls, value: object) -> Sealed:
        """From a column's text."""
        if isinstance(value, Sealed):
            return value
        if isinstance(value, str):
            return cls(value)
        raise ValueError("a sealed key is text")
