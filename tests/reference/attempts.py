"""The page of one attempt's states: drawn from the table that the judge runs on
(gateway/attempt/moves.py)."""

from __future__ import annotations

import inspect
import re
from enum import IntEnum

from pointsman.gateway.attempt.moves import ENDS, MOVES, REACHES, Effect, Event, Stage, State

OVER = frozenset(state for state in State if state >= State.DELIVERED)
WORDS = re.compile(r"^    ([A-Z_]+) = \d+  # (.+)$", re.MULTILINE)


def said(kind: type[IntEnum]) -> dict[str, str]:
    """What the source says of each member, in the comment beside it."""
    found = dict(WORDS.findall(inspect.getsource(kind)))
    assert set(found) == {member.name for member in kind}, "a member without a word"
    return found


def names(members: object) -> str:
    return ", ".join(f"`{member.name}`" for member in members)  # type: ignore[attr-defined]


def page() -> str:
    lines = [
        "# What may happen to one attempt's answer",
        "",
        "Made by `make docs` from the table that decides when an answer becomes the client's (the commit point): a step that",
        "does not stand here cannot be made.",
        "",
        "## Stages of a request",
        "",
        "A request's stage only goes forward, whatever its attempts do.",
        "",
    ]
    reached = {stage: [effect for effect, to in REACHES.items() if to is stage] for stage in Stage}
    for name, text in said(Stage).items():
        by = reached[Stage[name]]
        lines.append(f"* `{name}`: {text}." + (f" Reached by {names(by)}." if by else ""))
    lines += ["", "## States of an attempt", ""]
    lines += [f"* `{name}`: {text}." for name, text in said(State).items()]
    living = [state for state in State if state not in OVER]
    lines += ["", "```mermaid", "stateDiagram-v2", f"    [*] --> {State.WAITING.name}"]
    for state in living:
        after = {move[0] for move in MOVES[state].values()} - {state}
        lines += [f"    {state.name} --> {other.name}" for other in sorted(after)]
    lines += [f"    {state.name} --> [*]" for state in sorted(OVER)]
    lines += ["```", "", "## Moves", ""]
    lines += [f"In {names(sorted(OVER))} whatever still comes has no effect.", ""]
    for state in living:
        lines += [
            f"### {state.name}",
            "",
            "| what happens | then it is | what is done, in order |",
            "|---|---|---|",
        ]
        row = MOVES[state]
        for event in Event:
            if event in row:
                after_, effects = row[event]
                lines.append(f"| `{event.name}` | `{after_.name}` | {names(effects) or 'nothing'} |")
        lines.append("")
    lines += ["## What can happen", ""]
    lines += [f"* `{name}`: {text}." for name, text in said(Event).items()]
    lines += [
        "",
        "## What can be done",
        "",
        f"{names(sorted(ENDS))} end an attempt: exactly one of them, last.",
        "",
    ]
    lines += [f"* `{name}`: {text}." for name, text in said(Effect).items()]
    return "\n".join(lines) + "\n"
