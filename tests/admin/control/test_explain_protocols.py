"""`explain` says, for each protocol a client may speak, what a backend gets."""

from __future__ import annotations

from pointsman.admin.control.explain_target import protocols
from pointsman.routing.specs import BackendSpec
from pointsman.routing.table import Target
from pointsman.upstream.backend import compile_backends

OPENAI = BackendSpec("openai", "openai", "", "https://api.openai.com")
ANTHROPIC = BackendSpec("anthropic", "anthropic", "", "https://api.anthropic.com")
LOCAL = BackendSpec("local/box", "local", "box", "http://127.0.0.1:8080")


def _protocols(spec: BackendSpec | None, model: str) -> dict[str, str]:
    _, backends = compile_backends([spec] if spec else [], {})
    key = spec.key if spec else "local/none"
    return protocols(Target(key, model, spec), backends.get(key), login=False)


def test_a_cloud_is_translated_to_where_it_must_be() -> None:
    assert _protocols(OPENAI, "gpt-4.1")["anthropic_messages"] == "translated to openai_chat"
    assert _protocols(OPENAI, "gpt-4.1")["openai_responses"] == "as it is"
    assert _protocols(ANTHROPIC, "claude-opus-5-5") == {
        "openai_chat": "translated to anthropic_messages",
        "openai_responses": "translated to anthropic_messages",
        "anthropic_messages": "as it is",
        "completions": "not possible",
        "embeddings": "not possible",
        "ollama": "translated to anthropic_messages",  # of clients only
    }


def test_tools_may_change_the_choice() -> None:
    told = _protocols(OPENAI, "gpt-5.6")["anthropic_messages"]
    assert told == "translated to openai_chat (with tools: openai_responses)"


def test_a_local_server_that_does_not_say_is_tried_first() -> None:
    told = _protocols(LOCAL, "qwen3")
    assert told["openai_chat"] == "as it is"
    assert told["anthropic_messages"] == "as it is if it knows the path, else translated to openai_chat"


def test_a_row_that_cannot_be_used_tells_nothing() -> None:
    assert _protocols(BackendSpec("local/box", "local", "box", "nonsense"), "m") == {}
    assert _protocols(None, "m") == {}
