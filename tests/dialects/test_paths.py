"""dialects.paths: which request goes where, by path alone."""

from __future__ import annotations

import pytest

from pointsman.dialects.paths import names_a_model, route
from pointsman.kinds import Protocol

CHAT, RESPONSES, MESSAGES = Protocol.OPENAI_CHAT, Protocol.OPENAI_RESPONSES, Protocol.ANTHROPIC_MESSAGES
COMPLETIONS, EMBEDDINGS = Protocol.COMPLETIONS, Protocol.EMBEDDINGS


@pytest.mark.parametrize(
    ("path", "kind", "upstream", "protocol", "exact"),
    [
        ("/v1/chat/completions", "llm", "/v1/chat/completions", CHAT, True),
        ("/v1/responses", "llm", "/v1/responses", RESPONSES, True),
        ("/v1/completions", "llm", "/v1/completions", COMPLETIONS, True),
        ("/v1/embeddings", "llm", "/v1/embeddings", EMBEDDINGS, True),
        ("/v1/messages", "llm", "/v1/messages", MESSAGES, True),
        ("/chat/completions", "llm", "/v1/chat/completions", CHAT, True),
        ("/responses", "llm", "/v1/responses", RESPONSES, True),
        ("/completions", "llm", "/v1/completions", COMPLETIONS, True),
        ("/embeddings", "llm", "/v1/embeddings", EMBEDDINGS, True),
        ("/messages", "llm", "/v1/messages", MESSAGES, True),
        ("/v1/v1/chat/completions", "llm", "/v1/chat/completions", CHAT, True),
        ("/v1/v1/messages", "llm", "/v1/messages", MESSAGES, True),
        ("/v1/v1/v1/responses", "llm", "/v1/responses", RESPONSES, True),
        ("/v1/messages/count_tokens", "llm", "/v1/messages/count_tokens", MESSAGES, True),
        ("/messages/count_tokens", "llm", "/v1/messages/count_tokens", MESSAGES, True),
        ("/v1/responses/input_tokens", "llm", "/v1/responses/input_tokens", RESPONSES, True),
        ("/v1/audio/speech", "llm", "/v1/audio/speech", CHAT, False),
        ("/v1/moderations", "llm", "/v1/moderations", CHAT, False),
        ("/v1", "llm", "/v1", CHAT, False),
        ("/v1/", "llm", "/v1", CHAT, False),
        ("/v1/chat/completions/", "llm", "/v1/chat/completions", CHAT, True),
        ("/v1/messages//", "llm", "/v1/messages", MESSAGES, True),
        ("/messages/", "llm", "/v1/messages", MESSAGES, True),
        ("/v1/responses/resp_1/", "llm", "/v1/responses/resp_1", RESPONSES, True),
        ("/models/", "models", "/v1/models", CHAT, True),
        ("/v1/models", "models", "/v1/models", CHAT, True),
        ("/v1/models/", "models", "/v1/models", CHAT, True),
        ("/models", "models", "/v1/models", CHAT, True),
        ("/v1/v1/models", "models", "/v1/models", CHAT, True),
        ("/v1/models/a", "model", "/v1/models/a", CHAT, True),
        ("/v1/models/org/name", "model", "/v1/models/org/name", CHAT, True),
        ("/models/a", "model", "/v1/models/a", CHAT, True),
        ("/livez", "live", "/livez", CHAT, True),
        ("/readyz", "ready", "/readyz", CHAT, True),
        ("/metrics", "metrics", "/metrics", CHAT, True),
        ("/", "root", "/", CHAT, True),
        ("/api/hello", "hello", "/api/hello", CHAT, True),
        ("/api/mappings", "control", "/api/mappings", CHAT, True),
        ("/ui", "control", "/ui", CHAT, True),
        ("/v2/x", "control", "/v2/x", CHAT, True),
        ("/v1x", "control", "/v1x", CHAT, True),
        ("/chat", "control", "/chat", CHAT, True),
        ("/modelsx", "control", "/modelsx", CHAT, True),
        ("/api/v1/messages", "control", "/api/v1/messages", CHAT, True),
    ],
)
def test_routes(path: str, kind: str, upstream: str, protocol: Protocol, exact: bool) -> None:
    found = route(path)
    assert (found.kind, found.path, found.protocol, found.exact) == (kind, upstream, protocol, exact)
    assert found.dialect.protocol is protocol


def test_paths_are_case_sensitive() -> None:
    assert route("/V1/messages").kind == "control"


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("/v1/chat/completions", True),
        ("/v1/messages", True),
        ("/v1/responses", True),
        ("/v1/responses/resp_1", False),
        ("/v1", False),
    ],
)
def test_paths_whose_body_names_a_model(path: str, names: bool) -> None:
    assert names_a_model(path) is names
