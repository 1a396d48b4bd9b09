"""What targets take: the vendor's tables as facts, names in every spelling, and that every row is one that can be."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.conversation.profile import Profile
from pointsman.kinds import BackendType, Protocol
from pointsman.providers import claude_models, openai_models, profile_rows
from pointsman.providers.profiles import dialect_order, family_name, profile_for
from pointsman.routing.specs import BackendSpec
from pointsman.secret import Secret

CHAT, RESPONSES, MESSAGES = Protocol.OPENAI_CHAT, Protocol.OPENAI_RESPONSES, Protocol.ANTHROPIC_MESSAGES

OPENAI = BackendSpec("openai", "openai", "", "https://api.openai.com", stream_usage=True)
AZURE = BackendSpec(
    "openai/azure", "openai", "azure", "https://box.openai.azure.com/openai", stream_usage=True
)
GROQ = BackendSpec("openai/groq", "openai", "groq", "https://api.groq.com/openai", stream_usage=True)
FOREIGN = BackendSpec("openai/other", "openai", "other", "https://llm.example.com")
ANTHROPIC = BackendSpec("anthropic", "anthropic", "", "https://api.anthropic.com")
ANTHROPIC_LIKE = BackendSpec("anthropic/other", "anthropic", "other", "https://llm.example.com/anthropic")
LOCAL = BackendSpec("local/box", "local", "box", "http://127.0.0.1:8080")
SOCKET = BackendSpec("local/socket", "local", "socket", "unix:/run/box.sock")
EVERYONE = (OPENAI, AZURE, GROQ, FOREIGN, ANTHROPIC, ANTHROPIC_LIKE, LOCAL, SOCKET)

DEFAULTS = Profile()
TABLES = [
    value
    for module in (profile_rows, openai_models, claude_models)
    for value in vars(module).values()
    if isinstance(value, tuple) and value and isinstance(value[0], tuple) and isinstance(value[0][-1], dict)
] + [*claude_models.CLOUD, *claude_models.ELSEWHERE]


def claude(model: str) -> Profile:
    return profile_for(ANTHROPIC, MESSAGES, model)


# -- the rows themselves


@pytest.mark.parametrize("table", TABLES)
def test_rows_name_fields_that_there_are_with_values_of_their_kind(table: profile_rows.Table) -> None:
    for patterns, values in table:
        assert patterns
        assert all(isinstance(pattern, str) and pattern == pattern.lower() for pattern in patterns)
        for name, value in values.items():
            default = getattr(DEFAULTS, name)
            assert default is None or value is None or type(value) is type(default), name
    words: dict[str, set[Any]] = {
        "reasoning": {"none", "effort", "budget", "adaptive", "template"},
        "sampling": {"any", "one_of", "default_only"},
        "tool_id": {"any", "short", "forty", "nine"},
        "schema_subset": {"full", "required", "closed"},
        "template_flag": {"enable_thinking", "thinking"},
        "max_tokens_field": {"max_tokens", "max_completion_tokens"},
        "replay_as": {None, "reasoning", "reasoning_content"},
    }
    order = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
    for _, values in table:
        for name, known in words.items():
            assert values.get(name, getattr(DEFAULTS, name)) in known
        efforts = values.get("efforts", ())
        assert list(efforts) == sorted(efforts, key=order.index), "weakest first"


@pytest.mark.parametrize("table", TABLES)
def test_no_row_stands_behind_one_that_takes_its_names(table: profile_rows.Table) -> None:
    from pointsman.routing.pattern import wild_match

    for at, (patterns, _) in enumerate(table):
        for pattern in patterns:
            sample = pattern.replace("*", "").replace("?", "9")
            earlier = [one for before, _ in table[:at] for one in before if wild_match(one, sample)]
            assert not earlier, f"{pattern} is never reached: {earlier}"


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(EVERYONE), st.sampled_from(list(Protocol)), st.text(max_size=40))
def test_any_name_gets_a_profile(spec: BackendSpec, protocol: Protocol, model: str) -> None:
    profile = profile_for(spec, protocol, model)
    assert (profile.backend, profile.model) == (spec.key, model)
    assert profile is profile_for(spec, protocol, model), "cached"
    if profile.max_tokens_limit is not None and protocol is MESSAGES:
        assert profile.max_tokens_default <= profile.max_tokens_limit


def test_the_backends_own_window_wins() -> None:
    import msgspec

    spec = msgspec.structs.replace(OPENAI, context_window=4096)
    assert profile_for(spec, CHAT, "gpt-4o").context_window == 4096
    assert profile_for(OPENAI, CHAT, "gpt-4o").context_window == 128_000


def test_the_cache_holds_no_key() -> None:
    import gc

    import msgspec

    spec = msgspec.structs.replace(FOREIGN, api_key=Secret("sk-not-to-be-kept"))
    profile_for(spec, CHAT, "some-model")
    assert not [one for one in gc.get_referrers(spec) if isinstance(one, tuple)]


# -- names


@pytest.mark.parametrize(
    ("written", "family"),
    [
        ("claude-sonnet-4-5-20250929", "claude-sonnet-4-5"),
        ("anthropic/claude-sonnet-4.5", "claude-sonnet-4-5"),
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "claude-sonnet-4-5"),
        (
            "arn:aws:bedrock:us-east-1:1:inference-profile/eu.anthropic.claude-opus-4-1-20250805-v1:0",
            "claude-opus-4-1",
        ),
        ("claude-opus-4@20250514", "claude-opus-4"),
        ("claude-3-5-sonnet-latest", "claude-3-5-sonnet"),
        ("anthropic/claude-3.7-sonnet:thinking", "claude-3-7-sonnet:thinking"),
        ("Claude-Opus-5-5", "claude-opus-5-5"),
        ("claude-opus-5-20260724", "claude-opus-5"),
        ("openai/gpt-5.1", "gpt-5.1"),
        ("gpt-4o-2024-08-06", "gpt-4o"),
        ("ft:gpt-4.1-mini-2025-04-14:org::id", "gpt-4.1-mini:org::id"),
        ("o3-mini-2025-01-31", "o3-mini"),
        ("team-gpt-5.4-prod", "gpt-5.4-prod"),
        ("mlx-community/Qwen3-8B-4bit", "qwen3-8b-4bit"),
        ("gpt-oss:20b", "gpt-oss:20b"),
        ("foo3", "foo3"),
        ("", ""),
    ],
)
def test_family_names(written: str, family: str) -> None:
    assert family_name(written) == family
    assert family_name(family) == family


@pytest.mark.parametrize(
    "names",
    [
        ("claude-sonnet-4-5", "claude-sonnet-4-5-20250929", "claude-sonnet-4.5", "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"),
        ("claude-opus-5", "claude-opus-5-20260724", "anthropic/claude-opus-5"),
        ("claude-opus-5-5", "claude-opus-5.5", "claude-opus-5-5-20261001"),
    ],
)  # fmt: skip
def test_a_model_is_the_same_in_every_spelling(names: tuple[str, ...]) -> None:
    import msgspec

    profiles = {msgspec.json.encode(msgspec.structs.replace(claude(name), model="")) for name in names}
    assert len(profiles) == 1


# -- Claude: docs/protocols/reasoning.md#what-each-generation-takes and
# docs/protocols/models.md#claudes-generations


@pytest.mark.parametrize(
    ("model", "reasoning", "off", "between", "omits"),
    [
        ("claude-haiku-4-5", "budget", True, False, False),
        ("claude-sonnet-4-5-20250929", "budget", True, False, False),
        ("claude-opus-4-5", "budget", True, False, False),
        ("claude-opus-4-1", "budget", True, False, False),
        ("claude-opus-4-6", "adaptive", True, False, False),
        ("claude-sonnet-4-6", "adaptive", True, False, False),
        ("claude-opus-4-7", "adaptive", True, False, True),
        ("claude-opus-4-8", "adaptive", True, False, True),
        ("claude-sonnet-5", "adaptive", True, False, True),
        ("claude-opus-5", "adaptive", True, False, True),
        ("claude-sonnet-5-5", "adaptive", False, True, True),
        ("claude-fable-5", "adaptive", False, False, True),
        ("claude-fable-5-1", "adaptive", False, False, True),
        ("claude-mythos-5", "adaptive", False, False, True),
        ("claude-mythos-5-2", "adaptive", False, False, True),
        ("claude-opus-5-5", "adaptive", False, False, True),
        ("claude-3-5-sonnet-20241022", "none", True, False, False),
        ("claude-something-new", "adaptive", False, False, True),
        ("a-name-of-our-own", "adaptive", False, False, True),
    ],
)
def test_how_claude_models_think(model: str, reasoning: str, off: bool, between: bool, omits: bool) -> None:
    profile = claude(model)
    assert (profile.reasoning, profile.thinking_off, profile.between_tools, profile.omits_thinking) == (
        reasoning, off, between, omits,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("model", "sampling", "forced", "prefill", "mid_system", "structured"),
    [
        ("claude-3-opus-20240229", "any", True, True, False, False),
        ("claude-opus-4-1", "one_of", True, True, False, False),
        ("claude-sonnet-4-5", "one_of", True, True, False, True),
        ("claude-opus-4-6", "one_of", True, False, False, True),
        ("claude-opus-4-7", "default_only", True, False, False, True),
        ("claude-opus-4-8", "default_only", True, False, True, True),
        ("claude-sonnet-5", "default_only", True, False, False, True),
        ("claude-opus-5", "default_only", True, False, True, True),
        ("claude-fable-5", "default_only", True, False, True, True),
        ("claude-fable-5-1", "default_only", False, False, True, True),
        ("claude-opus-5-5", "default_only", False, False, True, True),
        ("claude-sonnet-5-5", "default_only", False, False, True, True),
        ("claude-opus-6", "default_only", False, False, True, True),
    ],
)
def test_what_claude_models_take(
    model: str, sampling: str, forced: bool, prefill: bool, mid_system: bool, structured: bool
) -> None:
    profile = claude(model)
    assert profile.sampling == sampling
    assert profile.forced_tools is forced
    assert profile.prefill is prefill
    assert profile.mid_system is mid_system
    assert profile.structured is structured
    assert profile.temperature_max == 1.0
    assert profile.tool_name_max == 128
    assert profile.schema_subset == "closed"
    assert profile.replay_as is None
    assert profile.cache_marks
    assert profile.auto_cache
    assert profile.top_k is (sampling != "default_only")


def test_efforts_and_sizes_of_claude_models() -> None:
    assert claude("claude-opus-4-6").efforts == ("low", "medium", "high", "max")
    assert claude("claude-opus-4-7").efforts == ("low", "medium", "high", "xhigh", "max")
    assert (claude("claude-opus-4-1").max_tokens_limit, claude("claude-opus-4-1").context_window) == (
        32_000,
        200_000,
    )
    assert (claude("claude-opus-5-5").max_tokens_limit, claude("claude-opus-5-5").context_window) == (
        128_000,
        1_000_000,
    )
    old = claude("claude-3-haiku-20240307")
    assert (old.max_tokens_limit, old.max_tokens_default) == (4096, 4096)


def test_claude_behind_another_address_is_known_by_its_name_and_others_are_taken_modestly() -> None:
    behind = profile_for(ANTHROPIC_LIKE, MESSAGES, "eu.anthropic.claude-opus-5-5-v1:0")
    assert (behind.reasoning, behind.forced_tools, behind.cache_marks) == ("adaptive", False, True)
    other = profile_for(ANTHROPIC_LIKE, MESSAGES, "kimi-k2")
    assert (other.reasoning, other.sampling, other.structured, other.cache_marks) == (
        "budget",
        "any",
        False,
        False,
    )
    assert other.merge_turns
    local = profile_for(LOCAL, MESSAGES, "claude-local-qwen3")
    assert (local.reasoning, local.safe_schemas, local.documents) == ("budget", True, False)


# -- OpenAI


@pytest.mark.parametrize("protocol", [CHAT, RESPONSES])
@pytest.mark.parametrize(
    ("model", "efforts"),
    [
        ("o3", ("low", "medium", "high")),
        ("o4-mini-2025-04-16", ("low", "medium", "high")),
        ("gpt-5", ("minimal", "low", "medium", "high")),
        ("gpt-5-mini", ("minimal", "low", "medium", "high")),
        ("gpt-5-pro", ("high",)),
        ("gpt-5.1", ("none", "low", "medium", "high")),
        ("gpt-5.1-codex", ("low", "medium", "high")),
        ("gpt-5.2", ("none", "low", "medium", "high", "xhigh")),
        ("gpt-5.4-mini", ("none", "low", "medium", "high", "xhigh")),
        ("gpt-5.5-2026-04-23", ("none", "low", "medium", "high", "xhigh")),
        ("gpt-5.6-sol", ("none", "low", "medium", "high", "xhigh", "max")),
        ("gpt-6-astra", ("low", "medium", "high", "xhigh", "max")),
        ("gpt-6-luna", ("none", "low", "medium", "high", "xhigh", "max")),
        ("gpt-6.2-sol", ("low", "medium", "high", "xhigh", "max")),
    ],
)
def test_openai_models_that_reason(protocol: Protocol, model: str, efforts: tuple[str, ...]) -> None:
    profile = profile_for(OPENAI, protocol, model)
    assert profile.efforts == efforts
    assert (profile.reasoning, profile.sampling, profile.stop) == ("effort", "default_only", 0)
    assert profile.developer_role
    assert not profile.penalties
    assert not profile.logprobs
    assert profile.max_tokens_field == "max_completion_tokens"
    assert profile.verbosity is model.startswith("gpt-")


@pytest.mark.parametrize("model", ["gpt-4o", "gpt-4.1-mini-2025-04-14", "gpt-3.5-turbo", "ft:gpt-4o:org::x"])
def test_openai_models_that_do_not_reason(model: str) -> None:
    profile = profile_for(OPENAI, CHAT, model)
    assert (profile.reasoning, profile.sampling, profile.stop) == ("none", "any", 4)
    assert profile.max_tokens_field == "max_completion_tokens"
    assert not profile.developer_role
    assert not profile.verbosity
    over_responses = profile_for(OPENAI, RESPONSES, model)
    assert (over_responses.stop, over_responses.min_output_tokens) == (0, 16)
    assert not over_responses.encrypted, "a model that does not reason refuses to be asked for reasoning"


def test_the_vendors_own_service() -> None:
    for spec in (OPENAI, AZURE):
        profile = profile_for(spec, CHAT, "gpt-5.6-sol")
        assert profile.cache_marks
        assert profile.safety_id
        assert "flex" in profile.service_tiers
        assert not profile.system_text
        assert not profile.merge_turns
        assert profile.null_content
        assert not profile.top_k
        assert profile.custom_tools
        assert profile.replay_as is None
    assert not profile_for(OPENAI, CHAT, "gpt-5.5").cache_marks
    responses = profile_for(OPENAI, RESPONSES, "gpt-5.4")
    assert (responses.summaries, responses.encrypted, responses.store, responses.namespaces) == (True,) * 4
    assert responses.min_output_tokens == 16


def test_a_name_that_tells_nothing_gets_what_the_client_asks() -> None:
    profile = profile_for(AZURE, CHAT, "our-deployment")
    assert (profile.sampling, profile.stop, profile.max_tokens_field) == ("any", 4, "max_completion_tokens")


# -- everyone else


def test_compatible_servers_are_taken_modestly() -> None:
    for spec in (FOREIGN, LOCAL, SOCKET):
        profile = profile_for(spec, CHAT, "some-model")
        assert profile.max_tokens_field == "max_tokens"
        assert profile.system_text
        assert profile.merge_turns
        assert profile.top_k
        assert profile.replay_as == "reasoning_content"
        assert not profile.safety_id
        assert not profile.cache_marks
        assert not profile.custom_tools
        assert profile.reasoning == "none"
        assert profile.safe_schemas is (spec.type == BackendType.LOCAL)


@pytest.mark.parametrize("spec", [FOREIGN, LOCAL, SOCKET])
@pytest.mark.parametrize(
    ("model", "reasoning", "flag"),
    [
        ("qwen3:8b", "template", "enable_thinking"),
        ("mlx-community/Qwen3-30B-A3B-4bit", "template", "enable_thinking"),
        ("Qwen/Qwen3-Coder-30B-A3B-Instruct", "none", "enable_thinking"),
        ("zai-org/GLM-4.6", "template", "enable_thinking"),
        ("deepseek-ai/DeepSeek-V3.1", "template", "thinking"),
        ("granite-3.3-8b-instruct", "template", "thinking"),
        ("gpt-oss:20b", "effort", "enable_thinking"),
        ("llama-3.1-8b", "none", "enable_thinking"),
    ],
)
def test_how_open_models_are_told_to_think(spec: BackendSpec, model: str, reasoning: str, flag: str) -> None:
    profile = profile_for(spec, CHAT, model)
    assert (profile.reasoning, profile.template_flag) == (reasoning, flag)


@pytest.mark.parametrize("model", ["mistral-small-3.2", "Devstral-Small-2507", "mistralai/Ministral-8B"])
def test_mistrals_tool_ids(model: str) -> None:
    assert profile_for(LOCAL, CHAT, model).tool_id == "nine"
    assert profile_for(FOREIGN, CHAT, model).tool_id == "nine"
    assert profile_for(LOCAL, CHAT, "qwen3:8b").tool_id == "short"


@pytest.mark.parametrize("model", ["gpt-4.1", "gpt-5.1", "gpt-4o-search-preview"])
def test_openais_chat_takes_call_ids_of_forty_characters(model: str) -> None:
    assert profile_for(OPENAI, CHAT, model).tool_id == "forty"
    assert profile_for(OPENAI, Protocol.OPENAI_RESPONSES, model).tool_id == "short"


def test_rules_of_a_compatible_provider_stand_with_its_host() -> None:
    groq = profile_for(GROQ, CHAT, "llama-3.1-8b")
    assert (groq.top_k, groq.penalties, groq.max_tokens_field) == (False, False, "max_completion_tokens")


def test_openai_models_elsewhere_reason_but_get_nothing_of_the_vendors_service() -> None:
    profile = profile_for(FOREIGN, CHAT, "openai/gpt-5.6-sol")
    assert (profile.reasoning, profile.sampling) == ("effort", "default_only")
    assert (profile.cache_marks, profile.safety_id, profile.service_tiers) == (False, False, ())


# -- a type's backend without a name that leads elsewhere

GLM = BackendSpec("anthropic", "anthropic", "", "https://api.z.ai/api/anthropic")
BEFORE = BackendSpec("anthropic", "anthropic", "", "http://127.0.0.1:9000")


@pytest.mark.parametrize("spec", [GLM, BEFORE])
@pytest.mark.parametrize("model", ["glm-5", "deepseek-v4", "kimi-k3", "our-alias", "gpt-5.6"])
def test_an_unknown_name_there_gets_the_careful_rules_not_the_newest_claudes(
    spec: BackendSpec, model: str
) -> None:
    profile = profile_for(spec, MESSAGES, model)
    careful = profile_for(ANTHROPIC_LIKE, MESSAGES, model)
    assert profile == msgspec.structs.replace(careful, backend="anthropic")
    assert (profile.reasoning, profile.sampling, profile.mid_system) == ("budget", "any", False)
    assert profile_for(ANTHROPIC, MESSAGES, model).reasoning == "adaptive", "at the vendor's it is the newest"


@pytest.mark.parametrize(
    "model", ["claude-opus-5-5", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", "claude-9"]
)
def test_claudes_names_there_are_claude_behind_a_proxy(model: str) -> None:
    assert profile_for(BEFORE, MESSAGES, model) == profile_for(ANTHROPIC, MESSAGES, model)


@pytest.mark.parametrize(
    ("type", "protocol", "url", "model"),
    [
        ("openai", CHAT, "https://api.deepseek.com", "deepseek-reasoner"),
        ("openai", CHAT, "https://api.groq.com/openai", "openai/gpt-oss-120b"),
        ("openai", RESPONSES, "https://api.x.ai", "grok-5"),
        ("anthropic", MESSAGES, "https://api.deepseek.com/anthropic", "claude-opus-4-8"),
        ("anthropic", MESSAGES, "https://openrouter.ai/api", "claude-opus-4-8"),
    ],
)
def test_another_vendor_is_itself_whether_its_credential_has_a_name_or_not(
    type: str, protocol: Protocol, url: str, model: str
) -> None:
    """`pointsman credential set openai --base-url https://api.deepseek.com` made it OpenAI, and its own rows went unread."""
    named, unnamed = (BackendSpec(f"{type}/x", type, name, url) for name in ("x", ""))
    assert profile_for(unnamed, protocol, model) == profile_for(named, protocol, model)


def test_openais_names_of_deployments_behind_a_proxy_stay_openais() -> None:
    proxy = BackendSpec("openai", "openai", "", "https://proxy.example.com")
    assert profile_for(proxy, CHAT, "our-deployment").max_tokens_field == "max_completion_tokens"
    assert dialect_order(proxy, "gpt-5.6", MESSAGES, True)[0] is RESPONSES


def test_local_responses() -> None:
    profile = profile_for(LOCAL, RESPONSES, "gpt-oss-20b")
    assert (profile.reasoning, profile.stop, profile.min_output_tokens) == ("effort", 0, 1)
    assert (profile.store, profile.encrypted, profile.custom_tools, profile.namespaces) == (False,) * 4


# -- which protocol


@pytest.mark.parametrize(
    ("spec", "model", "tools", "first"),
    [
        (OPENAI, "gpt-4o", True, CHAT),
        (OPENAI, "gpt-5", True, CHAT),
        (OPENAI, "o3", True, CHAT),
        (OPENAI, "gpt-5.4", False, CHAT),
        (OPENAI, "gpt-5.4", True, RESPONSES),
        (OPENAI, "gpt-5.6-sol", True, RESPONSES),
        (OPENAI, "gpt-6-astra", True, RESPONSES),
        (OPENAI, "gpt-5-codex", False, RESPONSES),
        (OPENAI, "o3-pro", False, RESPONSES),
        (AZURE, "gpt-5.4", True, RESPONSES),
        (FOREIGN, "gpt-5.4", True, CHAT),
        (LOCAL, "gpt-5.4", True, CHAT),
        (ANTHROPIC, "claude-opus-5-5", True, MESSAGES),
    ],
)
def test_dialect_order(spec: BackendSpec, model: str, tools: bool, first: Protocol) -> None:
    for client in (CHAT, RESPONSES, MESSAGES):
        order = dialect_order(spec, model, client, tools)
        assert order[0] is first
        assert set(order) == {CHAT, RESPONSES, MESSAGES}
    if spec is LOCAL:
        assert dialect_order(spec, model, MESSAGES, tools) == (CHAT, RESPONSES, MESSAGES)


def test_what_is_never_translated_has_no_order() -> None:
    assert dialect_order(OPENAI, "gpt-4o", Protocol.EMBEDDINGS, False) == ()
