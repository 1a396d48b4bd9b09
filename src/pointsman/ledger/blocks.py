"""A block: the usage records of one flush as columns, made once where they were made, and then passed on unread.

The data plane makes it; link, spool and the usage log carry its columns as bytes. Beside them stands what the log needs
to know of them, so that a record costs nothing of its own on the way. What most records have in common is a kind, of
which a block holds each once. Pure. Not here: the file (admin/store/usage_log.py).
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from .records import UsageRecord

DIMENSIONS: Final = (
    "protocol", "path", "model", "target", "fallback", "status", "outcome", "key_id", "mapping_id", "own", "client", "flag",
)  # fmt: skip
"""Fields by which requests are alike, and `own`: does the record stand for its request? A kind is their values; one of an
earlier version, which a spool or a usage log may hold, ends sooner."""
TOKENS: Final = ("input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens")
SUMMED: Final = (*TOKENS, "cache_write_tokens", "cost", "saved", "extra", "sent_bytes")
"""What is added up over records: each None where it is not known."""
MONEY: Final = ("cost", "saved", "extra")
"""Of these, in nano-dollars."""
MAX_TEXT: Final = 512
"""Characters of a text."""
LARGEST: Final = 2**63 - 1
"""SQLite's largest number."""
HEAD: Final = 14
"""Characters that the ids of one process have in common (gateway/data_plane.py)."""

_FIELDS = UsageRecord.__struct_fields__
_VALUES = (
    "stream", "attempts", "attempt", "joined", *SUMMED, "tier", "cache_write_long_tokens", "web_searches", "warnings",
    "changed_at", "changed_in",
)  # fmt: skip
MILLISECONDS: Final = ("first_output_ms", "total_ms", "overhead_ms")
_FORMS = {
    "first_output_ms": struct.Struct("=d"),
    "total_ms": struct.Struct("=d"),
    "overhead_ms": struct.Struct("=f"),
}
"""Of these; the gateway's own part needs no sixteen digits."""
_DEFAULTS = UsageRecord.__struct_defaults__
_DEFAULT = dict(zip(_FIELDS[len(_FIELDS) - len(_DEFAULTS) :], _DEFAULTS, strict=True))
_NAN = float("nan")
_ONE: Sequence[int] = [0]
_NO_SESSIONS = ([None], _ONE)
_TAIL = 8

_encode = msgspec.msgpack.Encoder().encode
_decode_kind = msgspec.msgpack.Decoder(tuple[Any, ...]).decode
_decode_columns = msgspec.msgpack.Decoder(dict[str, Any]).decode

Columns = dict[str, Sequence[Any]]
Answer = tuple[str, int, str | None, str, float]
"""Of an answer that can be asked for again: its id, its client key (0: none), target, model, time."""


class Odd(Exception):
    """Among the records is a text or a count that the file does not take."""


class UsageBlock(msgspec.Struct, frozen=True):
    """records: how many. first_at, last_at: times of the oldest and the newest. spans: see `spans`. kinds: different ones,
    each packed. which: of each record, the place of its kind; one where all are alike. columns: a msgpack map from a
    field's name to its column, one value where all are alike. traces: ids of requests, with the `traceparent` of those that
    had one; for telemetry alone, which keeps none."""

    records: int
    first_at: float
    last_at: float
    spans: list[tuple[str, str, str]]
    kinds: list[bytes]
    which: list[int]
    columns: msgspec.Raw
    answers: list[Answer] = []
    traces: list[tuple[str, str]] = []

    def reader(self) -> ColumnReader:
        return ColumnReader(_decode_columns(self.columns), self.records)

    def read(self) -> list[UsageRecord]:
        """The records again; what an answer can be asked for by is not among them."""
        if not self.records:
            return []
        kinds = [_decode_kind(kind) for kind in self.kinds]
        which = self.which if len(self.which) == self.records else self.which * self.records
        reader = self.reader()
        return [reader.record(index, kinds[kind]) for index, kind in enumerate(which)]


def block_of(records: Iterable[UsageRecord]) -> UsageBlock:
    """One odd record must not stop its whole batch for good: names come from clients, counts from upstreams."""
    given = list(records)
    if not given:
        return UsageBlock(0, 0.0, 0.0, [], [], [], msgspec.Raw(_encode({})))
    try:
        return _block(given)
    except Odd:
        return _block([storable(record) for record in given])


def joined(blocks: Sequence[UsageBlock]) -> UsageBlock:
    """One, with the records of all in their order; of what is in several, the first."""
    records: dict[str, UsageRecord] = {}
    for block in blocks:
        for record in block.read():
            records.setdefault(record.id, record)
    answers = [answer for block in blocks for answer in block.answers]
    traces = [trace for block in blocks for trace in block.traces]
    return msgspec.structs.replace(block_of(records.values()), answers=answers, traces=traces)


def _block(given: Sequence[UsageRecord]) -> UsageBlock:
    columns = columns_of(given)
    kinds, which = _kinds(columns)
    try:
        raw, packed_kinds = msgspec.Raw(_encode(packed(columns))), [_encode(kind) for kind in kinds]
    except (OverflowError, UnicodeEncodeError) as error:
        raise Odd from error
    at, answers = columns["at"], columns["answer_id"]
    return UsageBlock(
        len(given),
        min(at),
        max(at),
        spans(columns["id"]),
        packed_kinds,
        which,
        raw,
        [] if _alike(answers) and answers[0] is None else [_answer(one) for one in given if one.answer_id],
    )


def columns_of(records: Sequence[UsageRecord]) -> Columns:
    """The records' fields, one column each, and `own`. There must be one record at least."""
    found: Columns = dict(zip(_FIELDS, zip(*map(msgspec.structs.astuple, records), strict=True), strict=True))
    ids, requests = found["id"], found["request"]
    if ids == requests:
        found["own"] = (True,) * len(ids)
    else:
        found["own"] = [not request or request == name for name, request in zip(ids, requests, strict=True)]
    return found


def _kinds(columns: Columns) -> tuple[list[tuple[Any, ...]], list[int]]:
    """(different kinds, of each record the place of its own; one where all are alike)."""
    shared = [columns[name] for name in DIMENSIONS]
    differ = [place for place, column in enumerate(shared) if not _alike(column)]
    first = [column[0] for column in shared]
    if not differ:
        return [tuple(first)], [0]
    places: dict[Any, int] = {}
    keys: Iterable[Any] = zip(*[shared[place] for place in differ], strict=True)
    which = [places.setdefault(key, len(places)) for key in keys]
    found = []
    for key in places:
        for place, value in zip(differ, key, strict=True):
            first[place] = value
        found.append(tuple(first))
    return found, which


def packed(columns: Columns) -> dict[str, Any]:
    """The columns as a block holds them. Raises Odd."""
    ids, requests = columns["id"], columns["request"]
    apart: Sequence[str | None] = [None]
    if ids != requests:
        apart = [None if one == name else one for one, name in zip(requests, ids, strict=True)]
        if max(map(len, requests)) > MAX_TEXT:
            raise Odd
    found: dict[str, Any] = {
        "id": _texts(ids),
        "at": array("d", columns["at"]).tobytes(),
        "request": folded(apart),
        "session": _named(columns["session"]),
    }
    for name in _VALUES:
        found[name] = folded(columns[name])
    for name in MILLISECONDS:
        values, form = columns[name], _FORMS[name].format[1:]
        try:
            found[name] = array(form, values).tobytes()
        except TypeError:
            if values.count(None) < len(values):
                found[name] = array(form, [_NAN if one is None else one for one in values]).tobytes()
    return found


class ColumnReader:
    """columns: of a block, decoded. Raises KeyError and ValueError for what is none."""

    def __init__(self, columns: Mapping[str, Any], records: int) -> None:
        self._columns = columns
        self.records = records
        self.at: Sequence[float] = array("d", columns["at"])
        self._heads, self._which, self._tails = columns["id"]
        self._sessions, self._session_of = columns.get("session", _NO_SESSIONS)

    def values(self, name: str) -> Sequence[Any]:
        """A column of plain values."""
        return full(self._columns.get(name, [_DEFAULT.get(name)]), self.records)

    def id(self, index: int) -> str:
        which = self._which[index if len(self._which) > 1 else 0]
        tails = self._tails
        tail = tails[index * _TAIL : (index + 1) * _TAIL] if isinstance(tails, str) else tails[index]
        return str(self._heads[which] + tail)

    def ids(self) -> list[str]:
        which, tails = self._which, self._tails
        if len(which) == 1 and isinstance(tails, str):
            head = self._heads[which[0]]
            return [head + tails[at : at + _TAIL] for at in range(0, len(tails), _TAIL)]
        return [self.id(index) for index in range(self.records)]

    def session(self, index: int) -> str | None:
        which = self._session_of
        name: str | None = self._sessions[which[index if len(which) > 1 else 0]]
        return name

    def sessions(self) -> Sequence[str | None]:
        """One of each record; one for all where they are alike."""
        return [self._sessions[which] for which in self._session_of]

    def columns(self) -> Columns:
        """What `packed` takes of them."""
        ids, requests = self.ids(), self.values("request")
        sessions = full(self.sessions(), self.records)
        found: Columns = {"id": ids, "at": self.at, "request": ids, "session": sessions}
        if requests.count(None) < len(requests):
            pairs = zip(ids, requests, strict=True)
            found["request"] = [name if request is None else request for name, request in pairs]
        for name in _VALUES:
            found[name] = self.values(name)
        for name in MILLISECONDS:
            found[name] = self.milliseconds(name)
        return found

    def milliseconds(self, name: str) -> Sequence[float | None]:
        """A column of MILLISECONDS."""
        raw = self._columns.get(name)
        known = None if raw is None else array(_FORMS[name].format[1:], raw)
        return [None] * self.records if known is None else [_known(one) for one in known]

    def record(self, index: int, kind: Sequence[Any]) -> UsageRecord:
        """One of them."""
        name = self.id(index)
        found: dict[str, Any] = dict(zip(DIMENSIONS, kind, strict=False))
        del found["own"]
        found["session"] = self.session(index)
        for column in ("request", *_VALUES):
            values = self._columns.get(column, [_DEFAULT.get(column)])
            found[column] = values[index if len(values) > 1 else 0]
        for column in MILLISECONDS:
            raw = self._columns.get(column)
            form = _FORMS[column]
            found[column] = _known(form.unpack_from(raw, form.size * index)[0]) if raw is not None else None
        if found["request"] is None:
            found["request"] = name
        return UsageRecord(id=name, at=self.at[index], **found)


def spans(ids: Sequence[str]) -> list[tuple[str, str, str]]:
    """(beginning, first, last) of the ids of each process."""
    first, last = min(ids), max(ids)
    if first[:HEAD] == last[:HEAD] and "/" not in first[:HEAD]:  # and so of all that lie between
        return [(first[:HEAD], first, last)]
    heads: dict[str, list[str]] = {}
    for name in ids:  # a short id's other attempts begin as it does
        heads.setdefault(name[:HEAD].partition("/")[0], []).append(name)
    return [(head, min(some), max(some)) for head, some in heads.items()]


def storable(record: UsageRecord) -> UsageRecord:
    return UsageRecord(*map(storable_value, msgspec.structs.astuple(record)))


def storable_value(value: Any) -> Any:
    if isinstance(value, str):
        return value[:MAX_TEXT].encode("utf-8", "replace").decode()
    if isinstance(value, int) and abs(value) > LARGEST:
        return None  # no backend counted that
    return value


def folded(values: Sequence[Any]) -> Sequence[Any]:
    """One value where all are alike."""
    return values[:1] if _alike(values) else values


def full(values: Sequence[Any], records: int) -> Sequence[Any]:
    """One for each record again."""
    return values if len(values) == records else [values[0]] * records


def _alike(values: Sequence[Any]) -> bool:
    return bool(values[0] == values[-1] and values.count(values[0]) == len(values))


def _answer(record: UsageRecord) -> Answer:
    found = (record.answer_id, record.key_id or 0, record.target, record.model, record.at)
    name, key, target, model, at = map(storable_value, found)
    return name, key, target, model, at


def _named(names: Sequence[str | None]) -> tuple[list[str | None], Sequence[int]]:
    """(different ones, which one each has): few names, each of many records. Raises Odd."""
    if _alike(names):
        different, which = [names[0]], _ONE
    else:
        places: dict[str | None, int] = {}
        which = [places.setdefault(name, len(places)) for name in names]
        different = list(places)
    if any(name is not None and len(name) > MAX_TEXT for name in different):
        raise Odd
    return different, which


def _known(value: float) -> float | None:
    return None if value != value else value


def _texts(ids: Sequence[str]) -> tuple[list[str], Sequence[int], str | list[str]]:
    """(different beginnings, which one each has, what follows): in one text where that is as long as our own ids are."""
    tails = [name[HEAD:] for name in ids]
    alike = set(map(len, tails)) == {_TAIL}
    if alike and min(ids)[:HEAD] == max(ids)[:HEAD]:  # and so begin all that lie between
        return [ids[0][:HEAD]], [0], "".join(tails)
    if max(map(len, ids)) > MAX_TEXT:
        raise Odd
    heads: dict[str, int] = {}
    which = [heads.setdefault(name[:HEAD], len(heads)) for name in ids]
    return list(heads), folded(which), "".join(tails) if alike else tails
