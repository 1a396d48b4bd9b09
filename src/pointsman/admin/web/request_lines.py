"""What the page Requests says of one request: its state in a word and a mark, its attempts on a line of time, what was lost.
Pure.

Not here: which requests (request_filter.py), and what happened in a sentence (trouble_words.py).
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ...ledger.records import NANO, UsageRecord
from ...link.messages import RunningFact
from ..control.reasons import what_it_did
from .asked_target import backend_of, is_local
from .words import count, ms

_HELLO = [{"role": "user", "content": "Hello"}]
_QUESTIONS: Mapping[str, dict[str, object]] = {
    "/v1/messages": {"max_tokens": 256, "messages": _HELLO},
    "/v1/responses": {"input": "Hello"},
    "/v1/completions": {"prompt": "Hello"},
    "/v1/embeddings": {"input": ["Hello"]},
}
"""What is asked in place of what was said; on any other path as a chat."""
_LOST = {
    "dropped": "Translation dropped", "changed": "Translation changed", "clamped": "Translation lowered",
    "emulated": "Emulated", "repaired": "Repaired", "truncated": "The server cut", "mislabelled": "Mislabelled",
    "unknown": "Not known", "found": "Left this machine", "masked": "Masked on its way out", "refused": "Not let out",
}  # fmt: skip
_STATES = {
    "aborted": ("stop", "client left"),
    "cancelled": ("stop", "cancelled"),
    "interrupted": ("bad", "broke off"),
    "error": ("bad", "failed"),
    "failed": ("bad", "failed"),
}


class RequestState(NamedTuple):
    """mark: by its name."""

    mark: str
    word: str


class RequestLine(NamedTuple):
    """A row. local: None where no target was asked. cost: USD. after: backends that were asked before, where known."""

    record: UsageRecord
    state: RequestState
    key: str
    local: bool | None
    backend: str
    cost: float | None


class RunningLine(NamedTuple):
    """A row of one that runs. seconds: so far."""

    fact: RunningFact
    key: str
    local: bool | None
    backend: str
    seconds: float


class TimelineBar(NamedTuple):
    """A part of an attempt's bar, in percent of the whole time. kind: `waits`, `gives` or `fails`."""

    x: float
    width: float
    kind: str


class TimelineRow(NamedTuple):
    """An attempt. took: milliseconds. sent: bytes that the backend was given, None where nobody knows."""

    mark: str
    word: str
    backend: str
    model: str
    translated: bool
    bars: list[TimelineBar]
    took: float | None
    said: str
    sent: int | None


class LossSaid(NamedTuple):
    """words and the field's name: `Translation dropped` `top_k`."""

    words: str
    field: str


def state_of(record: UsageRecord) -> RequestState:
    """Only what was answered to its end looks like success."""
    if record.outcome != "ok":
        return RequestState(*_STATES.get(record.outcome, ("bad", record.outcome)))
    if record.status >= 400:
        return RequestState("warn", f"answered with {record.status}")
    if record.fallback is not None:
        return RequestState("rescued", "rescued")
    return RequestState("ok", "answered" if not record.joined else "answered, joined")


def line_of(record: UsageRecord, keys: Mapping[int, str]) -> RequestLine:
    return RequestLine(
        record,
        state_of(record),
        _key(record.key_id, keys),
        is_local(record.target),
        backend_of(record.target),
        None if record.cost is None else record.cost / NANO,
    )


def running_line(one: RunningFact, keys: Mapping[int, str], now: float) -> RunningLine:
    seconds = max(0.0, now - one.at)
    return RunningLine(one, _key(one.key_id, keys), is_local(one.target), backend_of(one.target), seconds)


def _key(number: int | None, keys: Mapping[int, str]) -> str:
    return "" if number is None else keys.get(number) or f"key {number}"


def timeline(
    own: UsageRecord, attempts: Sequence[UsageRecord], spoken: Mapping[str, Sequence[str]]
) -> list[TimelineRow]:
    """own: what stands for the request. attempts: all, itself too. spoken: by backend, the protocols that it speaks, where
    that is known."""
    whole = max(own.total_ms or 0.0, 0.001)
    rows: dict[int, TimelineRow] = {}
    ended = 0.0
    for one in attempts:
        if one.id == own.id or one.target is None:
            continue
        begins = max(0.0, (one.at - own.at) * 1000)
        ended = max(ended, begins + (one.total_ms or 0.0))
        given_up = one.outcome == "aborted"
        state = RequestState("stop", "given up") if given_up else RequestState("bad", "failed")
        said = "Another was faster." if given_up else f"It {what_it_did(one.fallback)}{_status(one)}."
        bar = _bar(begins, begins + (one.total_ms or 0.0), whole, "fails")
        rows[one.attempt] = _row(one, state, [bar], one.total_ms, said, translated=_crosses(one, spoken))
    if own.target is not None:
        last = _last(own, min(ended, whole), whole, translated=_crosses(own, spoken))
        if (
            own.fallback is not None and own.attempts == 1 and own.outcome == "ok"
        ):  # the one before was not even asked
            last = last._replace(said=f"Asked because another {what_it_did(own.fallback)}. {last.said}")
        rows[own.attempt] = last
    return [rows[number] for number in sorted(rows)]


def _crosses(one: UsageRecord, spoken: Mapping[str, Sequence[str]]) -> bool:
    known = spoken.get(backend_of(one.target))
    return known is not None and bool(one.protocol) and one.protocol not in known


def _last(own: UsageRecord, begins: float, whole: float, *, translated: bool) -> TimelineRow:
    """The attempt that answered, or the last."""
    first, total = own.first_output_ms, own.total_ms
    took = None if total is None else max(0.0, total - begins)
    state = state_of(own)
    mark = "ok" if state.mark == "rescued" else state.mark
    word = "answered" if mark == "ok" else state.word
    if first is None:
        kind = "gives" if mark == "ok" else "fails"
        said = "Answered in one piece." if mark == "ok" else _why(own)
        return _row(
            own,
            RequestState(mark, word),
            [_bar(begins, whole, whole, kind)],
            took,
            said,
            translated=translated,
        )
    bars = [
        _bar(begins, first, whole, "waits"),
        _bar(first, whole, whole, "gives" if mark == "ok" else "fails"),
    ]
    gave = max(0.0, (total or first) - first)
    said = f"First output after {ms(max(0.0, first - begins))}"
    if own.stream and gave:
        rate = (
            ""
            if not own.output_tokens or gave < 1
            else f" at {count(own.output_tokens * 1000 / gave)} tokens a second"
        )
        said += f", then {ms(gave)} of output{rate}"
    said += "." if mark == "ok" else f"; {_why(own)[0].lower()}{_why(own)[1:]}"
    return _row(own, RequestState(mark, word), bars, took, said, translated=translated)


def _why(own: UsageRecord) -> str:
    if own.outcome == "aborted":
        return "The client left."
    if own.outcome == "cancelled":
        return "The operator cancelled it."
    if own.outcome == "interrupted":
        return "It broke off after that."
    if own.outcome == "ok":
        return f"It answered with {own.status}, which the client was told."
    return f"It {what_it_did(own.fallback)}{_status(own)}."


def _status(one: UsageRecord) -> str:
    return f", status {one.status}" if one.status >= 300 else ""


def _row(
    one: UsageRecord,
    state: RequestState,
    bars: list[TimelineBar],
    took: float | None,
    said: str,
    *,
    translated: bool,
) -> TimelineRow:
    model = (one.target or "").partition(":")[2]
    who = (backend_of(one.target), model, translated)
    return TimelineRow(state.mark, state.word, *who, bars, took, said, None if one.joined else one.sent_bytes)


def _bar(begins: float, ends: float, whole: float, kind: str) -> TimelineBar:
    x = min(99.3, 100 * begins / whole)
    return TimelineBar(round(x, 2), round(max(0.7, min(100.0, 100 * ends / whole) - x), 2), kind)


def losses(warnings: str | None) -> list[LossSaid]:
    """What a record's warnings say."""
    found = []
    for one in (warnings or "").split(","):
        code, colon, field = one.partition(":")
        if colon and field:
            found.append(LossSaid(_LOST.get(code, code.replace("_", " ").capitalize()), field))
    return found


def curl_of(record: UsageRecord, origin: str, *, needs_key: bool) -> str:
    """The same question again, without what was said, and without a key."""
    body: dict[str, object] = {"model": record.model} | _QUESTIONS.get(record.path, {"messages": _HELLO})
    if record.stream:
        body["stream"] = True
    lines = [f"curl {shlex.quote(origin + record.path)}", "-H 'content-type: application/json'"]
    if needs_key:
        lines.append('-H "authorization: Bearer $POINTSMAN_KEY"')
    lines.append(f"-d {shlex.quote(json.dumps(body, ensure_ascii=False))}")
    return " \\\n  ".join(lines)
