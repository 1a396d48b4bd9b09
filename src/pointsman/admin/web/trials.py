"""Tests of backends that a page has begun: a key that was typed is in a task's hands and nowhere else, and each step is told
as it ends. Bounded, forgotten when the process ends. Not here: what is tested (control/probing.py)."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import replace

from ...errors import PointsmanError
from ...kinds import ErrorKind
from ...link.engine_desk import EngineStanding
from ..control.probing import ENGINE_SECONDS, Heard, ProbeOutcome, ProbeStep
from ..control.sessions import BrowserSession

_MOST = 16
_WAIT_SECONDS = 10.0
_LOOK_SECONDS = 0.5
"""Between two looks at an engine that is waited for."""

Look = Callable[[], EngineStanding]
Begin = Callable[[Heard], Awaitable[ProbeOutcome]]


class Trial:
    """steps: those that have ended. outcome: None while it runs. problem: why there is none. about: the key of a stored
    backend, "" of one that is not. encrypted: its address is https. engine: tells how the one stands that is started
    for it, None where it has none. until: when that is given up, in unix seconds."""

    def __init__(
        self, number: str, session: str, about: str, encrypted: bool, engine: Look | None = None
    ) -> None:
        self.number = number
        self.session = session
        self.about = about
        self.encrypted = encrypted
        self.engine = engine
        self.until = time.time() + ENGINE_SECONDS
        self.steps: list[ProbeStep] = []
        self.outcome: ProbeOutcome | None = None
        self.problem = ""
        self.task: asyncio.Task[None] | None = None
        self._news = asyncio.Event()
        self._shown: EngineStanding | None = None

    @property
    def waits_for(self) -> EngineStanding | None:
        """How the engine stands that it waits for; None while it waits for none. What is shown so is no news."""
        waits = self.engine is not None and not self.steps and not self.done
        self._shown = self._standing() if waits else None
        return self._shown

    @property
    def done(self) -> bool:
        return self.outcome is not None or bool(self.problem)

    @property
    def to_come(self) -> list[str]:
        """Names of the steps that have not been tried, nor will be where one before has failed."""
        every = [
            *(["engine"] if self.engine else []),
            "dns",
            "tcp",
            *(["tls"] if self.encrypted else []),
            "auth",
            "models",
            "token",
        ]
        seen = [step.name for step in self.steps]
        last = max((every.index(name) for name in seen if name in every), default=-1)
        return every[last + 1 :]

    async def run(self, begin: Begin) -> None:
        try:
            self.outcome = await begin(self._hear)
        except PointsmanError as error:
            self.problem = error.public
        self._news.set()

    def _hear(self, step: ProbeStep) -> None:
        self.steps.append(step)
        self._news.set()

    async def more(self, than: int) -> None:
        """Returns when there are more steps than that, or the engine that it waits for stands otherwise, or it is over, or
        after a while."""
        loop = asyncio.get_running_loop()
        end = loop.time() + _WAIT_SECONDS
        while not self.done and len(self.steps) <= than and (left := end - loop.time()) > 0:
            self._news.clear()
            try:
                await asyncio.wait_for(self._news.wait(), min(left, _LOOK_SECONDS) if self._shown else left)
            except TimeoutError:
                if self._shown is not None and self._standing() != self._shown:
                    return

    def stop(self) -> None:
        """Ends it, whatever it is at; an engine that was started for it goes on."""
        if not self.done and self.task is not None:
            self.problem = "Stopped: nothing more is tried."
            if self.engine is not None and not self.steps:
                self.problem += " The engine goes on loading; it has a Stop of its own."
            self.task.cancel()
            self._news.set()

    def _standing(self) -> EngineStanding | None:
        return None if self.engine is None else replace(self.engine(), rss=0)  # which grows all the time


class Trials:
    """By number; the oldest is ended when there are too many."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Trial] = OrderedDict()

    def begin(
        self,
        session: BrowserSession,
        about: str,
        encrypted: bool,
        begin: Begin,
        engine: Look | None = None,
    ) -> Trial:
        trial = Trial(secrets.token_urlsafe(12), session.digest, about, encrypted, engine)
        self._kept[trial.number] = trial
        trial.task = asyncio.get_running_loop().create_task(trial.run(begin))
        while len(self._kept) > _MOST:
            _, oldest = self._kept.popitem(last=False)
            if oldest.task is not None:
                oldest.task.cancel()
        return trial

    def find(self, session: BrowserSession, number: str) -> Trial:
        """Raises PointsmanError 404: it is another's, or forgotten."""
        trial = self._kept.get(number)
        if trial is None or trial.session != session.digest:
            raise PointsmanError(ErrorKind.NOT_FOUND, "This test is no longer known; test again.")
        return trial
