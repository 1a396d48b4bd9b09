"""Base URLs as thirty real providers' pages tell them, and the exact URLs that are asked then. Nothing is sent."""

from __future__ import annotations

import pytest

from pointsman.providers.urls import parse_base_url
from pointsman.routing.specs import BackendSpec
from pointsman.upstream.backend import Backend

CHAT, MESSAGES, RESPONSES = "/v1/chat/completions", "/v1/messages", "/v1/responses"
REAL = [
    # what is given, the type, what a client asked for, what is asked
    ("https://api.openai.com", "openai", CHAT, "https://api.openai.com/v1/chat/completions"),
    ("https://api.openai.com/v1", "openai", RESPONSES, "https://api.openai.com/v1/responses"),
    ("https://api.anthropic.com", "anthropic", MESSAGES, "https://api.anthropic.com/v1/messages"),
    ("https://api.anthropic.com/v1/", "anthropic", MESSAGES, "https://api.anthropic.com/v1/messages"),
    ("https://generativelanguage.googleapis.com/v1beta/openai/", "openai", CHAT,
     "https://generativelanguage.googleapis.com/v1beta/openai/chat/completions"),
    ("https://us-central1-aiplatform.googleapis.com/v1/projects/p/locations/us-central1/endpoints/openapi", "openai", CHAT,
     "https://us-central1-aiplatform.googleapis.com/v1/projects/p/locations/us-central1/endpoints/openapi/chat/completions"),
    ("https://api.z.ai/api/paas/v4", "openai", CHAT, "https://api.z.ai/api/paas/v4/chat/completions"),
    ("https://api.z.ai/api/coding/paas/v4/", "openai", CHAT, "https://api.z.ai/api/coding/paas/v4/chat/completions"),
    ("https://api.z.ai/api/anthropic", "anthropic", MESSAGES, "https://api.z.ai/api/anthropic/v1/messages"),
    ("https://open.bigmodel.cn/api/paas/v4", "openai", CHAT, "https://open.bigmodel.cn/api/paas/v4/chat/completions"),
    ("https://ark.cn-beijing.volces.com/api/v3", "openai", CHAT, "https://ark.cn-beijing.volces.com/api/v3/chat/completions"),
    ("https://gateway.ai.cloudflare.com/v1/ACCOUNT/GATEWAY/compat", "openai", CHAT,
     "https://gateway.ai.cloudflare.com/v1/ACCOUNT/GATEWAY/compat/chat/completions"),
    ("https://api.cloudflare.com/client/v4/accounts/ID/ai/v1", "openai", CHAT,
     "https://api.cloudflare.com/client/v4/accounts/ID/ai/v1/chat/completions"),
    ("https://models.github.ai/inference", "openai", CHAT, "https://models.github.ai/inference/chat/completions"),
    ("https://res.openai.azure.com/openai/deployments/gpt-4o?api-version=2024-10-21", "openai", CHAT,
     "https://res.openai.azure.com/openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21"),
    ("https://res.openai.azure.com/openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21", "openai", CHAT,
     "https://res.openai.azure.com/openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21"),
    ("https://res.openai.azure.com/openai/v1/", "openai", RESPONSES, "https://res.openai.azure.com/openai/v1/responses"),
    ("https://api.groq.com/openai/v1", "openai", CHAT, "https://api.groq.com/openai/v1/chat/completions"),
    ("https://openrouter.ai/api/v1", "openai", CHAT, "https://openrouter.ai/api/v1/chat/completions"),
    ("https://openrouter.ai/api", "anthropic", MESSAGES, "https://openrouter.ai/api/v1/messages"),
    ("https://api.deepseek.com", "openai", CHAT, "https://api.deepseek.com/v1/chat/completions"),
    ("https://api.deepseek.com/anthropic", "anthropic", MESSAGES, "https://api.deepseek.com/anthropic/v1/messages"),
    ("https://api.mistral.ai/v1", "openai", CHAT, "https://api.mistral.ai/v1/chat/completions"),
    ("https://api.together.xyz/v1", "openai", CHAT, "https://api.together.xyz/v1/chat/completions"),
    ("https://api.fireworks.ai/inference/v1", "openai", CHAT, "https://api.fireworks.ai/inference/v1/chat/completions"),
    ("https://api.x.ai/v1", "openai", RESPONSES, "https://api.x.ai/v1/responses"),
    ("https://api.moonshot.ai/v1", "openai", CHAT, "https://api.moonshot.ai/v1/chat/completions"),
    ("https://api.moonshot.ai/anthropic", "anthropic", MESSAGES, "https://api.moonshot.ai/anthropic/v1/messages"),
    ("https://api.minimax.io/anthropic", "anthropic", MESSAGES, "https://api.minimax.io/anthropic/v1/messages"),
    ("https://dashscope-intl.aliyuncs.com/compatible-mode/v1", "openai", CHAT,
     "https://dashscope-intl.aliyuncs.com/compatible-mode/v1/chat/completions"),
    ("https://api.cerebras.ai/v1", "openai", CHAT, "https://api.cerebras.ai/v1/chat/completions"),
    ("https://api.perplexity.ai/chat/completions", "openai", CHAT, "https://api.perplexity.ai/v1/chat/completions"),
    ("https://router.huggingface.co/v1", "openai", CHAT, "https://router.huggingface.co/v1/chat/completions"),
    ("https://integrate.api.nvidia.com/v1", "openai", CHAT, "https://integrate.api.nvidia.com/v1/chat/completions"),
    ("https://bedrock-runtime.us-west-2.amazonaws.com/openai/v1", "openai", CHAT,
     "https://bedrock-runtime.us-west-2.amazonaws.com/openai/v1/chat/completions"),
    ("https://ai-gateway.vercel.sh/v1", "openai", CHAT, "https://ai-gateway.vercel.sh/v1/chat/completions"),
    ("http://127.0.0.1:11434", "local", CHAT, "http://127.0.0.1:11434/v1/chat/completions"),
    ("http://127.0.0.1:1234/v1", "local", RESPONSES, "http://127.0.0.1:1234/v1/responses"),
    ("http://127.0.0.1:12434/engines/v1", "local", CHAT, "http://127.0.0.1:12434/engines/v1/chat/completions"),
    ("http://127.0.0.1:8000/openai/v1/chat/completions", "local", MESSAGES, "http://127.0.0.1:8000/openai/v1/messages"),
]  # fmt: skip


@pytest.mark.parametrize(("given", "kind", "path", "asked"), REAL)
def test_what_a_providers_page_says_is_what_is_asked(given: str, kind: str, path: str, asked: str) -> None:
    stored = parse_base_url(given).text
    assert parse_base_url(stored).text == stored
    backend = Backend(BackendSpec(f"{kind}/x", kind, "x", stored))
    assert backend.url_of(path) == asked
    with_more = backend.head(b"POST", path.encode() + b"?beta=true", b"", frozenset(), 1)
    target = with_more.split(b" ", 2)[1].decode()
    assert backend.url is not None
    query = f"&{backend.url.query}" if backend.url.query else ""
    assert backend.url.origin + target == asked.partition("?")[0] + "?beta=true" + query


def test_a_servers_own_paths_stand_before_its_v1() -> None:
    for given, asked in (
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080/health"),
        ("http://127.0.0.1:8080/engine/v1", "http://127.0.0.1:8080/engine/health"),
    ):
        backend = Backend(BackendSpec("local/x", "local", "x", parse_base_url(given).text))
        assert backend.url_of("/health") == asked
