"""What local servers say of their models, and which engine each is. Asked when somebody wants to know, cached, bounded
(docs/protocols/models.md#what-local-servers-say-of-their-models). Nobody's guess: what is not said is unknown. Not here:
how an engine is known and what its answers mean (engines/); which models there are (model_lists.py).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace

import msgspec

from ..engines.engine import LIST, Engine, EngineModel, Question, Reply
from ..engines.reading import over, same_name
from ..engines.registry import ENGINES, SIGNS, UNTRUE, identify, likely
from ..errors import PointsmanError
from ..kinds import Protocol
from .backend import Backend
from .fetch import fetch, reply_of
from .model_lists import ROUND_AGENT, WAIT_SECONDS
from .pool import Pool

FRESH_SECONDS = 20.0
WHO_SECONDS = 600.0
"""How long it is taken for the engine that it was, and what it says of each model by itself is believed."""
_AGAIN_SECONDS = 5.0
"""The same while it answers nothing, or has not loaded a model whose window it has not told: the next request loads it."""
_MOST = 64
"""Models of one server that are asked for by name."""
_AT_ONCE = 4
_LOAD_SECONDS = 3600.0
"""Who waits says when it is too long."""


@dataclass(slots=True)
class _Known:
    """asked: when it last was. until: when it is asked again. who_until: when it is asked again who it is. answers: to what
    is asked of each model."""

    backend: Backend
    asked: float = 0.0
    until: float = 0.0
    who_until: float = 0.0
    engine: Engine | None = None
    models: dict[str, EngineModel] = field(default_factory=dict)
    answers: dict[str, Reply] = field(default_factory=dict)


class ModelFacts:
    """Cached by backend, and asked again and again once somebody has wanted to know. What was known stays while a server
    does not answer. fresh: seconds that it is believed. changed: called when more, or something else, is known."""

    def __init__(
        self, pool: Pool, fresh: float = FRESH_SECONDS, changed: Callable[[], None] = lambda: None
    ) -> None:
        self._pool = pool
        self._changed = changed
        self._fresh = fresh
        self._known: dict[str, _Known] = {}
        self._running: dict[Backend, asyncio.Task[None]] = {}

    async def refresh(self, backends: Iterable[Backend]) -> None:
        """Ask those that nothing fresh is known of; returns when all have answered, at most WAIT_SECONDS later."""
        self.look(backends)
        if self._running:
            await asyncio.wait(list(self._running.values()), timeout=WAIT_SECONDS)

    def look(self, backends: Iterable[Backend]) -> None:
        """The same without waiting for it: what is known then is for the next time."""
        now = time.monotonic()
        for backend in backends:
            known = self._of(backend)
            if (known is not None and now < known.until) or backend in self._running:
                continue
            if not backend.can_be_asked or backend.asleep:
                continue
            task = asyncio.get_running_loop().create_task(self._ask(backend))
            self._running[backend] = task
            task.add_done_callback(lambda _, one=backend: self._running.pop(one, None))  # type: ignore[misc]

    def asked(self, backend: Backend) -> bool:
        """Has it ever been?"""
        return self._of(backend) is not None

    def doubtful(self, backend: Backend, protocol: Protocol) -> bool:
        """Would it be tried there, may an engine's path not be true to it, and has nobody asked yet which one it is?"""
        return protocol in UNTRUE and protocol in backend.tried and not self.asked(backend)

    async def know(self, backend: Backend) -> None:
        """Something is known of it when this returns, where it says anything: what is known already is made fresh in the
        background."""
        self.look((backend,))
        task = self._running.get(backend)
        if task is not None and not self.asked(backend):
            await asyncio.wait([task], timeout=WAIT_SECONDS)

    async def load(self, backend: Backend, model: str) -> None:
        """Have it load a model, where it can be told to, and ask what it says of it then. Takes as long as that takes;
        where it fails nothing more is known than before."""
        known = self._of(backend)
        if known is None or known.engine is None or known.engine.load is None:
            return
        question = known.engine.load(model)
        body, path = msgspec.json.encode(question.body or {}), question.path.encode()
        with suppress(PointsmanError):
            await fetch(self._pool, backend, path, _LOAD_SECONDS, body=body)
        if (earlier := self._running.get(backend)) is not None:  # it was asked before that
            await asyncio.wait([earlier])
        known.until = 0.0
        await self.refresh((backend,))

    def tick(self) -> None:
        """Called a few times a second: whatever anybody has wanted to know stays fresh."""
        now = time.monotonic()
        for known in list(self._known.values()):
            if known.engine is not None and now >= known.asked + self._fresh:
                self.look((known.backend,))

    def follow(self, backends: Mapping[str, Backend]) -> None:
        """These are the backends now; of others nothing is known any more. An engine that is started on demand is the same
        wherever it runs, and while it does not."""
        for key, known in list(self._known.items()):
            now, engine = backends.get(key), known.backend.spec.engine
            if (
                now is not None
                and now is not known.backend
                and engine is not None
                and now.spec.engine == engine
            ):
                known.backend, known.until = now, 0.0
            elif now is not known.backend:
                del self._known[key]

    def of(self, backend: Backend, model: str) -> EngineModel:
        """What that server has said of that model."""
        known = self._of(backend)
        if known is None:
            return EngineModel(model)
        exact = known.models.get(model)
        if exact is not None:
            return exact
        alike = (one for one in known.models.values() if same_name(one.name, model))
        only = known.models.values() if known.engine is not None and known.engine.any_name else ()
        found = next(alike, None) or (next(iter(only)) if len(only) == 1 else None)
        return EngineModel(model) if found is None else replace(found, name=model)

    def would_change(self, backend: Backend, model: str) -> bool:
        """Has it another model in memory, and not this one? Then asking for this one may push that one out."""
        known = self._of(backend)
        if known is None or self.of(backend, model).loaded is not False:
            return False
        return any(one.loaded for one in known.models.values())

    def engine(self, backend: Backend) -> Engine | None:
        """Which one it is; None while it has not been asked, or is none that is known."""
        known = self._of(backend)
        return None if known is None else known.engine

    def close(self) -> None:
        """Stop asking."""
        for task in self._running.values():
            task.cancel()

    def _of(self, backend: Backend) -> _Known | None:
        known = self._known.get(backend.spec.key)
        return known if known is not None and known.backend is backend else None

    async def _ask(self, backend: Backend) -> None:
        now = time.monotonic()
        known = self._of(backend) or _Known(backend)
        before = (known.asked > 0.0, known.engine, known.models)
        again = now >= known.who_until
        engine, answers = await self._recognized(backend, None if again else known.engine)
        if engine is None or (engine is not known.engine and _unsure(engine, answers)):
            engine = known.engine or engine  # it answered in part: it may be busy
        elif again or engine is not known.engine:
            known.engine, known.who_until, known.answers = engine, now + WHO_SECONDS, {}
        if answers and engine is not None:
            await self._read(backend, engine, known, answers)
        sure = known.engine is not None and all(
            one.loaded is not False or one.window for one in known.models.values()
        )
        believed = self._fresh if sure else min(self._fresh, _AGAIN_SECONDS)
        known.asked = time.monotonic()
        known.until = known.asked + believed
        self._known[backend.spec.key] = known
        if known.engine is not None:
            backend.learn_engine(known.engine)
        if (True, known.engine, known.models) != before:
            self._changed()

    async def _read(self, backend: Backend, engine: Engine, known: _Known, answers: dict[str, Reply]) -> None:
        """What it says of its models; what it has not answered now, it may have said before."""
        await self._all(backend, engine.paths, answers)
        await self._each(backend, engine, known, answers)
        models = {one.name: one for one in engine.models({**answers, **known.answers})}
        if any(path not in answers for path in engine.facts):
            before = known.models
            models = {name: over(one, before.get(name, one)) for name, one in models.items()} or before
        known.models = models

    async def _recognized(
        self, backend: Backend, before: Engine | None
    ) -> tuple[Engine | None, dict[str, Reply]]:
        """Who it is, and what it has answered so far: as few questions as tell it."""
        answers: dict[str, Reply] = {}
        if before is not None:
            await self._all(backend, before.paths, answers)
            if before.identify(answers):
                return before, answers
        await self._all(backend, (LIST,), answers)
        for engine in likely(answers):
            await self._all(backend, engine.signs, answers)
            if engine.identify(answers):
                return engine, answers
        if answers:
            await self._all(backend, SIGNS, answers)
        return identify(answers), answers

    async def _all(self, backend: Backend, paths: Iterable[str], answers: dict[str, Reply]) -> None:
        await self._some(backend, [Question(path) for path in paths if path not in answers], answers)

    async def _each(self, backend: Backend, engine: Engine, known: _Known, answers: dict[str, Reply]) -> None:
        """What is asked of each model: once, as long as it is taken for this engine."""
        if engine.detail is None:
            return
        questions = [engine.detail(one.name) for one in engine.models(answers)[:_MOST] if not one.elsewhere]
        keys = {one.key for one in questions}
        known.answers = {key: reply for key, reply in known.answers.items() if key in keys}
        await self._some(backend, [one for one in questions if one.key not in known.answers], known.answers)

    async def _some(self, backend: Backend, questions: list[Question], answers: dict[str, Reply]) -> None:
        places = asyncio.Semaphore(_AT_ONCE)

        async def one(question: Question) -> None:
            body = None if question.body is None else msgspec.json.encode(question.body)
            async with places:
                try:
                    found = await fetch(
                        self._pool,
                        backend,
                        question.path.encode(),
                        WAIT_SECONDS,
                        body=body,
                        agent=ROUND_AGENT,
                    )
                except PointsmanError:
                    return
            answers[question.key] = reply_of(found)

        await asyncio.gather(*map(one, questions))


def _unsure(engine: Engine, answers: dict[str, Reply]) -> bool:
    """Is it taken for any other, and has it not answered all that would tell who it is?"""
    return engine is ENGINES[-1] and any(path not in answers for path in SIGNS)
