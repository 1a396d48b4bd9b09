"""The rules as cards of the page Mappings: targets with their state, what a rule does beside that, what is to be said of
it. Pure: all that it tells is given. Not here: how it looks (templates/mappings), and what happens on a click
(pages/mappings.py)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple
from urllib.parse import quote

from ...conversation.presets import bare
from ...kinds import NODE, PRACTICE, BackendType, FallbackOn, backend_key
from ..control.backend_states import BackendShown
from ..control.rule_standing import RuleStanding
from ..store.rule_warnings import Backends, passes
from ..store.tables import BackendMapping
from ..store.targets import TargetRef, targets_of
from .links import requests_link

_MARKS = {
    "works": "ok",
    "busy": "busy",
    "failing": "warn",
    "starting": "run",
    "asleep": "off",
    "unknown": "off",
}
_WORDS = {
    "works": "works", "busy": "asked for a pause", "failing": "passed over after failures", "down": "down",
    "refused": "its key was refused", "unusable": "cannot be used", "starting": "starting", "asleep": "asleep",
    "off": "switched off", "unknown": "not asked yet",
}  # fmt: skip
_GONE = ("down", "refused", "unusable", "off")
_ONWARD = {
    FallbackOn.CONTEXT: "too long: next",
    FallbackOn.REFUSAL: "refused: next",
    FallbackOn.BUSY: "busy: next",
    FallbackOn.COLD: "not loaded: next",
    FallbackOn.ABILITY: "not able: next",
    FallbackOn.MISS: "not recorded: next",
    FallbackOn.STUCK: "stuck: next",
}
_SHOWN_SHARED = 2


class TargetShown(NamedTuple):
    """backend, model: as they are written. mark: of marks.html, with its word. local: whether it stays on this machine, None
    where only connecting tells. out: nothing can be sent to it now."""

    backend: str
    model: str
    mark: str
    word: str
    local: bool | None
    out: bool


class CardNote(NamedTuple):
    """put: what the button moves, as the page's move form takes it; button: its words, or those of the link."""

    mark: str
    text: str
    put: str = ""
    button: str = ""
    link: str = ""


class MenuShown(NamedTuple):
    """Of a RuleCard, what its menu needs."""

    id: int
    position: int
    pattern: str
    enabled: bool
    up: str
    down: str


class RuleCard(NamedTuple):
    """up, down: what moves it by one, "" at the end. joins: how the targets follow each other. rows: the page of what it did
    today, "" where that is nothing. shadow: whom its answers are compared with."""

    id: int
    position: int
    pattern: str
    enabled: bool
    requests: int
    failed: int
    rescued: int
    targets: list[TargetShown]
    joins: str
    conditions: list[str]
    tags: list[str]
    notes: list[CardNote]
    rows: str
    shadow: str
    up: str
    down: str


def cards_of(
    rows: Sequence[BackendMapping],
    standings: Sequence[RuleStanding],
    states: Mapping[str, BackendShown],
    backends: Backends,
    today: float,
) -> list[RuleCard]:
    """rows and standings: of all rules, in their order. today: when it began, unix seconds."""
    by_id = {one.id: one for one in standings}
    found, order = [], [one.id for one in standings]
    for at, (row, one) in enumerate(zip(rows, standings, strict=True)):
        targets = [_target(row, ref, states) for ref in targets_of(row)]
        found.append(
            RuleCard(
                one.id,
                one.position,
                one.pattern,
                one.enabled,
                one.requests,
                one.failed,
                one.rescued,
                targets,
                "or" if row.spread else "then",
                list(row.conditions),
                _tags(row, one),
                _notes(row, one, by_id, targets, backends),
                requests_link(since=today, mapping_id=one.id) if one.requests else "",
                row.shadow or "",
                *steps_of(order, at),
            )
        )
    return found


def digest(said: object) -> str:
    """Of all that it says."""
    return hashlib.blake2b(repr(said).encode(), digest_size=8).hexdigest()


def steps_of(order: Sequence[int], at: int) -> tuple[str, str]:
    """What moves the rule at that place up by one, and down; "" at the end."""
    up = f"{order[at]} before {order[at - 1]}" if at else ""
    return up, f"{order[at]} after {order[at + 1]}" if at + 1 < len(order) else ""


def _target(row: BackendMapping, ref: TargetRef, states: Mapping[str, BackendShown]) -> TargetShown:
    local = ref.type is BackendType.LOCAL
    if ref.backend == backend_key(BackendType.LOCAL, PRACTICE):
        return TargetShown(ref.backend, ref.model or "", "ok", "built in", True, False)
    state = states.get(ref.backend)
    if state is not None:
        stays = None if state.leaves_machine is None else not state.leaves_machine
        out = state.state in _GONE
        mark = "off" if state.state == "off" else "bad" if out else _MARKS[state.state]
        return TargetShown(ref.backend, ref.model or "", mark, _WORDS[state.state], stays, out)
    if local and (not ref.name or ref.name.startswith(NODE)):
        which = "the server that lists the model" if not ref.name else "a server there that lists the model"
        return TargetShown(ref.backend, ref.model or "", "off", which, None, False)
    if row.forward_auth and not local:
        return TargetShown(ref.backend, ref.model or "", "off", "by the client's own login", False, False)
    word = "is not there" if local else "has no key"
    return TargetShown(ref.backend, ref.model or "", "bad", word, None if local else False, True)


def _tags(row: BackendMapping, one: RuleStanding) -> list[str]:
    found = ["never leaves"] if row.local_only else []
    if row.forward_auth:
        found.append("client's own login")
    if row.spread:
        weights = f" {':'.join(map(str, row.weights))}" if row.weights else ""
        found.append(f"in turn{weights}")
    if row.stick:
        found.append("conversations stay")
    if row.stop_loops:
        found.append("ends loops")
    if row.recover_calls:
        found.append("calls out of text")
    if row.customs:
        found.append(f"customs {row.customs}")
    if row.cache_seconds is not None:
        found.append("answers kept, for all keys" if row.cache_shared else "answers kept")
    if row.hedge_seconds is not None:
        found.append(f"both after {row.hedge_seconds:g} s")
    found += [_ONWARD[FallbackOn(reason)] for reason in row.fallback_on if reason in list(FallbackOn)]
    if row.presets:
        found.append(f"sets {', '.join(bare(name) for name in row.presets)}")
    if one.raised_over:
        found.append("raised by hand")
    if not row.enabled:
        found.append("off")
    return found


def _notes(
    row: BackendMapping,
    one: RuleStanding,
    by_id: Mapping[int, RuleStanding],
    targets: Sequence[TargetShown],
    backends: Backends,
) -> list[CardNote]:
    if not row.enabled:
        return []
    found = []
    if one.reached is False:
        found.append(_never(one, by_id))
    elif all(target.out for target in targets):
        which = "Its only target" if len(targets) == 1 else "Every target"
        word = targets[0].word if len(targets) == 1 else "cannot be asked"
        found.append(CardNote("bad", f"{which} {_is(word)}. Requests fail until that is mended."))
    if one.shared:
        found.append(_shared(one, by_id))
    found += [_warned(text, targets) for text in backends.own_warnings(row, "add one by Edit")]
    for wall in backends.passed_by(row):
        other = by_id.get(wall.id or 0)
        if other is not None:
            found.append(_passing(one, other, wall))
    return found


def _passing(one: RuleStanding, other: RuleStanding, wall: BackendMapping) -> CardNote:
    text = passes(wall, f"rule {other.position}")
    return CardNote(
        "warn", f"{text[0].upper()}{text[1:]}.", f"{other.id} before {one.id}", f"Move {other.position} above"
    )


def _warned(text: str, targets: Sequence[TargetShown]) -> CardNote:
    """With the page where a backend that is lacking is added or switched on."""
    lacking = [one for one in targets if one.out and text.startswith(f"{one.backend} ")]
    if not lacking:
        return CardNote("warn", f"{text}.")
    there = "add=list" if lacking[0].mark == "bad" else f"show={quote(lacking[0].backend, safe='/')}"
    return CardNote("warn", f"{text}.", button="Open Backends", link=f"/ui/backends?{there}")


def _is(word: str) -> str:
    return word if word.startswith(("is ", "has ", "cannot ")) else f"is {word}" if " " not in word else word


def _shared(one: RuleStanding, by_id: Mapping[int, RuleStanding]) -> CardNote:
    said = [f"{other.name} goes to rule {by_id[other.id].position}" for other in one.shared[:_SHOWN_SHARED]]
    more = len(one.shared) - len(said)
    rest = f", and some to {more} more" if more else ""
    first = by_id[one.shared[0].id]
    text = f"Rules before it have some of its names: {', '.join(said)}{rest}."
    return CardNote("off", text, f"{one.id} before {first.id}", f"Move above {first.position}")


def _never(one: RuleStanding, by_id: Mapping[int, RuleStanding]) -> CardNote:
    if not one.taken_by:
        return CardNote("warn", "The built-in practice model takes all of its requests. Delete it.")
    takers = [by_id[number] for number in one.taken_by]
    first = takers[0]
    raised = ", raised by hand," if one.id in first.raised_over else ""
    text = f"{_named(first)}{raised} takes all of its requests."
    if len(takers) > 1:
        text = f"{', '.join(map(_named, takers[:-1]))} and {_named(takers[-1])} together take all of its requests."
    return CardNote("warn", text, f"{one.id} before {first.id}", f"Move above {first.position}")


def _named(one: RuleStanding) -> str:
    return f"Rule {one.position} ({one.pattern})"
