"""Who stands for the engines and providers that pages name: at the engine's own port, or under the provider's own name by
TLS, where /etc/hosts of the namespace leads all of them to this machine.

A provider answers under its own paths alone, and only a request that carries the key as its documents say (those pages of
docs/how-to/providers name them): so a wrong path, header or prefix on a page, or in a row of ours, is a 401 or a 404 here.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pointsman.practice import Reply, ScriptedUpstream
from pointsman.practice.answers import reply_to
from pointsman.practice.exchange import Received
from tests.engines.doubles import Model, double
from tests.upstream.certificates import server_context

KEY = "sk-typed-at-the-prompt"
"""What a person types where a key is asked for."""
BEARER = ("authorization", f"Bearer {KEY}")
_CHAT = "/chat/completions"


@dataclass(frozen=True)
class Provider:
    """prefix: before its paths. models: what it lists, none where it has no list there. paths: of conversations, behind the
    prefix. headers: that every request must carry. known: models that it has beside those of its list."""

    prefix: str
    models: tuple[str, ...] = ()
    paths: tuple[str, ...] = (_CHAT,)
    headers: tuple[tuple[str, str], ...] = (BEARER,)
    known: tuple[str, ...] = ()

    def __call__(self, received: Received) -> Reply:
        path = received.path.removeprefix(self.prefix)
        if any(received.headers.get(name) != value for name, value in self.headers):
            return _refusal(401, "Incorrect API key provided.")
        if received.path.startswith(self.prefix) and path in self.paths:
            return self._answer(received)
        if path == "/models" and self.models:
            return Reply(
                200, {}, {"object": "list", "data": [{"id": one, "object": "model"} for one in self.models]}
            )
        return _refusal(404, "Unknown request URL")

    def _answer(self, received: Received) -> Reply:
        """The practice model's, for a model that it has."""
        body = received.json()
        if body.get("model") not in (*self.models, *self.known):
            return _refusal(404, f"The model `{body.get('model')}` does not exist.")
        raw = received.body.replace(f'"{body["model"]}"'.encode(), b'"practice"', 1)
        known = "/v1" + received.path.removeprefix(self.prefix)
        return reply_to(replace(received, target=known, body=raw))


def _refusal(status: int, text: str) -> Reply:
    return Reply(status, {"content-type": "application/json"}, {"error": {"message": text, "code": status}})


_MESSAGES: dict[str, Any] = {
    "paths": ("/messages",),
    "headers": (("x-api-key", KEY), ("anthropic-version", "2023-06-01")),
}
_BOTH = (_CHAT, "/responses")

_API_KEY = (("api-key", KEY),)

PROVIDERS: dict[str, tuple[Provider, ...]] = {
    "api.openai.com": (Provider("/v1", ("gpt-5.4", "gpt-4o-mini", "gpt-4o"), _BOTH),),
    "api.anthropic.com": (Provider("/v1", ("claude-opus-4-8",), **_MESSAGES),),
    "my-resource.openai.azure.com": (Provider("/openai/v1", ("my-gpt",), _BOTH, _API_KEY),),
    "generativelanguage.googleapis.com": (Provider("/v1beta/openai", ("gemini-3.5-flash",)),),
    "openrouter.ai": (Provider("/api/v1", ("anthropic/claude-sonnet-5",), _BOTH),),
    "api.groq.com": (Provider("/openai/v1", ("openai/gpt-oss-120b",), _BOTH),),
    "api.mistral.ai": (Provider("/v1", ("mistral-large-latest",)),),
    "api.deepseek.com": (
        Provider("/anthropic/v1", ("deepseek-v4-flash",), **_MESSAGES),
        Provider("/v1", ("deepseek-v4-flash",)),
    ),
    "api.moonshot.ai": (
        Provider("/anthropic/v1", ("kimi-k2.6",), **_MESSAGES),
        Provider("/v1", ("kimi-k2.6",)),
    ),
    "api.z.ai": (
        Provider("/api/anthropic/v1", ("glm-5.3",), **_MESSAGES),
        Provider("/api/paas/v4", ("glm-5.3",)),
    ),
    "bedrock-runtime.us-west-2.amazonaws.com": (Provider("/openai/v1", known=("openai.gpt-oss-120b-1:0",)),),
    "dashscope-intl.aliyuncs.com": (
        Provider("/apps/anthropic/v1", ("qwen3.8-max",), **_MESSAGES),
        Provider("/compatible-mode/v1", ("qwen3.8-max",)),
    ),
    "models.github.ai": (Provider("/inference", known=("openai/gpt-4.1",)),),
    "api.cloudflare.com": (
        Provider("/client/v4/accounts/0123456789abcdef/ai/v1", known=("@cf/openai/gpt-oss-120b",)),
    ),
    "router.huggingface.co": (Provider("/v1", ("openai/gpt-oss-120b:groq",), _BOTH),),
}
"""By host; several where it has several doors, told apart by their prefixes, the longest first."""

TAKERS = ("alerts.example",)
"""Hosts that take whatever is told."""
_ENGINES = "docs/how-to/engines/"
ENGINES: dict[str, tuple[str, int, str]] = {
    "README.md": ("llama_cpp", 8080, "qwen3"),
    "docs/quick-start.md": ("llama_cpp", 8080, "qwen3-4b.gguf"),
    "docs/discovery.md": ("ollama", 11434, "qwen3"),
    "docs/faults.md": ("ollama", 11434, "qwen3"),
    f"{_ENGINES}ollama.md": ("ollama", 11434, "qwen3:8b"),
    f"{_ENGINES}lm-studio.md": ("lm_studio", 1234, "qwen/qwen3-8b"),
    f"{_ENGINES}llama-cpp.md": ("llama_cpp", 8080, "qwen3-4b.gguf"),
    f"{_ENGINES}mlx.md": ("mlx_lm", 8080, "mlx-community/Qwen3-4B-4bit"),
    f"{_ENGINES}vllm.md": ("vllm", 8000, "Qwen/Qwen3-8B"),
}
"""By page: the engine that runs there, its port, and the model that it has."""


def _by_host(received: Received) -> Reply:
    if received.headers.get("host", "") in TAKERS:
        return Reply(204)
    doors = PROVIDERS.get(received.headers.get("host", ""), ())
    behind = next((one for one in doors if received.path.startswith(one.prefix)), None)
    return _refusal(404, "no such host or path") if behind is None else behind(received)


@contextmanager
def providers(folder: Path) -> Iterator[ScriptedUpstream]:
    """All of them, on port 443."""
    contexts = {host: server_context(folder, name=host) for host in (*PROVIDERS, *TAKERS)}

    def named(way: ssl.SSLObject, host: str | None, _: ssl.SSLContext) -> int | None:
        if host not in contexts:
            return ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME
        way.context = contexts[host]
        return None

    first = next(iter(contexts.values()))
    first.sni_callback = named  # type: ignore[assignment]
    with ScriptedUpstream(port=443, ssl_context=first) as upstream:
        yield upstream.always(_by_host)


@contextmanager
def engine(page: str) -> Iterator[None]:
    """The one of that page, where it has one."""
    if page not in ENGINES:
        yield
        return
    name, port, model = ENGINES[page]
    with ScriptedUpstream(port=port) as upstream:
        upstream.always(double(name, Model(model)))
        yield


def hosts() -> str:
    """What /etc/hosts says there."""
    return "".join(f"127.0.0.1 {name}\n" for name in ("localhost", *PROVIDERS, *TAKERS))
