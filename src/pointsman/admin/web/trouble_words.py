"""What happened to a request that failed or was rescued, in one line: `box took no connection, openai answered`. Pure.

Not here: its state in a word and a mark (request_lines.py).
"""

from __future__ import annotations

from collections.abc import Sequence

from ...ledger.records import UsageRecord
from ..control.reasons import what_it_did
from .asked_target import backend_of


def story(record: UsageRecord, attempts: Sequence[UsageRecord]) -> str:
    """record: what stands for the request. attempts: all of it, in their order, itself too."""
    before = [one for one in attempts if one.id != record.id and one.target]
    first = backend_of(before[0].target) if before else ""
    who = backend_of(record.target)
    why = what_it_did(record.fallback)
    if record.outcome == "ok":
        return f"{first} {why}, {who} answered" if first else f"{who} answered after another {why}"
    if record.outcome == "aborted":
        return f"the client left{f' while {who} answered' if who else ''}"
    if not who and record.outcome != "cancelled":
        return f"no backend was asked: {record.status}"
    then = f"{first} {why}, then " if first and first != who else ""
    if record.outcome == "interrupted":
        return f"{then}{who} broke off"
    if record.outcome == "cancelled":
        return f"{then}somebody ended it here{f' while {who} answered' if who else ''}"
    return f"{then}{who} failed: {record.status}"
