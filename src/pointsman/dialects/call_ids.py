"""Ids of calls as backends give them: some leave them out, or give all calls the same one
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
