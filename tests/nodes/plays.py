"""One trouble under load, and what became of it. Tests play it short, `make nodes` long.

Nothing here asserts; `ok` is the verdict. Not here: what runs (site.py), what is done to it (troubles.py), clients with limits
(limits.py), many changes at once (changes.py), the page (page.py).
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from dataclasses import dataclass, field

from tests.crowding import within
from tests.e2e.gateway import wait_until

from .limits import BUDGET, Bounds, Limited, judged
from .load import Asked
from .site import NODES, PORT, UNANSWERED, Site
from .troubles import Trouble

SAME_SECONDS = 2.0
"""After the end of a trouble: within that time all nodes serve by the same rules."""
_USAGE_SECONDS = 30.0
_LATE_SECONDS = 5.0
_LAST_SECONDS = 1.0
"""R9: what a crash may cost of the usage rows."""
_CHANGE_PAUSE = 1.5


@dataclass(frozen=True)
class Played:
    """numbers: what was seen, in words. wrong: what should not have been; none = kept. bounds: of limited clients."""

    name: str
    done: str
    numbers: dict[str, float] = field(default_factory=dict)
    wrong: tuple[str, ...] = ()
    bounds: Bounds | None = None

    @property
    def ok(self) -> bool:
        return not self.wrong

    @property
    def seen(self) -> str:
        told = ", ".join(f"{word} {value:g}" for word, value in self.numbers.items())
        told += f", {self.bounds}" if self.bounds else ""
        return told + ("" if self.ok else f"; WRONG: {'; '.join(self.wrong)}")


def play(site: Site, trouble: Trouble, budget: int = BUDGET) -> Played:
    """Under load before, meanwhile and after, with changes of rules on every node all along, and limited clients."""
    wait_until("requests", lambda: len(site.load.asked) > 50, 30)
    address = f"{site.computers.addresses[trouble.down]}:{PORT}" if trouble.down else ""
    began, began_at, held = time.monotonic(), time.time(), None
    with _Changes(site) as changes, Limited(site, budget) as limited:
        limited.wait_until_all_have_a_part()
        before = time.monotonic()
        trouble.begin()
        struck = before, time.monotonic()
        if trouble.down:
            held = limited.held_by(trouble.down)
        time.sleep(trouble.seconds)
        trouble.end()
        over = time.monotonic()
        same = _same_after(site, over)
        used_up = limited.use_up()
    time.sleep(0.5)
    load = list(site.load.since(began))
    bad = [one for one in load if one.problem]
    cut = [one for one in bad if one.streamed and one.begun and one.by[-1:] == (address,)]
    failed = [str(one) for one in bad if one not in cut]
    failed += limited.failures(trouble.down, trouble.away, struck[0], over)
    missing, gone, twice = _usage(site, load + limited.answered, began_at, (address, *struck))
    bounds = limited.seen(trouble.away, struck[1], over, held)
    rows, counted = site.usage_sums()
    taken = changes.taken | trouble.taken
    lost = sorted(taken - _rules(site))
    wrong = [*trouble.wrong, *(f"failed: {one}" for one in failed[:5])]
    wrong += [f"{missing} usage rows missing"] if missing else []
    wrong += [f"{twice} usage rows twice"] if twice else []
    wrong += [f"{rows} usage rows, and {counted} in the hours' sums"] if rows != counted else []
    wrong += [f"rules lost: {lost[:5]}"] if lost else []
    if not within(same, SAME_SECONDS):
        wrong.append(f"the same rules on all nodes only after {same:.1f} s")
    wrong += judged(bounds, used_up=used_up, away=bool(trouble.away), seconds=over - struck[1])
    numbers = {
        "requests": len(load),
        "streams among them": sum(one.streamed for one in load),
        "failed": len(failed),
        "streams cut with their process": len(cut),
        "sent on to another node": sum(len(one.by) > 1 for one in load),
        "slowest s": round(max(one.done - one.at for one in load), 2),
        "same rules on all after s": round(same, 2),
        **({"usage rows of its last second gone": gone} if trouble.down else {}),
        "usage rows missing": missing,
        "usage rows twice": twice,
        "hours' sums, rows too many": counted - rows,
        **{f"changes answered {code}": count for code, count in sorted(changes.answers.items())},
        "rules acknowledged": len(taken),
        "rules lost": len(lost),
        **trouble.seen,
    }
    return Played(trouble.name, trouble.done, numbers, tuple(wrong), bounds)


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
