"""One engine as the plan sees it: its state, who waits for it and who uses it, how much memory it takes. Not here: what
follows from that (residency.py).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal, NamedTuple


class EnginePhase(StrEnum):
    """YIELDING: no more requests are let in, those under way finish; told as `stopping`."""

    COLD = "cold"
    STARTING = "starting"
    LOADING = "loading"
    READY = "ready"
    ASLEEP = "asleep"
    YIELDING = "yielding"
    STOPPING = "stopping"
    DOWN = "down"


Leaving = Literal["", "idle", "room", "hand", "changed", "gone"]
COMING = (EnginePhase.STARTING, EnginePhase.LOADING)
THERE = (EnginePhase.READY, EnginePhase.ASLEEP)
OUT = (EnginePhase.COLD, EnginePhase.DOWN)
LEAVERS = (EnginePhase.YIELDING, EnginePhase.STOPPING)
HAND = "hand"
"""The waiter that stands for a person who said `start`."""


LEAVING: dict[Leaving, str] = {
    "idle": "nobody asked for it for a while",
    "hand": "stopped by hand",
    "changed": "its command was changed",
    "gone": "removed",
}


@dataclass(frozen=True, slots=True)
class Terms:
    """Times in seconds. settle: after the word that no more is let in, for who does not say that they have heard it.
    min_stay: an engine that has come stays so long, max_wait: who has waited so long makes others yield, patience: and after
    so long is refused. drain: of a stop by hand. come_back: in which the data plane finds a new warden. longest_load: shows
    life, and is not ready all the same. deaths within death_window: it stays down."""

    settle: float = 2.0
    min_stay: float = 10.0
    max_wait: float = 20.0
    patience: float = 600.0
    drain: float = 30.0
    come_back: float = 3.0
    longest_load: float = 4 * 3600.0
    back_off: tuple[float, ...] = (0.5, 1.0, 2.0, 5.0, 15.0)
    deaths: int = 5
    death_window: float = 900.0


@dataclass(frozen=True, slots=True)
class EngineNeeds:
    """Of one engine. estimate: bytes when loaded, 0 = unknown. keep: seconds after the end of the last request, None = for
    ever. sleeps: seconds after which it lets go of its memory by itself, None = it does not."""

    name: str
    estimate: int = 0
    keep: float | None = 300.0
    pinned: bool = False
    preload: bool = False
    sleeps: float | None = None


class Action(NamedTuple):
    """kind: `start`, `stop` or `refuse` (all who wait for it)."""

    kind: Literal["start", "stop", "refuse"]
    engine: str
    why: str = ""


@dataclass(slots=True)
class Resident:
    """One engine as it stands. why: for everybody, without paths and output, which are in said. waiting, busy: requests by
    client; since: when each client's wait began."""

    needs: EngineNeeds
    state: EnginePhase = EnginePhase.COLD
    at: float = 0.0  # when it came to that state
    why: str = ""
    said: str = ""
    leaving: Leaving = ""
    adopted: bool = False  # whoever uses it has yet to say so again
    heard: bool = False  # all know that no more is let in
    waiting: dict[str, int] = field(default_factory=dict)
    since: dict[str, float] = field(default_factory=dict)
    busy: dict[str, int] = field(default_factory=dict)
    ready_at: float = 0.0
    idle_at: float = 0.0
    measured: int = 0  # bytes now
    peak: int = 0  # of this run
    proven: int = 0  # what it came to when it had served
    served: bool = False  # in this run
    wanted: bool = False  # though nobody waits: preload, or it died and should be there
    deaths: list[float] = field(default_factory=list)
    retry_at: float = 0.0

    @property
    def size(self) -> int:
        """Bytes that it comes to when loaded: what was measured once it had served, else the larger of guess and measure.
        A measure of less than half the guess does not see all of it: the memory of a graphics card, or of Metal."""
        if self.proven and self.proven >= self.needs.estimate / 2:
            return self.proven
        return max(self.needs.estimate, self.measured, self.peak)

    @property
    def held(self) -> int:
        """Bytes that it counts for now."""
        if self.state in OUT:
            return 0
        if self.state is EnginePhase.ASLEEP and self.measured:
            return self.measured
        return max(self.size, self.measured)

    @property
    def in_use(self) -> bool:
        return bool(self.busy or self.waiting)

    @property
    def oldest_wait(self) -> float:
        return min(self.since.values())

    def turn(self, state: EnginePhase, now: float, why: str = "") -> None:
        self.state, self.at, self.why = state, now, why
