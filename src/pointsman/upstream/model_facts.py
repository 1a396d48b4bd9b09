"""What local servers say of their models: how much fits in, and whether they see pictures
(docs/protocols/models.md#what-local-servers-say-of-their-models). Asked when a client's catalogue wants it, cached,
bounded. Nobody's guess: what is not said is unknown. Not here: which models there are (model_lists.py).
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from ..errors import PointsmanError
from .backend import Backend
from .fetch import fetch
from .model_lists import WAIT_SECONDS
from .pool import Pool

FRESH_SECONDS = 60.0
_MOST = 32
"""Models of one server that are asked for by name."""


@dataclass(frozen=True, slots=True)
class Abilities:
    """window: tokens. images: does it see pictures? abilities: all that it can, in Ollama's words. None: nobody has
    said."""

    window: int | None = None
    images: bool | None = None
    abilities: frozenset[str] | None = None

    def over(self, other: Abilities) -> Abilities:
        """Its own first, what it lacks from the other."""
        images = other.images if self.images is None else self.images
        abilities = other.abilities if self.abilities is None else self.abilities
        return Abilities(self.window or other.window, images, abilities)


Known = dict[str, Abilities]
_NOTHING = Abilities()


class ModelFacts:
    """Cached by backend, as long as FRESH_SECONDS."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._known: dict[str, tuple[Backend, float, Known]] = {}
        self._running: dict[Backend, asyncio.Task[None]] = {}

    async def refresh(self, backends: Iterable[Backend]) -> None:
        """Ask those that nothing fresh is known of; returns when all have answered, at most WAIT_SECONDS later."""
        now = time.monotonic()
        for backend in backends:
            found = self._known.get(backend.spec.key)
            if found is not None and found[0] is backend and now - found[1] < FRESH_SECONDS:
                continue
            if backend.local and backend not in self._running:
                task = asyncio.get_running_loop().create_task(self._ask(backend))
                self._running[backend] = task
                task.add_done_callback(lambda _, one=backend: self._running.pop(one, None))  # type: ignore[misc]
        if self._running:
            await asyncio.wait(list(self._running.values()), timeout=WAIT_SECONDS)

    def of(self, backend: Backend, model: str) -> Abilities:
        """What that server has said of that model."""
        found = self._known.get(backend.spec.key)
        return _NOTHING if found is None or found[0] is not backend else found[2].get(model, _NOTHING)

    def close(self) -> None:
        """Stop asking."""
        for task in self._running.values():
            task.cancel()

    async def _ask(self, backend: Backend) -> None:
        listed = _listed(await self._json(backend, b"/v1/models"))
        if not all(one.window and one.images is not None for one in listed.values()):
            props, lmstudio = await asyncio.gather(
                self._json(backend, b"/props"), self._json(backend, b"/api/v0/models")
            )
            more = _lmstudio(lmstudio)
            alone = _props(props) if len(listed) == 1 else _NOTHING
            if not more and alone == _NOTHING:
                more = await self._ollama(backend, listed)
            listed = {
                name: more.get(name, _NOTHING).over(alone).over(facts) for name, facts in listed.items()
            }
        self._known[backend.spec.key] = (backend, time.monotonic(), listed)

    async def _ollama(self, backend: Backend, names: Iterable[str]) -> Known:
        loaded = _loaded(await self._json(backend, b"/api/ps"))
        found: dict[str, Abilities] = {}
        for name in list(names)[:_MOST]:
            said = await self._json(backend, b"/api/show", msgspec.json.encode({"model": name}))
            if not said:
                break  # it is no Ollama
            found[name] = loaded.get(name, _NOTHING).over(_shown(said))
        return found

    async def _json(self, backend: Backend, path: bytes, body: bytes | None = None) -> dict[str, Any]:
        try:
            answer = await fetch(self._pool, backend, path, WAIT_SECONDS, body=body)
            value = msgspec.json.decode(answer.body) if answer.status == 200 else None
        except (PointsmanError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return {}
        return value if isinstance(value, dict) else {}


_WINDOWS = ("max_model_len", "context_length", "context_window", "max_context_length", "max_input_tokens")
"""vLLM and SGLang; OpenRouter's form; others."""


def _listed(body: dict[str, Any]) -> dict[str, Abilities]:
    """`/v1/models`: with llama.cpp's `meta.n_ctx` and `architecture`, and its second list, `models`."""
    found: dict[str, Abilities] = {}
    for entry in (*_objects(body.get("data")), *_objects(body.get("models"))):
        name = entry.get("id") or entry.get("name")
        if isinstance(name, str):
            window = next(filter(None, map(_count, map(entry.get, _WINDOWS))), None)
            window = _count(_object(entry.get("meta")).get("n_ctx")) or window
            facts = Abilities(window, _sees(entry))
            found[name] = found.get(name, _NOTHING).over(facts)
    return found


def _sees(entry: dict[str, Any]) -> bool | None:
    kinds = _object(entry.get("architecture")).get("input_modalities", entry.get("input_modalities"))
    able = entry.get("capabilities")
    said = kinds if isinstance(kinds, list) else able
    if not isinstance(said, list) or not said:
        return None
    return any(word in ("image", "vision", "multimodal") for word in said)


def _props(body: dict[str, Any]) -> Abilities:
    """llama.cpp's `/props`: the window of one slot."""
    vision = _object(body.get("modalities")).get("vision")
    window = _count(_object(body.get("default_generation_settings")).get("n_ctx"))
    return Abilities(window, vision if isinstance(vision, bool) else None)


def _lmstudio(body: dict[str, Any]) -> dict[str, Abilities]:
    """LM Studio's `/api/v0/models`; what is loaded has the window that it was loaded with."""
    found: dict[str, Abilities] = {}
    for entry in _objects(body.get("data")):
        name, kind = entry.get("id"), entry.get("type")
        window = _count(entry.get("loaded_context_length")) or _count(entry.get("max_context_length"))
        if isinstance(name, str) and (window or kind):
            found[name] = Abilities(window, kind == "vlm" if isinstance(kind, str) else None)
    return found


def _loaded(body: dict[str, Any]) -> dict[str, Abilities]:
    """Ollama's `/api/ps`: what the loaded ones really have."""
    return {
        str(entry.get("name")): Abilities(_count(entry.get("context_length")))
        for entry in _objects(body.get("models"))
    }


_NUM_CTX = re.compile(r"^num_ctx\s+(\d{1,9})\s*$", re.MULTILINE)


def _shown(body: dict[str, Any]) -> Abilities:
    """Ollama's `/api/show`: `num_ctx` where the model's file sets it, else what the model was made for."""
    able, info = body.get("capabilities"), _object(body.get("model_info"))
    made_for = (value for name, value in info.items() if name.endswith(".context_length"))
    set_to = _NUM_CTX.search(str(body.get("parameters") or ""))
    window = int(set_to[1]) if set_to is not None else next(filter(None, map(_count, made_for)), None)
    if not isinstance(able, list):
        return Abilities(window or None)
    return Abilities(window or None, "vision" in able, frozenset(one for one in able if isinstance(one, str)))


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    return (one for one in value if isinstance(one, dict)) if isinstance(value, list) else iter(())


def _count(value: Any) -> int | None:
    return value if type(value) is int and 0 < value < 1_000_000_000 else None
