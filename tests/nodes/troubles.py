"""What is done to nodes and to their PostgreSQL. Not here: the load meanwhile and what became of it (plays.py), another version
of the gateway (next_version.py)."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

import psycopg

from tests.durable.rehearse import fill

from .site import DB, NODES, UNANSWERED, Site

_MOST_SEGMENTS = 20


@dataclass
class Trouble:
    """One of them. begin: returns when it is done to them. end: returns when it is over, and what was ended runs again.
    down: a node whose processes are killed: streams that it had begun may fail, and its last second of usage may be gone.
    away: nodes that are without the database meanwhile. taken: rules that were acknowledged by the way. seen: further
    numbers. wrong: what should not have been."""

    name: str
    done: str
    begin: Callable[[], None]
    end: Callable[[], None]
    seconds: float
    down: str = ""
    away: tuple[str, ...] = ()
    taken: set[str] = field(default_factory=set)
    seen: dict[str, float] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)


def killed(site: Site, node: str = "n2", seconds: float = 1.0) -> Trouble:
    """kill -9 of all processes of a node at once."""
    gateway = site.gateways[node]
    return Trouble(
        "a node killed",
        f"kill -9 of all processes of a node, {seconds:g} s later it is started again",
        gateway.kill,
        lambda: site.start(node),
        seconds,
        node,
    )


def killed_in_a_change(site: Site, node: str = "n3", seconds: float = 1.0) -> Trouble:
    """While rules are added there one after another, without a pause."""
    trouble = killed(site, node, seconds)
    over = threading.Event()

    def change() -> None:
        while not over.is_set():
            name = f"k{random.getrandbits(40):x}"
            try:
                if site.add(node, name).status == 201:
                    trouble.taken.add(name)
            except UNANSWERED:
                return

    def begin() -> None:
        writers = [threading.Thread(target=change, daemon=True) for _ in range(2)]
        for one in writers:
            one.start()
        time.sleep(random.uniform(0.2, 0.4))
        site.gateways[node].kill()
        over.set()
        for one in writers:
            one.join()

    trouble.name, trouble.begin = "a node killed in a change", begin
    trouble.done = (
        f"kill -9 of all processes of a node while it adds rules, {seconds:g} s later it is started again"
    )
    return trouble


def database_crashed(site: Site, seconds: float = 0.5) -> Trouble:
    """Stopped as by a crash."""
    return Trouble(
        "PostgreSQL crashed",
        f"`pg_ctl stop -m immediate`, started again {seconds:g} s later",
        lambda: site.cluster.stop("immediate"),
        lambda: _start_database(site),
        seconds,
        away=NODES,
    )


def database_paused(site: Site, seconds: float = 3.0) -> Trouble:
    """No connection is closed, nothing is answered."""
    stopped: list[int] = []

    def begin() -> None:
        stopped[:] = site.cluster.pids
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)

    def end() -> None:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)

    return Trouble(
        "PostgreSQL paused",
        f"SIGSTOP of all its processes for {seconds:g} s",
        begin,
        end,
        seconds,
        away=NODES,
    )


def node_cut(site: Site, node: str = "n2", seconds: float = 3.0) -> Trouble:
    """It serves, and hears nothing of the database."""
    return Trouble(
        "a node cut from PostgreSQL",
        f"every packet between the two dropped for {seconds:g} s (nft)",
        lambda: site.computers.cut(node, DB),
        lambda: site.computers.mend(node),
        seconds,
        away=(node,),
    )


def disk_full(site: Site, seconds: float = 3.0) -> Trouble:
    """Not one byte free where PostgreSQL's data and log of changes are."""

    def begin() -> None:
        fill(site.disk)
        time.sleep(seconds / 2)
        with suppress(psycopg.Error):
            for _ in range(_MOST_SEGMENTS):
                site.cluster.run(
                    "SELECT pg_switch_wal()"
                )  # the next one finds no room, which ends the server

    def end() -> None:
        (site.disk / "filler").unlink()
        _start_database(site)

    return Trouble(
        "PostgreSQL's disk full",
        f"filled to the last byte for {seconds:g} s; halfway its log wants more room, which ends it; room is made, and it is"
        " started again",
        begin,
        end,
        seconds / 2,
        away=NODES,
    )


def both(first: Trouble, second: Trouble) -> Trouble:
    """At the same time."""

    def begin() -> None:
        second.begin()
        first.begin()

    def end() -> None:
        second.end()
        first.end()

    return Trouble(
        f"{first.name}, {second.name}", f"{first.done}; meanwhile {second.done}", begin, end,
        max(first.seconds, second.seconds), first.down or second.down, (*first.away, *second.away), first.taken,
    )  # fmt: skip


def _start_database(site: Site) -> None:
    if site.cluster.alive:
        return
    site.cluster.stop("immediate")  # what is left of it
    with site.computers.on(DB):
        site.cluster.start()
