"""Marks for prompt caches made to fit: where they are known, how many there may be, which may stand
before which (docs/protocols/caching.md). See adapt.py.

A mark changes what an answer costs, never what it says: where marks are unknown they go without a
word.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import repeat
from typing import TypeVar

import msgspec

from ..conversation.known import KnownList, begun, once_of, remember
from ..conversation.notes import Notes
from ..conversation.parts import CacheMark, Part, Thinking, ToolResult
from ..conversation.profile import Profile
from ..conversation.request import Message, Request, Tool, WebSearch
from .fit_turns import says

_MINUTES = {"5m": 5, "30m": 30, "1h": 60, "12h": 720}
_LONG = ("1h", "12h")
"""Times that must stand before shorter ones where the order counts."""
Holder = Tool | WebSearch | Part
Marked = TypeVar("Marked", bound=Holder)


def fit_cache(made: Request, profile: Profile, notes: Notes) -> None:
    """Changes `made`. Raises PointsmanError 400 under strict."""
    marks = _marks_of(made)
    if made.plain and not marks:
        return
    if made.cache_auto is not None and not (profile.cache_marks or profile.auto_cache):
        made.cache_auto = None
    elif made.cache_auto is None and profile.auto_cache and not marks and (made.tools or made.server_tools):
        # OpenAI's users expect caching without asking for it; it pays where tools make the prompt long.
        made.cache_auto = CacheMark()
    if made.cache_auto is not None and profile.cache_marks_max is not None:
        last = _last_mark(made)
        if last is not None and (last.ttl in _LONG) != (made.cache_auto.ttl in _LONG):
            # It would stand there, too: "the target block already has cache_control with ttl='1h'"
            notes.change("cache_auto", "the last part of the prompt has a mark of its own")
            made.cache_auto = None
    if not profile.cache_marks:
        fitted: list[CacheMark | None] = [None] * len(marks)
    elif profile.cache_marks_max is not None:
        fitted = _bounded(made, marks, profile.cache_marks_max, notes)
    else:
        fitted = [*marks]
    _shortened([*fitted, made.cache_auto], profile.cache_ttls, notes)
    if marks:
        _replace(made, iter(fitted), bare=not profile.cache_marks)


def _shortened(marks: Iterable[CacheMark | None], known: tuple[str, ...], notes: Notes) -> None:
    """Tells of those that last less long than was asked, by times that the target does not know."""
    for mark in marks:
        asked = _MINUTES.get(mark.ttl or "", 0) if mark is not None else 0
        if mark is None or not mark.path or not known:
            continue
        longest = max((_MINUTES[one] for one in known if _MINUTES[one] <= asked), default=_MINUTES[known[0]])
        if longest < asked:
            notes.change(notes.inside(mark, "ttl"), f"the backend's cache knows {' and '.join(known)}")


def _bounded(made: Request, marks: list[CacheMark], most: int, notes: Notes) -> list[CacheMark | None]:
    """The last ones, since each covers all that stands before it; the automatic one counts as
    one."""
    left = max(len(marks) - (most - (made.cache_auto is not None)), 0)
    for mark in marks[:left]:
        notes.drop(mark.path, f"no more than {most} parts of a prompt can be marked for the cache")
    short = False
    fitted: list[CacheMark | None] = [None] * left
    for mark in marks[left:]:
        long = mark.ttl in _LONG
        if short and long:
            notes.change(notes.inside(mark, "ttl"), "a mark that lasts longer cannot follow a shorter one")
            mark = CacheMark(path=mark.path)
        fitted.append(mark)
        short = short or not long
    if made.cache_auto is not None and short and made.cache_auto.ttl is not None:
        if made.cache_auto.ttl in _LONG:
            notes.change(notes.inside(made.cache_auto, "ttl"), "a longer one cannot follow a shorter one")
        made.cache_auto = CacheMark(path=made.cache_auto.path)
    return fitted


def _last_mark(made: Request) -> CacheMark | None:
    """Of the last part that can bear one, None where it bears none of its own."""
    shown = (part for part in reversed(_holders(made)) if isinstance(part, Tool | WebSearch) or says(part))
    last = next((part for part in shown if not isinstance(part, Thinking)), None)
    return None if last is None else _mark(last)


def _holders(made: Request) -> list[Holder]:
    """What a mark can stand on, in the order of the prompt."""
    tools: list[Holder] = [*made.tools]
    if made.web_search is not None:
        tools.append(made.web_search)
    return [*tools, *made.system, *(part for message in made.messages for part in message.parts)]


def _marks_of(made: Request) -> list[CacheMark]:
    """All, in the order of the prompt."""
    found: list[CacheMark] = []
    if not made.plain:
        if made.tools:
            found += once_of(made.tools, _marks)
        if made.web_search is not None:
            found += _marks((made.web_search,))
    if made.system:
        found += _marks(made.system)
    messages = made.messages
    if messages and type(messages[0].parts) is KnownList:
        return found + _of_turns(messages)[0]
    for message in messages:
        found += once_of(message.parts, _marks)
    return found


def _of_turns(messages: list[Message]) -> tuple[list[CacheMark], list[int]]:
    """(the marks of all turns, which turns bear any)."""
    count, before = begun(messages, _of_turns)
    found, at = ([*before[0]], [*before[1]]) if before is not None else ([], [])
    known = count
    for index, message in enumerate(messages[count:], count):
        marks = once_of(message.parts, _marks)
        if marks:
            found += marks
            at.append(index)
        if known == index and type(message.parts) is KnownList:
            known += 1
    if known > count:
        mine = [index for index in at if index < known]
        remember(
            messages, known, _of_turns, (found[: sum(len(_marks(messages[one].parts)) for one in mine)], mine)
        )
    return found, at


def _marks(holders: Sequence[Holder]) -> Sequence[CacheMark]:
    return [mark for mark in map(_mark, holders) if mark is not None]


def _mark(holder: Holder) -> CacheMark | None:
    """Its own, or the first one inside a tool's result. What says nothing is not sent to a
    target that counts them."""
    own: CacheMark | None = getattr(holder, "cache", None)
    if own is None:
        if type(holder) is not ToolResult:
            return None
        for inner in holder.parts:
            if inner.cache is not None:
                return inner.cache
        return None
    return own if isinstance(holder, Tool | WebSearch) or says(holder) else None


def _replace(made: Request, fitted: Iterator[CacheMark | None], *, bare: bool) -> None:
    """Every mark by the one that was made of it, in the order of _holders(). bare: those are none."""
    if once_of(made.tools, _marks):
        made.tools = [_with(tool, fitted) for tool in made.tools]
    if made.web_search is not None:
        made.web_search = _with(made.web_search, fitted)
    made.system = [_with(text, fitted) for text in made.system]
    marked = _of_turns(made.messages)[1]
    if marked:
        messages = [*made.messages]
        for at in marked:
            parts = messages[at].parts
            if bare and type(parts) is KnownList:
                messages[at] = parts.once(_bare, partial(_bare, messages[at]))
            else:
                parts = [_with(part, fitted) for part in parts]
                messages[at] = msgspec.structs.replace(messages[at], parts=parts)
        made.messages = messages


def _bare(message: Message) -> Message:
    """A turn that was met before, without its marks."""
    parts = KnownList([_with(part, repeat(None)) for part in message.parts])
    return msgspec.structs.replace(message, parts=parts)


def _with(holder: Marked, fitted: Iterator[CacheMark | None]) -> Marked:
    if _mark(holder) is None:
        return holder
    new = next(fitted)
    if isinstance(holder, ToolResult):
        inner = tuple(msgspec.structs.replace(one, cache=None) for one in holder.parts)
        return msgspec.structs.replace(holder, parts=inner, cache=new)
    return msgspec.structs.replace(holder, cache=new)
