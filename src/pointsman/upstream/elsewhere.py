"""Does a local server pass a model's requests on to another machine? Asked behind a wall (`local_only`) before anything
of a request is sent: engines whose rows say how they tell it (engines/), and a gateway like this one, which answers one
of their pages (dialects/ollama/pages.py) because its rules may end at providers.

docs/reliability-promises.md#local-servers-that-send-on says what each can be asked, and what cannot be known. Not here: the
address of the server itself (egress.py).
"""

from __future__ import annotations

import asyncio
import time

import msgspec

from ..engines.engine import Engine, EngineModel, Forwards, Question, Reply
from ..engines.reading import same_name
from ..engines.registry import FORWARDING
from ..errors import PointsmanError
from ..kinds import FallbackReason
from .backend import Backend
from .egress import EgressRefused
from .fetch import fetch, reply_of
from .pool import Pool

SECONDS = 2.0
"""For one question. A server on this machine that takes longer has not answered."""
FRESH_SECONDS = 5.0
"""How long an answer is believed: a model may be replaced by one that runs elsewhere at any time."""
_REMEMBERED = 1000
_WHY = "the rule is local_only, and "
_TAKE = "take a model that runs here, or a rule without local_only"

NODES = _WHY + "it belongs to the node {node}, which is another machine; " + _TAKE
PROVIDER = f"{_WHY}it is a provider's backend, and no local server; {_TAKE}"

Problem = tuple[FallbackReason, str]


class _Unanswered(Exception):
    """The server did not say."""


class Elsewhere:
    """What each server last said of each model."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._known: dict[tuple[str, str, str], tuple[float, str | None]] = {}
        self._running: dict[tuple[str, str, str], asyncio.Task[str | None]] = {}
        self._recognized: set[tuple[str, str, str]] = set()

    async def of(self, backend: Backend, model: str) -> Problem | None:
        """Why this model may not be asked behind a wall, with the fix; None when nothing is known against it. A provider may
        not, wherever its row leads: a relay to it listens on this computer, too."""
        if backend.spec.built_in:
            return None
        if not backend.local:
            return FallbackReason.CONNECT, PROVIDER
        if backend.spec.node is not None:
            return FallbackReason.CONNECT, NODES.format(node=backend.spec.node)
        key = (backend.spec.key, backend.spec.base_url, model)
        until, text = self._known.get(key, (0.0, None))
        if time.monotonic() >= until:
            task = self._running.get(key)
            if task is None:
                task = self._running[key] = asyncio.get_running_loop().create_task(self._ask(backend, key))
                task.add_done_callback(lambda _: self._running.pop(key, None))
            text = await asyncio.shield(task)
        return None if text is None else (FallbackReason.CONNECT, text)

    async def _ask(self, backend: Backend, key: tuple[str, str, str]) -> str | None:
        model = key[2]
        try:
            text = await self._judged(backend, model)
        except EgressRefused as error:  # it is not on this machine: nothing else is asked of it either
            return error.public
        except (PointsmanError, _Unanswered):
            if not any(self._must_say(engine, backend, model) for engine in FORWARDING):
                return None
            return (
                f"{_WHY}the server did not say whether '{model:.200}' runs here;"
                " see whether it answers /api/tags and /api/show"
            )
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        self._known[key] = (time.monotonic() + FRESH_SECONDS, text)
        return text

    def _must_say(self, engine: Engine, backend: Backend, model: str) -> bool:
        forwards = engine.forwards
        return forwards is not None and (
            forwards.by_name(model) or (forwards.certain and self._is(engine, backend))
        )

    def _is(self, engine: Engine, backend: Backend) -> bool:
        at_its_port = backend.url is not None and backend.url.port in engine.ports
        return at_its_port or (backend.spec.key, backend.spec.base_url, engine.name) in self._recognized

    async def _judged(self, backend: Backend, model: str) -> str | None:
        for engine in FORWARDING:
            forwards = engine.forwards
            assert forwards is not None
            reply = await self._reply(backend, Question(forwards.path))
            if reply is not None and forwards.recognizes(reply.body):
                self._recognized.add((backend.spec.key, backend.spec.base_url, engine.name))
                where = await self._where(backend, model, engine, forwards, reply)
                return None if where is None else _refusal(forwards, model, where)
            if forwards.certain and self._is(engine, backend):
                raise _Unanswered
        return None

    async def _where(
        self, backend: Backend, model: str, engine: Engine, forwards: Forwards, reply: Reply
    ) -> str | None:
        if forwards.by_name(model):
            return forwards.place
        listed = _elsewhere(engine.models({forwards.path: reply}), model)
        if listed is not None or engine.detail is None:
            return listed
        detail = await self._reply(backend, engine.detail(model))
        return None if detail is None else forwards.of_detail(detail.body)

    async def _reply(self, backend: Backend, question: Question) -> Reply | None:
        """An answer with a JSON object; None where the server says that there is no such thing. Raises _Unanswered."""
        sent = None if question.body is None else msgspec.json.encode(question.body)
        answer = await fetch(self._pool, backend, question.path.encode(), SECONDS, body=sent, local_only=True)
        if answer.status in (400, 404, 405, 501):
            return None
        reply = reply_of(answer)
        if reply.status != 200 or not isinstance(reply.body, dict):
            raise _Unanswered
        return reply


def _elsewhere(models: list[EngineModel], model: str) -> str | None:
    """Of the models that may be meant by that name, where the first goes that goes anywhere."""
    return next((one.elsewhere for one in models if one.elsewhere and same_name(one.name, model)), None)


def _refusal(forwards: Forwards, model: str, where: str) -> str:
    return _WHY + forwards.text.format(model=f"{model:.200}", where=f"{where:.200}", take=_TAKE)
