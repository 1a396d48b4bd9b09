"""The gateways that share this PostgreSQL, a row each: who lives, which change each serves by, what each says of itself.

A row belongs to one process: its incarnation. Each statement stands by itself; times are PostgreSQL's own. Not here: who
beats and who waits (control/nodes.py).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import psycopg

LIVE_SECONDS = 3.0
"""Since its last sign of life: longer is taken for dead. It gives one each second."""
_FORGET_DAYS = 1
"""Since its last sign of life: then its row goes."""

_TAKE = (
    "INSERT INTO nodes AS n (name, incarnation, started, beat, applied, app, draining, url, told, metrics)"
    " VALUES (%(name)s, %(incarnation)s, clock_timestamp(), clock_timestamp(), %(applied)s, %(app)s, false, %(url)s,"
    " '{}', '{}')"
    " ON CONFLICT (name) DO UPDATE SET incarnation = excluded.incarnation, started = excluded.started,"
    " beat = excluded.beat, applied = excluded.applied, app = excluded.app, draining = false, url = excluded.url,"
    " told = '{}', metrics = '{}'"
    " WHERE n.incarnation = excluded.incarnation OR n.beat < clock_timestamp() - make_interval(secs => %(live)s)"
    " RETURNING 1"
)
"""What another process holds that lives is not taken."""
_BEAT = (
    "WITH me AS (UPDATE nodes SET beat = clock_timestamp(), applied = greatest(applied, %(applied)s), told = %(told)s"
    " WHERE name = %(name)s AND incarnation = %(incarnation)s RETURNING draining)"
    " SELECT (SELECT version FROM shared_state), (SELECT draining FROM me), ARRAY(SELECT ARRAY[name,"
    " coalesce(told->>'reach', '')] FROM nodes"
    " WHERE beat > clock_timestamp() - make_interval(secs => %(live)s) AND name <> %(name)s ORDER BY name),"
    " (SELECT coalesce(sum((told->>'stored')::bigint), 0)::bigint FROM nodes WHERE name <> %(name)s)"
)
_BEHIND = (
    "SELECT name FROM nodes WHERE beat > clock_timestamp() - make_interval(secs => %(live)s)"
    " AND applied < %(version)s AND name <> %(but)s ORDER BY name"
)
_LIST = (
    "SELECT name, extract(epoch FROM started)::float8, extract(epoch FROM clock_timestamp() - beat)::float8,"
    " applied, app, draining, url, told FROM nodes ORDER BY name"
)
_METRICS = "SELECT name, metrics FROM nodes WHERE beat > clock_timestamp() - make_interval(secs => %(live)s) ORDER BY name"


class NodeRow(NamedTuple):
    """started: unix seconds. age: since its last sign of life. applied: the version of the rules that it serves by. told:
    what it says of itself."""

    name: str
    started: float
    age: float
    applied: int
    app: str
    draining: bool
    url: str
    told: dict[str, Any]

    @property
    def live(self) -> bool:
        return self.age < LIVE_SECONDS


class Beat(NamedTuple):
    """version: of the rules, as they are now. draining: this node was told to; None: the row is another process's. others:
    the other nodes that live, by name, and where each says that it is reached, "" where it has not said. stored: how often
    the others have stored usage; it tells only whether they have since."""

    version: int
    draining: bool | None
    others: dict[str, str]
    stored: int


def take(
    link: psycopg.Connection[Any], name: str, incarnation: str, applied: int, app: str, url: str
) -> bool:
    """Makes the row this process's. False: it is another's, which lives."""
    values = {"name": name, "incarnation": incarnation, "applied": applied, "app": app, "url": url}
    return link.execute(_TAKE, values | {"live": LIVE_SECONDS}).fetchone() is not None


def beat(
    link: psycopg.Connection[Any], name: str, incarnation: str, applied: int, told: dict[str, Any]
) -> Beat:
    """A sign of life, and what there is to know."""
    values = {
        "name": name,
        "incarnation": incarnation,
        "applied": applied,
        "told": json.dumps(told),
        "live": LIVE_SECONDS,
    }
    row = link.execute(_BEAT, values).fetchone()
    assert row is not None, "a SELECT without FROM has a row"
    return Beat(int(row[0] or 0), row[1], dict(row[2]), row[3])


def behind(link: psycopg.Connection[Any], version: int, but: str) -> tuple[str, ...]:
    """Those that live and do not serve by that version yet. but: who asks."""
    found = link.execute(_BEHIND, {"version": version, "but": but, "live": LIVE_SECONDS})
    return tuple(name for (name,) in found.fetchall())


def listed(link: psycopg.Connection[Any]) -> list[NodeRow]:
    """By name, the dead ones of the last day, too."""
    return [NodeRow(*row) for row in link.execute(_LIST).fetchall()]


def tell_metrics(link: psycopg.Connection[Any], name: str, incarnation: str, metrics: dict[str, Any]) -> None:
    """What this node counts, for whoever asks another one of all."""
    link.execute(
        "UPDATE nodes SET metrics = %s WHERE name = %s AND incarnation = %s",
        (json.dumps(metrics), name, incarnation),
    )


def metrics(link: psycopg.Connection[Any]) -> dict[str, dict[str, Any]]:
    """What each node that lives has told, by its name."""
    found = link.execute(_METRICS, {"live": LIVE_SECONDS})
    return {name: told for name, told in found.fetchall() if told}


def leave(link: psycopg.Connection[Any], name: str, incarnation: str) -> None:
    """It ends in order: nobody need wait for it."""
    link.execute("DELETE FROM nodes WHERE name = %s AND incarnation = %s", (name, incarnation))


def set_draining(link: psycopg.Connection[Any], name: str, draining: bool) -> bool:
    """False: there is no such node."""
    return (
        link.execute(
            "UPDATE nodes SET draining = %s WHERE name = %s RETURNING 1", (draining, name)
        ).fetchone()
        is not None
    )


def forget_dead(link: psycopg.Connection[Any]) -> None:
    """Rows of those that were not heard of for a day."""
    link.execute(
        "DELETE FROM nodes WHERE beat < clock_timestamp() - make_interval(days => %s)", (_FORGET_DAYS,)
    )
