"""`python -m pointsman.hosts.mlx --model FOLDER --port N`: one MLX model behind OpenAI's API, as a child process.

It listens before it loads, so that `/health` is honest from the first moment: 503 `loading`, 200 `ok`, 500 `dead`. Built
on mlx-lm (mlx_engine.py says what of its server is used and what not). Not here: several models, other machines.
"""

from __future__ import annotations

import argparse
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from ..errors import PointsmanError
from ..modelstore.files import ModelFiles, mlx_folder
from . import asked, life
from .refusal import Refused
from .wire import HostExchange, HostServer, Paths

if TYPE_CHECKING:
    from .mlx_engine import MlxEngine

_LAST_WORDS_SECONDS = 0.5
_LOADING = 503
_ELSEWHERE = {
    "/v1/embeddings": "mlx-lm makes no embeddings; serve an embedding model with llama.cpp (--gguf FILE)",
    "/v1/responses": "ask it on /v1/chat/completions; Pointsman translates",
    "/v1/messages": "ask it on /v1/chat/completions; Pointsman translates",
    **dict.fromkeys(
        ("/v1/audio/speech", "/v1/audio/transcriptions", "/v1/images/generations"),
        "mlx-lm reads and makes text only",
    ),
}
"""Paths of the API that this host does not have, and what to do instead."""


class MlxHost:
    """State of the process: the model, and whether it can be asked."""

    def __init__(self, options: argparse.Namespace, files: ModelFiles) -> None:
        self.options = options
        self.name: str = options.name or files.path.name
        self.folder = files.path
        self.token_bytes = files.shape.token_bytes
        self.window: int = options.context or files.shape.window or 4096
        self.engine: MlxEngine | None = None
        self.dead: str | None = None
        self._began = int(time.time())

    def load(self) -> None:
        """Imports MLX and starts its generation thread, which loads the model. Runs beside the server."""
        try:
            from .mlx_engine import MlxEngine
        except ImportError as error:
            self.died(error)
        MlxEngine(self)

    def loaded(self, engine: MlxEngine) -> None:
        self.engine = engine
        life.note(f"{self.name} is loaded, window {self.window} tokens")

    def died(self, error: BaseException) -> NoReturn:
        """What makes the answers is gone: whoever waits is told, then the process ends."""
        what = "generation thread died" if self.engine is not None else f"cannot load {self.folder}"
        self.dead = f"{what}: {type(error).__name__}: {error}"
        time.sleep(_LAST_WORDS_SECONDS)
        life.fatal(life.DIED if self.engine is not None else life.NO_MODEL, self.dead)

    # -- what is asked

    def paths(self) -> Paths:
        nowhere: Paths = {("POST", path): _refusing(why) for path, why in _ELSEWHERE.items()}
        return {
            **nowhere,
            ("GET", "/health"): self._health,
            ("GET", "/v1/models"): self._models,
            ("POST", "/v1/chat/completions"): self._chat,
            ("POST", "/v1/completions"): self._completions,
            ("POST", "/tokenize"): self._tokenize,
        }

    def ready(self) -> MlxEngine:
        """Raises Refused while it loads, and when it is dead."""
        if self.dead is not None:
            raise Refused(self.dead, status=500, code="engine_dead")
        if self.engine is None:
            raise Refused(
                "the model is loading; ask again in a moment", status=_LOADING, code="model_loading"
            )
        return self.engine

    def _health(self, exchange: HostExchange) -> None:
        if self.dead is not None:
            exchange.answer(500, {"status": "dead", "reason": self.dead})
        elif self.engine is None:
            exchange.answer(_LOADING, {"status": "loading"})
        else:
            exchange.answer(200, {"status": "ok"})

    def _models(self, exchange: HostExchange) -> None:
        card: dict[str, Any] = {
            "id": self.name,
            "object": "model",
            "created": self._began,
            "owned_by": "pointsman-mlx",
            "context_length": self.window,
            "max_model_len": self.window,
        }
        if self.engine is not None:
            can = self.engine.abilities
            eyes = ["image"] if can.pictures else []
            card["architecture"] = {"input_modalities": ["text", *eyes], "output_modalities": ["text"]}
            card["capabilities"] = ["completion", *(["tools"] if can.tools else [])]
        exchange.answer(200, {"object": "list", "data": [card]})

    def _chat(self, exchange: HostExchange) -> None:
        engine = self.ready()
        engine.answer(asked.chat(exchange.object(), engine.abilities), exchange)

    def _completions(self, exchange: HostExchange) -> None:
        engine = self.ready()
        engine.answer(asked.completion(exchange.object(), engine.abilities), exchange)

    def _tokenize(self, exchange: HostExchange) -> None:
        """vLLM's shape: chat messages with their tools, or a text."""
        engine, body = self.ready(), exchange.object()
        if "messages" not in body:
            body = {"prompt": body.get("content", body.get("prompt"))}
            tokens = engine.tokens(asked.completion(body, engine.abilities))
        else:
            tokens = engine.tokens(asked.chat(body, engine.abilities))
        exchange.answer(200, {"count": len(tokens), "max_model_len": self.window, "tokens": tokens})


def _refusing(why: str) -> Any:
    def refuse(_: HostExchange) -> NoReturn:
        raise Refused(why, status=404, code="unknown_url")

    return refuse


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m pointsman.hosts.mlx", description=__doc__)
    parser.add_argument("--model", required=True, type=Path, help="folder with config.json and safetensors")
    parser.add_argument("--name", help="how requests name it (default: the folder's name)")
    parser.add_argument("--context", type=int, help="window in tokens (default: the model's own)")
    parser.add_argument("--parallel", type=int, default=8, help="answers made at once; others wait")
    parser.add_argument(
        "--prefill-step", type=int, default=512, help="tokens read at once, between looks at the client"
    )
    parser.add_argument("--cache-bytes", type=int, help="for inputs read before (default: one full window)")
    parser.add_argument(
        "--max-tokens", type=int, help="of an answer where the request says nothing (default: all that fit)"
    )
    life.add_listener(parser)
    options = parser.parse_args()
    life.hold_life_line(options)
    listener = life.listen(options)
    try:
        files = mlx_folder(options.model)
    except PointsmanError as error:
        life.fatal(life.NO_MODEL, error.public)
    host = MlxHost(options, files)
    if files.shape.window is not None and host.window > files.shape.window:
        life.fatal(life.NO_MODEL, f"the model was made for {files.shape.window} tokens")
    life.say_listening(life.url_of(listener))
    threading.Thread(target=host.load, name="loader", daemon=True).start()
    HostServer(listener, "pointsman-mlx", host.paths()).serve_forever()


if __name__ == "__main__":
    main()
