"""Ids of answers and of calls: backends leave them out, or give all calls the same one
(docs/protocols/tools.md#call-ids)."""

from __future__ import annotations


def unique_id(call_id: str, seen: set[str]) -> str:
    """The id, with a suffix where it was used before. seen: those of this answer so far."""
    found, count = call_id, 1
    while found in seen:
        count += 1
        found = f"{call_id}_{count}"
    seen.add(found)
    return found


def own_id(prefix: str, upstream: str, request_id: str) -> str:
    """An answer's, from the upstream's where it had one: the same answer keeps the same id."""
    clean = "".join(c for c in upstream if c.isalnum() or c in "_-")[:80]
    return clean if clean.startswith(prefix) else f"{prefix}{clean or request_id}"
