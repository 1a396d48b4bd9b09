"""Rules changed on all nodes at once, as fast as each answers: what they end as is the same on all. Not here: troubles
(plays.py)."""

from __future__ import annotations

import random
import statistics
import threading
import time
from collections import Counter
from dataclasses import dataclass, field

from tests.e2e.gateway import wait_until

from .plays import SAME_SECONDS, Played
from .site import NODES, UNANSWERED, Site, rule

NAME = "many changes at once"
_OWN = 5
"""Names that a writer adds and deletes again."""
_SHARED = "shared-by-all"
_TARGET = "x-pointsman-target"


@dataclass
class _Writer:
    """On one node: of its own names one after another, in between the rule that all change. number: of the writers there."""

    site: Site
    node: str
    number: int
    shared: int
    answers: Counter[str] = field(default_factory=Counter)
    took: list[float] = field(default_factory=list)
    mine: dict[str, int] = field(default_factory=dict)
    told: set[str] = field(default_factory=set)
    """Models that the shared rule was given here."""
    late: int = 0

    def change(self, count: int) -> None:
        for number in range(count):
            name = f"{self.node}-{self.number}-{random.randrange(_OWN)}"
            began = time.monotonic()
            if number % 3 == 0:
                model = f"practice:{number % 900 + 1}ms"
                self.told.add(model)
                self._call("PATCH", f"/api/mappings/{self.shared}", {"backend_model": model})
            elif name in self.mine:
                if self._call("DELETE", f"/api/mappings/{self.mine[name]}") == 204:
                    del self.mine[name]
            else:
                self._call("POST", "/api/mappings", rule(name), name)
            self.took.append(time.monotonic() - began)

    def _call(self, method: str, path: str, body: dict[str, object] | None = None, name: str = "") -> int:
        try:
            answer = self.site.call(self.node, method, path, body)
        except UNANSWERED as error:
            self.answers[repr(error)] += 1
            return 0
        self.answers[str(answer.status)] += 1
        self.late += answer.header("x-pointsman-behind") is not None
        if name and answer.status == 201:
            self.mine[name] = answer.json()["id"]
        return answer.status


def many(site: Site, count: int, writers_each: int = 1) -> Played:
    """So many changes in all, a third of them on each node, there by so many writers at the same time."""
    answer = site.call(NODES[0], "POST", "/api/mappings", rule(_SHARED))
    assert answer.status == 201, answer.body
    began = time.monotonic()
    shared = answer.json()["id"]
    writers = [_Writer(site, node, number, shared) for number in range(writers_each) for node in NODES]
    share, rest = divmod(count, len(writers))
    threads = [
        threading.Thread(target=one.change, args=(share + (at < rest),)) for at, one in enumerate(writers)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took = time.monotonic() - began
    ends = time.monotonic()
    wait_until(
        "the same on all", lambda: len({_served(site, node) for node in NODES}) == 1, SAME_SECONDS, 0.01
    )
    same = time.monotonic() - ends
    time.sleep(0.5)
    names, target = _served(site, NODES[0])
    asked = site.load.since(began)
    failed = [one for one in asked if one.problem]
    answers = sum((one.answers for one in writers), Counter[str]())
    own = {name for one in writers for name in one.mine}
    wrong = [f"failed: {one}" for one in failed[:5]]
    wrong += [f"changes answered {code}" for code in answers if code not in ("200", "201", "204")]
    if {name for name in names if name.partition("-")[0] in NODES} != own:
        wrong.append("the names are not those that the writers left")
    if target.partition(":")[2] not in set().union(*(one.told for one in writers)):
        wrong.append(f"the shared rule leads to {target}, which nobody gave it")
    times = sorted(seconds for one in writers for seconds in one.took)
    numbers = {
        "changes": len(times),
        "writers": len(writers),
        "seconds": round(took),
        "a second": round(len(times) / took, 1),
        "p50 ms": round(1000 * statistics.median(times), 1),
        "p99 ms": round(1000 * times[int(len(times) * 0.99)], 1),
        "answered before all nodes served by it": sum(one.late for one in writers),
        "requests meanwhile": len(asked),
        "failed": len(failed),
        "same rules on all after s": round(same, 2),
    }
    done = f"{count:,} rules added, changed and deleted, a third on each node, all at once"
    return Played(NAME, done, numbers, tuple(wrong))


def _served(site: Site, node: str) -> tuple[frozenset[str], str]:
    """What a node's data plane serves by: its names, and where the rule that all change leads."""
    body = {"model": _SHARED, "messages": [{"role": "user", "content": "hi"}]}
    answer = site.ask(node, "POST", "/v1/chat/completions", body)
    assert answer.status == 200, f"{node}: {answer.status} {answer.body[:300]!r}"
    return site.served(node) or frozenset(), answer.header(_TARGET) or ""
