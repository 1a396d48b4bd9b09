"""What is done to nodes and to their PostgreSQL under load, and what became of it. Tests play it short, `make nodes` long.

Nothing here asserts; `ok` is the verdict. Not here: what runs (site.py), the page (page.py), many changes at once
(changes.py).
"""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

import psycopg

from tests.crowding import within
from tests.durable.rehearse import fill
from tests.e2e.gateway import wait_until

from .load import Asked
from .site import DB, NODES, PORT, UNANSWERED, Site

SAME_SECONDS = 2.0
"""After the end of a trouble: within that time all nodes serve by the same rules."""
_USAGE_SECONDS = 30.0
_LATE_SECONDS = 5.0
_LAST_SECONDS = 1.0
"""R9: what a crash may cost of the usage rows."""
_CHANGE_PAUSE = 0.5
_MOST_SEGMENTS = 20


@dataclass(frozen=True)
class Played:
    """numbers: what was seen, in words. wrong: what should not have been; none = kept."""

    name: str
    done: str
    numbers: dict[str, float] = field(default_factory=dict)
    wrong: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        return not self.wrong

    @property
    def seen(self) -> str:
        told = ", ".join(f"{word} {value:g}" for word, value in self.numbers.items())
        return told + ("" if self.ok else f"; WRONG: {'; '.join(self.wrong)}")


@dataclass
class Trouble:
    """One of them. begin: returns when it is done to them. end: returns when it is over, and what was ended runs again.
    killed: a node's address and port: streams that it had begun may fail, and its last second of usage may be gone.
    taken: rules that were acknowledged by the way."""

    name: str
    done: str
    begin: Callable[[], None]
    end: Callable[[], None]
    seconds: float
    killed: str = ""
    taken: set[str] = field(default_factory=set)


def play(site: Site, trouble: Trouble) -> Played:
    """Under load before, meanwhile and after, with changes of rules on every node all along."""
    wait_until("requests", lambda: len(site.load.asked) > 50, 30)
    began, began_at = time.monotonic(), time.time()
    with _Changes(site) as changes:
        time.sleep(0.5)
        before = time.monotonic()
        trouble.begin()
        struck = before, time.monotonic()
        time.sleep(trouble.seconds)
        trouble.end()
        over = time.monotonic()
        same = _same_after(site, over)
    time.sleep(0.5)
    asked = list(site.load.since(began))
    bad = [one for one in asked if one.problem]
    cut = [one for one in bad if one.streamed and one.begun and one.by[-1:] == (trouble.killed,)]
    failed = [one for one in bad if one not in cut]
    missing, gone, twice = _usage(site, asked, began_at, (trouble.killed, *struck))
    rows, counted = site.usage_sums()
    taken = changes.taken | trouble.taken
    lost = sorted(taken - _rules(site))
    wrong = [f"failed: {one}" for one in failed[:5]]
    wrong += [f"{missing} usage rows missing"] if missing else []
    wrong += [f"{twice} usage rows twice"] if twice else []
    wrong += [f"{rows} usage rows, and {counted} in the hours' sums"] if rows != counted else []
    wrong += [f"rules lost: {lost[:5]}"] if lost else []
    if not within(same, SAME_SECONDS):
        wrong.append(f"the same rules on all nodes only after {same:.1f} s")
    numbers = {
        "requests": len(asked),
        "streams among them": sum(one.streamed for one in asked),
        "failed": len(failed),
        "streams cut with their process": len(cut),
        "sent on to another node": sum(len(one.by) > 1 for one in asked),
        "slowest s": round(max(one.done - one.at for one in asked), 2),
        "same rules on all after s": round(same, 2),
        **({"usage rows of its last second gone": gone} if trouble.killed else {}),
        "usage rows missing": missing,
        "usage rows twice": twice,
        "hours' sums, rows too many": counted - rows,
        **{f"changes answered {code}": count for code, count in sorted(changes.answers.items())},
        "rules acknowledged": len(taken),
        "rules lost": len(lost),
    }
    return Played(trouble.name, trouble.done, numbers, tuple(wrong))


class _Changes:
    """Rules are added on every node, one after another, until the block ends. taken: those that were acknowledged."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._change, args=(node,), daemon=True) for node in NODES]
        self._lock = threading.Lock()
        self.taken: set[str] = set()
        self.answers: Counter[str] = Counter()

    def __enter__(self) -> _Changes:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _change(self, node: str) -> None:
        while not self._over.is_set():
            name = f"r{random.getrandbits(40):x}"
            try:
                status = self._site.add(node, name).status
                answer = str(status)
            except UNANSWERED:
                status, answer = 0, "by nobody"
            with self._lock:
                self.answers[answer] += 1
                if status == 201:
                    self.taken.add(name)
            self._over.wait(_CHANGE_PAUSE)


def _same_after(site: Site, over: float) -> float:
    """Seconds from then until a rule that is added now is served by all, and all serve the same."""
    name = f"mark-{random.getrandbits(40):x}"

    def added() -> bool:
        try:
            return site.add(NODES[0], name).status == 201
        except UNANSWERED:
            return False

    wait_until("a change is taken", added, 60, 0.02)
    wait_until(
        "all nodes serve it", lambda: all(name in (site.served(node) or ()) for node in NODES), 60, 0.02
    )
    return time.monotonic() - over


def _rules(site: Site) -> set[str]:
    """That are the same on all nodes: of a moment at which nobody changes any."""
    wait_until("the same on all", lambda: len({site.served(node) for node in NODES}) == 1, 20)
    return set(site.served(NODES[0]) or ())


def _usage(
    site: Site, asked: list[Asked], since: float, struck: tuple[str, float, float]
) -> tuple[int, int, int]:
    """How many answered requests have no usage row after all, how many more were answered by a killed node in its last
    second and have none, and how many have two. struck: who was killed, between when and when."""
    killed, first, last = struck
    answered = {one.id: one for one in asked if not one.problem}
    late = {
        name for name, one in answered.items()
        if one.by[-1:] == (killed,) and first - _LAST_SECONDS < one.done <= last
    }  # fmt: skip
    began = time.monotonic()
    while True:
        found = Counter(site.usage_ids(since - 60))
        lost, waited = answered.keys() - found.keys(), time.monotonic() - began
        if waited > (_USAGE_SECONDS if lost - late else _LATE_SECONDS if lost else 0.0):
            return len(lost - late), len(lost & late), sum(count > 1 for count in found.values())
        time.sleep(0.2)


# -- what is done


def killed(site: Site, node: str = "n2", seconds: float = 1.0) -> Trouble:
    """kill -9 of all processes of a node at once."""
    gateway, address = site.gateways[node], site.computers.addresses[node]

    return Trouble(
        "a node killed",
        f"kill -9 of all processes of a node, {seconds:g} s later it is started again",
        gateway.kill,
        lambda: site.start(node),
        seconds,
        f"{address}:{PORT}",
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
        "PostgreSQL paused", f"SIGSTOP of all its processes for {seconds:g} s", begin, end, seconds
    )


def node_cut(site: Site, node: str = "n2", seconds: float = 3.0) -> Trouble:
    """It serves, and hears nothing of the database."""
    return Trouble(
        "a node cut from PostgreSQL",
        f"every packet between the two dropped for {seconds:g} s (nft)",
        lambda: site.computers.cut(node, DB),
        lambda: site.computers.mend(node),
        seconds,
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
    )


def rolled(site: Site, *names: str) -> Trouble:
    """SIGTERM, and started again when it has ended, one after another."""
    names = names or NODES

    def roll() -> None:
        for name in names:
            gateway = site.gateways[name]
            code = gateway.stop(40)
            assert code == 0, f"{name} ended with {code}"
            site.start(name)

    said = "all nodes" if len(names) == len(NODES) else "a node"
    return Trouble(
        f"{said} rolled", f"{said}, one after another: SIGTERM, started again when it has ended", roll,
        lambda: None, 0.0,
    )  # fmt: skip


def _start_database(site: Site) -> None:
    if site.cluster.alive:
        return
    site.cluster.stop("immediate")  # what is left of it
    with site.computers.on(DB):
        site.cluster.start()
