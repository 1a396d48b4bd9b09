"""What clients of several nodes may refer to, in PostgreSQL: by kind, caller and name. Bodies are sealed; who seals is
control/remembering.py. Each function is one statement.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import psycopg

_KEEP = (
    "INSERT INTO remembered (kind, caller, name, of, body, until)"
    " SELECT %(kind)s, %(caller)s, one, %(own)s, CASE WHEN one = %(own)s THEN %(body)s::bytea END,"
    " clock_timestamp() + make_interval(secs => %(seconds)s) FROM unnest(%(names)s::text[]) AS one ORDER BY one"
    " ON CONFLICT (kind, caller, name) DO UPDATE SET of = excluded.of, body = excluded.body, until = excluded.until"
)
_FIND = (
    "SELECT whole.kind, whole.name, whole.body FROM (SELECT DISTINCT kind, of FROM remembered"
    " WHERE kind = ANY(%(kinds)s) AND caller = %(caller)s AND name = ANY(%(names)s) AND until > clock_timestamp()) AS asked"
    " JOIN remembered AS whole ON whole.kind = asked.kind AND whole.caller = %(caller)s AND whole.name = asked.of"
    " WHERE whole.body IS NOT NULL ORDER BY whole.kind, whole.name"
)


def keep(
    link: psycopg.Connection[Any], kind: str, caller: str, names: Sequence[str], body: bytes, seconds: float
) -> None:
    """Under the first name, to which the others lead; in place of what was there."""
    values = {
        "kind": kind,
        "caller": caller,
        "own": names[0],
        "names": list(names),
        "body": body,
        "seconds": seconds,
    }
    link.execute(_KEEP, values)


def find(
    link: psycopg.Connection[Any], kinds: Sequence[str], caller: str, names: Sequence[str]
) -> list[tuple[str, str, bytes]]:
    """(kind, its own name, body)."""
    found = link.execute(_FIND, {"kinds": list(kinds), "caller": caller, "names": list(names)})
    return [(kind, name, bytes(body)) for kind, name, body in found.fetchall()]


def forget(link: psycopg.Connection[Any], kind: str, caller: str, name: str) -> None:
    """It, and what leads to it."""
    link.execute("DELETE FROM remembered WHERE kind = %s AND caller = %s AND of = %s", (kind, caller, name))


def forget_old(link: psycopg.Connection[Any]) -> None:
    """Whose time is over."""
    link.execute("DELETE FROM remembered WHERE until < clock_timestamp()")
