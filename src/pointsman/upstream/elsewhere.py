"""Does a local server pass a model's requests on to another machine? Asked behind a wall (`local_only`) before anything
of a request is sent: Ollama forwards some models to its own cloud, LM Studio serves models of linked devices, and a
gateway like this one (dialects/ollama/pages.py) has rules that end at providers.

docs/reliability-promises.md#local-servers-that-send-on says what each can be asked, and what cannot be known. Not here: the
address of the server itself (egress.py).
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

import msgspec

from ..errors import PointsmanError
from ..kinds import FallbackReason
from ..routing.specs import PRACTICE_KEY
from .backend import Backend
from .fetch import fetch
from .pool import Pool

SECONDS = 2.0
"""For one question. A server on this machine that takes longer has not answered."""
FRESH_SECONDS = 5.0
"""How long an answer is believed: a model may be replaced by one that runs elsewhere at any time."""
_REMEMBERED = 1000
OLLAMA_PORT = 11434
_TAKE = "take a model that runs here, or a rule without local_only"

Problem = tuple[FallbackReason, str]


class _Unanswered(Exception):
    """The server did not say."""


class Elsewhere:
    """What each server last said of each model."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._known: dict[tuple[str, str, str], tuple[float, str | None]] = {}
        self._running: dict[tuple[str, str, str], asyncio.Task[str | None]] = {}
        self._ollama: set[tuple[str, str]] = set()

    async def of(self, backend: Backend, model: str) -> Problem | None:
        """Why this model may not be asked behind a wall, with the fix; None when nothing is known against it."""
        if backend.spec.key == PRACTICE_KEY:
            return None
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
        except (PointsmanError, _Unanswered):
            if not self._is_ollama(backend) and not is_cloud_name(model):
                return None
            return (
                f"the rule is local_only, and the server did not say whether '{model:.200}' runs here;"
                " see whether it answers /api/tags and /api/show"
            )
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        self._known[key] = (time.monotonic() + FRESH_SECONDS, text)
        return text

    def _is_ollama(self, backend: Backend) -> bool:
        at_its_port = backend.url is not None and backend.url.port == OLLAMA_PORT
        return at_its_port or (backend.spec.key, backend.spec.base_url) in self._ollama

    async def _judged(self, backend: Backend, model: str) -> str | None:
        tags = await self._object(backend, b"/api/tags")
        if tags is None or not isinstance(tags.get("models"), list):
            if self._is_ollama(backend):
                raise _Unanswered
            return await self._linked(backend, model)
        self._ollama.add((backend.spec.key, backend.spec.base_url))
        if is_cloud_name(model):
            return _of_cloud(model, "its cloud")
        for entry in tags["models"]:
            if isinstance(entry, dict) and _same(entry.get("name") or entry.get("model"), model):
                if _remote(entry):
                    return _of_cloud(model, _remote(entry))
        shown = await self._object(backend, b"/api/show", {"model": model})
        return _of_cloud(model, _remote(shown)) if shown is not None and _remote(shown) else None

    async def _linked(self, backend: Backend, model: str) -> str | None:
        """LM Studio's own list, where it names the device that a model is on."""
        listed = await self._object(backend, b"/api/v0/models")
        for entry in (listed or {}).get("data") or ():
            if not isinstance(entry, dict) or not _same(entry.get("id"), model):
                continue
            device = entry.get("deviceIdentifier") or entry.get("device_identifier")
            if device:
                return (
                    f"the rule is local_only, and LM Studio would run '{model:.200}' on the linked device"
                    f" {device!s:.80}; {_TAKE}, or end the link: lms link disable"
                )
        return None

    async def _object(self, backend: Backend, path: bytes, body: Any = None) -> dict[str, Any] | None:
        """The answer's JSON object; None where the server says that there is no such thing. Raises _Unanswered."""
        sent = None if body is None else msgspec.json.encode(body)
        answer = await fetch(self._pool, backend, path, SECONDS, body=sent, local_only=True)
        if answer.status in (400, 404, 405, 501):
            return None
        try:
            found = msgspec.json.decode(answer.body)
        except (msgspec.DecodeError, UnicodeDecodeError):
            found = None
        if answer.status != 200 or not isinstance(found, dict):
            raise _Unanswered
        return found


def is_cloud_name(model: str) -> bool:
    """Does Ollama run what is called so in its cloud: `gpt-oss:120b-cloud`, `glm-4.6:cloud`, `name-cloud`
    (internal/modelref in its source)?"""
    name = model.strip().lower()
    return name.endswith((":cloud", "-cloud", "-cloud:latest"))


def _remote(entry: dict[str, Any]) -> str:
    """Where Ollama sends it on to; "" where it does not."""
    return str(entry.get("remote_host") or entry.get("remote_model") or "")


def _same(listed: object, model: str) -> bool:
    """Letter case and `:latest` make no other model."""
    return isinstance(listed, str) and _plain(listed) == _plain(model)


def _plain(name: str) -> str:
    return name.strip().lower().removesuffix(":latest")


def _of_cloud(model: str, where: str) -> str:
    return (
        f"the rule is local_only, and the server would send '{model:.200}' on to {where:.200}; {_TAKE}"
        " (of Ollama's, ollama list shows which have a size)"
    )
