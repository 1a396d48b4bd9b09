"""Scripted engines, one module an engine, named as its row: what it answers, from recordings or its documents, with a small
state that a test changes while it serves. `double("ollama")` makes one, `serving(...)` gives it a socket."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from pointsman.engines.engine import EngineState
from pointsman.practice import STALL, Reply, ScriptedUpstream
from pointsman.practice.answers import reply_to
from pointsman.practice.exchange import Received, encoded

TOO_LONG = 400


@dataclass
class Model:
    """window: tokens, of one that is loaded. made_for: the most it could have. elsewhere: the host it is sent on to."""

    name: str
    window: int = 4096
    made_for: int = 32768
    loaded: bool = True
    images: bool = False
    tools: bool = True
    embedding: bool = False
    elsewhere: str = ""


@dataclass
class Double:
    """models: what it has. state: LOADING and DEAD answer as this engine does then; hangs: nothing is answered any more."""

    models: list[Model] = field(default_factory=lambda: [Model("tiny")])
    state: EngineState = EngineState.READY
    hangs: bool = False

    name: ClassVar[str] = ""
    tells: ClassVar[frozenset[str]] = frozenset()
    """What it says of its models: `window`, `made_for`, `images`, `tools`, `loaded`, `generates`. Tests ask for all of it, and
    for nothing else."""
    empty: ClassVar[str] = "itself"
    """What it is taken for without a model: "itself", "compatible", or "never": it is started with one."""
    server: ClassVar[str] = ""
    chats: ClassVar[tuple[str, ...]] = ("/v1/chat/completions", "/v1/completions", "/v1/embeddings")
    """Paths of conversations that it knows."""

    def __call__(self, received: Received) -> Reply:
        reply = Reply(before=[STALL]) if self.hangs else self.answer(received)
        if self.server:
            reply = replace(reply, headers={"server": self.server, **dict(reply.headers)})
        return reply

    def answer(self, received: Received) -> Reply:
        """What this engine says while it is ready; others say otherwise while they are not."""
        if received.method == "GET":
            body = self.get(received.path)
        elif received.path in self.chats:
            return self.chat(received)
        else:
            body = self.post(received.path, received.json() if received.body else {})
        return self.unknown(received) if body is None else ok(body)

    def get(self, path: str) -> Any:
        """The JSON that is answered; None for an unknown path."""
        raise NotImplementedError

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """The same of other paths than conversations."""
        return None

    def unknown(self, received: Received) -> Reply:
        return Reply(404, {"content-type": "application/json"}, {"detail": "Not Found"})

    def chat(self, received: Received) -> Reply:
        """The practice model's answer, in every protocol; what does not fit is treated as this engine does it."""
        body = received.json()
        model = self.find(body.get("model"))
        used = sum(len(text.split()) for text in texts(body))
        if model is None:
            return self.no_model(body.get("model"))
        if used > model.window:
            return self.too_long(received, used, model)
        model.loaded = True
        return practice(received)

    def find(self, name: Any) -> Model | None:
        return next((one for one in self.models if one.name == name), None)

    def no_model(self, name: Any) -> Reply:
        return Reply(404, {}, {"error": {"message": f"The model `{name}` does not exist.", "code": 404}})

    def too_long(self, received: Received, used: int, model: Model) -> Reply:
        text = f"This model's maximum context length is {model.window} tokens. However, your request has {used} input tokens."
        return Reply(TOO_LONG, {}, {"error": {"message": text, "type": "BadRequestError", "code": TOO_LONG}})

    def entry(self, model: Model) -> dict[str, Any]:
        """Of `/v1/models`."""
        return {"id": model.name, "object": "model", "created": 1795697256, "owned_by": "somebody"}

    def listing(self) -> dict[str, Any]:
        return {"object": "list", "data": [self.entry(one) for one in self.models]}


def ok(body: Any) -> Reply:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Reply(200, {"content-type": "application/json"}, raw)


def practice(received: Received, tokens: int | None = None) -> Reply:
    """tokens: of the input, told of a whole answer instead of the right number."""
    asked = replace(received, body=b"%b" % _named(received))
    reply = reply_to(asked)
    body = json.loads(encoded(reply)) if tokens is not None and reply.parts is None else {}
    if "usage" in body:
        body["usage"]["prompt_tokens"] = tokens
        reply = replace(reply, body=body)
    return reply


def _named(received: Received) -> bytes:
    """A name such as `x:429` would play a fault."""
    return json.dumps({**received.json(), "model": "practice"}).encode()


def texts(value: Any) -> Iterator[str]:
    """All that stands in the conversation."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key in ("messages", "input", "system", "instructions", "prompt", "content", "text"):
            yield from texts(value.get(key))
    elif isinstance(value, list):
        for one in value:
            yield from texts(one)


def double(name: str, *models: Model, **more: Any) -> Double:
    """The scripted engine of that row. models: instead of the one that it has by itself."""
    kind: Callable[..., Double] = importlib.import_module(f"{__name__}.{name}").Scripted
    return kind(**({"models": list(models)} if models else {}), **more)


@contextmanager
def serving(engine: Double) -> Iterator[ScriptedUpstream]:
    with ScriptedUpstream() as upstream:
        yield upstream.always(engine)
