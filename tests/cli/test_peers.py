"""Configurations of other gateways are taken in, and what of them does not carry over is told.

The files are restated by hand from the example configurations that each of them publishes (November 2026).
"""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import click
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.cli.peers import PEERS

from .conftest import Shell

ROUTER = """{
  "APIKEY": "your-secret-key", "LOG": true, "API_TIMEOUT_MS": 600000, // milliseconds
  "PROXY_URL": "http://127.0.0.1:7890",
  "Providers": [
    {"name": "openrouter", "api_base_url": "https://openrouter.ai/api/v1/chat/completions", "api_key": "sk-or-abc",
     "models": ["google/gemini-2.5-pro-preview"], "transformer": {"use": ["openrouter"]}},
    {"name": "deepseek", "api_base_url": "https://api.deepseek.com/chat/completions", "api_key": "$DEEPSEEK_KEY",
     "models": ["deepseek-chat"], "transformer": {"use": ["deepseek"], "deepseek-chat": {"use": ["tooluse"]}}},
    {"name": "ollama", "api_base_url": "http://localhost:11434/v1/chat/completions", "api_key": "ollama",
     "models": ["qwen2.5-coder:latest"]},
    {"name": "claude", "api_base_url": "https://api.anthropic.com/v1/messages", "api_key": "${ANTHROPIC}",
     "models": ["claude-opus-4-8"], "transformer": {"use": ["Anthropic"]}},
    {"name": "gemini", "api_base_url": "https://generativelanguage.googleapis.com/v1beta/models/", "api_key": "k",
     "models": ["gemini-2.5-pro"], "transformer": {"use": ["gemini"]}},
  ],
  "Router": {
    "default": "deepseek,deepseek-chat", "background": "ollama,qwen2.5-coder:latest", "think": "claude,claude-opus-4-8",
    "longContext": "openrouter,google/gemini-2.5-pro-preview", "longContextThreshold": 80000,
    "webSearch": "gemini,gemini-2.5-flash", "image": "claude,claude-opus-4-8",
  },
}"""

LITELLM = """
model_list:
  - model_name: gpt-4o
    litellm_params: {model: openai/gpt-4o, api_key: os.environ/OPENAI_API_KEY, rpm: 6}
  - model_name: gpt-4o
    litellm_params: {model: azure/gpt-4o-eu, api_base: "https://mine.openai.azure.com/", api_key: os.environ/AZURE}
  - model_name: claude
    litellm_params: {model: anthropic/claude-sonnet-4-5, api_key: sk-ant-1}
  - model_name: claude-team
    litellm_params: {model: claude-sonnet-4-5, api_key: os.environ/TEAM}
  - model_name: llama
    litellm_params: {model: ollama_chat/llama3}
  - model_name: llama
    litellm_params: {model: hosted_vllm/meta/llama3, api_base: "http://10.0.0.5:8000/v1"}
  - model_name: groq-fast
    litellm_params: {model: groq/llama-3.1-8b-instant, api_key: os.environ/GROQ_API_KEY, temperature: 0.2}
  - model_name: "anthropic/*"
    litellm_params: {model: "anthropic/*", api_key: os.environ/ANTHROPIC_API_KEY}
  - model_name: "*"
    litellm_params: {model: "openai/*", api_key: os.environ/OPENAI_API_KEY}
  - model_name: titan
    litellm_params: {model: bedrock/amazon.titan}
litellm_settings:
  drop_params: true
  set_verbose: true
  fallbacks: [{"claude": ["gpt-4o"]}]
  context_window_fallbacks: [{"llama": ["claude"]}]
router_settings: {model_group_alias: {"gpt-4": "gpt-4o"}, routing_strategy: usage-based-routing}
general_settings: {master_key: sk-1234}
environment_variables: {A: b, C: d}
"""

SWAP = """
healthCheckTimeout: 120
macros:
  server: llama-server --port ${PORT}
models:
  "Qwen3-8B":
    cmd: |
      # a comment
      ${server} \\
      -m /models/${MODEL_ID}.gguf
    ttl: 300
    aliases: [gpt-4o-mini, qwen]
    env: ["CUDA_VISIBLE_DEVICES=0"]
    filters: {strip_params: "temperature"}
  whisper:
    cmd: whisper-server --port 9233 --model base
    proxy: http://127.0.0.1:9233
    checkEndpoint: /ready
    unlisted: true
  far:
    cmd: ssh box
    proxy: http://192.168.1.9:8080
  odd:
    cmd: ${nobody} --port ${PORT}
groups: {g: {swap: true, members: [whisper]}}
hooks: {on_startup: {preload: ["Qwen3-8B"]}}
"""


def rules(document: dict[str, Any]) -> dict[str, str]:
    """Each rule as people say it."""

    def one(row: dict[str, Any], model: str) -> str:
        name = row.get("backend_name")
        return (
            row["backend_type"] + (f"/{name}" if name else "") + (f"={row[model]}" if row.get(model) else "")
        )

    return {
        " ".join([row["model_pattern"], *row.get("conditions", ())]): " ".join(
            [one(row, "backend_model"), *(one(next_one, "model") for next_one in row.get("fallbacks", ()))]
        )
        for row in sorted(document["mappings"], key=lambda row: -row.get("priority", 0))
    }


def test_claude_code_routers_scenarios_are_rules_in_its_order() -> None:
    found = PEERS["claude-code-router"](ROUTER)
    assert list(rules(found.document).items()) == [
        ("* images", "anthropic=claude-opus-4-8"),
        ("* tokens>80000", "openai/openrouter=google/gemini-2.5-pro-preview"),
        ("*haiku*", "local/ollama=qwen2.5-coder:latest"),
        ("* thinking", "anthropic=claude-opus-4-8"),
        ("*", "openai/deepseek=deepseek-chat"),
    ]
    keys = {row.get("name", ""): row["key_env"] for row in found.document["credentials"]}
    assert keys["deepseek"] == "DEEPSEEK_KEY"
    assert keys[""] == "ANTHROPIC"
    assert found.keys[keys["openrouter"]] == "sk-or-abc"
    told = "\n".join(found.report)
    for left in (
        "provider gemini",
        "Router.webSearch",
        "APIKEY",
        "PROXY_URL",
        "API_TIMEOUT_MS",
        "transformers",
    ):
        assert left in told
    assert "sk-or-abc" not in told


def test_litellms_models_are_rules_with_their_fallbacks() -> None:
    found = PEERS["litellm"](LITELLM)
    eu = "openai/azure=gpt-4o-eu"
    assert rules(found.document) == {
        "gpt-4o": f"openai {eu}",
        "claude": f"anthropic=claude-sonnet-4-5 openai=gpt-4o {eu}",
        "claude-team": "anthropic/anthropic-2=claude-sonnet-4-5",
        "llama": "local/ollama=llama3 local/hosted_vllm=meta/llama3 anthropic=claude-sonnet-4-5",
        "groq-fast": "openai/groq=llama-3.1-8b-instant",
        "*": "openai",
        "gpt-4": f"openai=gpt-4o {eu}",
    }
    by_name = {row["model_pattern"]: row for row in found.document["mappings"]}
    assert by_name["gpt-4o"]["spread"] is True
    assert by_name["llama"]["fallback_on"] == ["context"]
    assert "spread" not in by_name["llama"]
    (azure,) = [row for row in found.document["credentials"] if row.get("name") == "azure"]
    assert azure["base_url"] == "https://mine.openai.azure.com/openai/v1"
    told = "\n".join(found.report)
    for left in (
        "gpt-4o: rpm", "groq-fast: temperature", "anthropic/*", "titan", "litellm_settings.set_verbose", "routing_strategy",
        "general_settings.master_key", "environment_variables",
    ):  # fmt: skip
        assert left in told
    assert "sk-ant-1" not in told + json.dumps(found.document)
    assert list(found.keys.values()) == ["sk-ant-1"]


def test_llama_swaps_commands_are_engines() -> None:
    found = PEERS["llama-swap"](SWAP)
    qwen, whisper = found.engines["qwen3-8b"], found.engines["whisper"]
    assert qwen.command == "env CUDA_VISIBLE_DEVICES=0 llama-server --port {port} -m /models/Qwen3-8B.gguf"
    assert (qwen.keep, qwen.preload, qwen.serves, qwen.port) == (300, True, ("Qwen3-8B",), None)
    assert whisper.command == "whisper-server --port {port} --model base"
    assert (whisper.port, whisper.ready, whisper.serves) == (9233, "/ready", ())
    assert rules(found.document) == {
        "gpt-4o-mini": "local/qwen3-8b=Qwen3-8B",
        "qwen": "local/qwen3-8b=Qwen3-8B",
    }
    told = "\n".join(found.report)
    for left in (
        "far: it listens",
        "odd: nobody says what ${nobody}",
        "groups",
        "healthCheckTimeout",
        "Qwen3-8B: filters",
    ):
        assert left in told


FILES = {"claude-code-router": ROUTER, "litellm": LITELLM, "llama-swap": SWAP}


@pytest.mark.parametrize("peer", FILES)
def test_each_is_taken_in_as_it_was_printed(
    shell: Shell, peer: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("DEEPSEEK_KEY", "ANTHROPIC", "OPENAI_API_KEY", "AZURE", "TEAM", "GROQ_API_KEY"):
        monkeypatch.setenv(name, "sk-of-the-environment")
    program = tmp_path / "llama-server"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    file = tmp_path / "theirs"
    file.write_text(FILES[peer])
    printed = tomllib.loads(shell.run("config", "import", "--from", peer, "--print", str(file)).stdout)
    assert not shell.data_dir.exists() or shell.json("mapping", "list") == [], "nothing is changed by looking"
    done = shell.run("config", "import", "--from", peer, "--yes", str(file))
    assert "done: " in done.stderr
    assert len(shell.json("mapping", "list")) == len(printed["mappings"])
    assert "nothing to do" in shell.run("config", "import", "--from", peer, "--yes", str(file)).stderr
    if peer == "llama-swap":
        assert "not carried over: whisper: there is no program 'whisper-server'" in done.stderr
        assert [row["name"] for row in shell.json("local", "list")] == ["qwen3-8b"]


WRONG = {
    "claude-code-router": ["{", "[]", "{}", '{"Providers": 5, "Router": 7}', '{"Providers": [1, {"name": "x", "api_base_url": "::"}]}'],
    "litellm": ["a: [", "[]", "model_list: 5", "model_list: [1, {model_name: a}, {model_name: b, litellm_params: {model: 5}}]"],
    "llama-swap": ["a: [", "models: 5", "models: {a: 5, b: {cmd: 7}}", "models: {}\nhooks: 7"],
}  # fmt: skip


@pytest.mark.parametrize("peer", WRONG)
def test_what_is_no_such_file_is_told(shell: Shell, peer: str, tmp_path: Path) -> None:
    file = tmp_path / "theirs"
    for text in WRONG[peer]:
        file.write_text(text)
        done = shell.run(
            "config", "import", "--from", peer, "--print", str(file), code=_code(shell, peer, file)
        )
        assert "Traceback" not in done.output
        assert (
            "this is no config" in done.stderr
            or "not carried over" in done.stderr
            or not done.stdout.strip("# \n")
        )


def _code(shell: Shell, peer: str, file: Path) -> int:
    from click.testing import CliRunner

    from pointsman.cli.main import main

    code = CliRunner().invoke(
        main, ["config", "import", "--from", peer, "--print", str(file), "--data-dir", str(shell.data_dir)]
    )
    assert code.exit_code in (0, 2), code.output
    return code.exit_code


values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=6), st.sampled_from(["openai/x", "http://a:1", "${A}", "a,b"])),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            ["model_name", "litellm_params", "model", "api_base", "api_key", "fallbacks", "model_group_alias", "name", "use", "cmd",
             "api_base_url", "transformer", "default", "macros", "env", "proxy", "ttl", "aliases", "preload", "on_startup"]
        ), inner, max_size=5,
    ),
    max_leaves=25,
)  # fmt: skip
sections = st.sampled_from(
    [
        "model_list",
        "litellm_settings",
        "router_settings",
        "models",
        "macros",
        "groups",
        "hooks",
        "Providers",
        "Router",
        "HOST",
    ]
)


@settings(deadline=None, max_examples=150)
@given(st.dictionaries(sections, values, max_size=5), st.sampled_from([*PEERS]))
def test_a_file_of_any_shape_is_read_or_refused(config: dict[str, Any], peer: str) -> None:
    wanted = {
        "litellm": ("model_list", []),
        "llama-swap": ("models", {}),
        "claude-code-router": ("Providers", []),
    }[peer]
    try:
        found = PEERS[peer](json.dumps({wanted[0]: wanted[1], **config}))
    except click.UsageError as error:
        assert "this is no config" in error.message
        return
    assert set(found.document) <= {"mappings", "credentials", "locals"}
    assert all(one["model_pattern"] for one in found.document.get("mappings", ()))
