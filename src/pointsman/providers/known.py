"""Providers that people add often: where they are, what they speak, where one gets a key. Data only, to fill in a form: a
provider that is not here is added by its address, and none works otherwise for being here.

The addresses are those that public code and documents gave in November 2026; none was asked. Where a key is got is told
from memory of each provider's pages. Not here: what a provider takes (profile_rows.py), its prices.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..kinds import AuthScheme, BackendType, Protocol
from .catalog import CATALOG

_OPENAI, _ANTHROPIC = BackendType.OPENAI, BackendType.ANTHROPIC
_CHAT = (Protocol.OPENAI_CHAT,)
_BOTH = (Protocol.OPENAI_CHAT, Protocol.OPENAI_RESPONSES)
_MESSAGES = (Protocol.ANTHROPIC_MESSAGES,)


@dataclass(frozen=True, slots=True)
class KnownProvider:
    """title: as people call it. name: of the backend, unless somebody wants another. base_url: as it is stored; a part in
    capitals is for the user to fill in. key_at: where one gets a key, in words. auth: None = the type's own."""

    title: str
    type: BackendType
    name: str
    base_url: str
    protocols: tuple[Protocol, ...]
    key_at: str
    auth: AuthScheme | None = None


def _own(title: str, type: BackendType, key_at: str) -> KnownProvider:
    """The vendor that a type is named after."""
    row = CATALOG[type]
    return KnownProvider(title, type, "", row.base_url or "", row.dialects, key_at)


KNOWN: tuple[KnownProvider, ...] = (
    _own("OpenAI", _OPENAI, "OpenAI's platform, Settings, API keys"),
    _own("Anthropic", _ANTHROPIC, "Claude Console, Settings, API keys"),
    KnownProvider(
        "Google Gemini", _OPENAI, "gemini", "https://generativelanguage.googleapis.com/v1beta/openai", _CHAT,
        "Google AI Studio, Get API key",
    ),
    KnownProvider(
        "OpenRouter", _OPENAI, "openrouter", "https://openrouter.ai/api/v1", _BOTH, "OpenRouter, Settings, Keys"
    ),
    KnownProvider("Groq", _OPENAI, "groq", "https://api.groq.com/openai/v1", _BOTH, "Groq Console, API Keys"),
    KnownProvider("Mistral", _OPENAI, "mistral", "https://api.mistral.ai", _CHAT, "Mistral AI Studio, API Keys"),
    KnownProvider(
        "DeepSeek", _OPENAI, "deepseek", "https://api.deepseek.com", _CHAT, "DeepSeek Platform, API keys"
    ),
    KnownProvider(
        "DeepSeek (Messages)", _ANTHROPIC, "deepseek", "https://api.deepseek.com/anthropic", _MESSAGES,
        "DeepSeek Platform, API keys",
    ),
    KnownProvider("xAI", _OPENAI, "xai", "https://api.x.ai", _BOTH, "xAI Console, API Keys"),
    KnownProvider(
        "Moonshot (Kimi)", _OPENAI, "moonshot", "https://api.moonshot.ai", _CHAT, "Kimi Open Platform, API Keys"
    ),
    KnownProvider(
        "Moonshot (Messages)", _ANTHROPIC, "moonshot", "https://api.moonshot.ai/anthropic", _MESSAGES,
        "Kimi Open Platform, API Keys",
    ),
    KnownProvider(
        "Z.ai (GLM)", _OPENAI, "zai", "https://api.z.ai/api/paas/v4", _CHAT, "Z.ai, API Keys"
    ),
    KnownProvider(
        "Z.ai (Messages)", _ANTHROPIC, "zai", "https://api.z.ai/api/anthropic", _MESSAGES, "Z.ai, API Keys"
    ),
    KnownProvider("Cerebras", _OPENAI, "cerebras", "https://api.cerebras.ai", _CHAT, "Cerebras Cloud, API Keys"),
    KnownProvider("Together", _OPENAI, "together", "https://api.together.xyz", _CHAT, "Together, Settings, API Keys"),
    KnownProvider(
        "Fireworks", _OPENAI, "fireworks", "https://api.fireworks.ai/inference/v1", _BOTH, "Fireworks, API Keys"
    ),
    KnownProvider(
        "DeepInfra", _OPENAI, "deepinfra", "https://api.deepinfra.com/v1/openai", _CHAT, "DeepInfra, API Keys"
    ),
    KnownProvider(
        "Hugging Face", _OPENAI, "huggingface", "https://router.huggingface.co", _BOTH,
        "Hugging Face, Settings, Access Tokens (Inference Providers)",
    ),
    KnownProvider("NVIDIA", _OPENAI, "nvidia", "https://integrate.api.nvidia.com", _CHAT, "NVIDIA Build, API Keys"),
    KnownProvider(
        "SambaNova", _OPENAI, "sambanova", "https://api.sambanova.ai", _CHAT, "SambaNova Cloud, API Keys"
    ),
    KnownProvider(
        "Qwen (Alibaba Cloud)", _OPENAI, "qwen", "https://dashscope-intl.aliyuncs.com/compatible-mode/v1", _CHAT,
        "Alibaba Cloud Model Studio, API Key",
    ),
    KnownProvider(
        "Qwen (Messages)", _ANTHROPIC, "qwen", "https://dashscope-intl.aliyuncs.com/apps/anthropic", _MESSAGES,
        "Alibaba Cloud Model Studio, API Key",
    ),
    KnownProvider("MiniMax", _OPENAI, "minimax", "https://api.minimax.io", _CHAT, "MiniMax Platform, API Keys"),
    KnownProvider("Nebius", _OPENAI, "nebius", "https://api.tokenfactory.nebius.com", _CHAT, "Token Factory, API keys"),
    KnownProvider("Scaleway", _OPENAI, "scaleway", "https://api.scaleway.ai", _CHAT, "Scaleway Console, IAM, API keys"),
    KnownProvider(
        "GitHub Models", _OPENAI, "github", "https://models.github.ai/inference", _CHAT,
        "GitHub, Settings, Developer settings, a token with models: read",
    ),
    KnownProvider(
        "Ollama Cloud", _OPENAI, "ollama-cloud", "https://ollama.com", _CHAT, "Ollama, Settings, Keys"
    ),
    KnownProvider(
        "Vercel AI Gateway", _OPENAI, "vercel", "https://ai-gateway.vercel.sh", _CHAT, "Vercel, AI Gateway, API keys"
    ),
    KnownProvider(
        "Azure OpenAI", _OPENAI, "azure", "https://RESOURCE.openai.azure.com/openai/v1", _BOTH,
        "Azure portal, your resource, Keys and Endpoint", AuthScheme.API_KEY,
    ),
    KnownProvider(
        "Amazon Bedrock", _OPENAI, "bedrock", "https://bedrock-runtime.REGION.amazonaws.com/openai/v1", _CHAT,
        "Bedrock console, API keys",
    ),
    KnownProvider(
        "Cloudflare Workers AI", _OPENAI, "cloudflare", "https://api.cloudflare.com/client/v4/accounts/ACCOUNT/ai/v1",
        _CHAT, "Cloudflare dashboard, a token for Workers AI",
    ),
)  # fmt: skip
