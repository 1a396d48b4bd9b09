"""Coding agents of a terminal. [run]: tried as it stands against this gateway."""

from __future__ import annotations

from .program import Launch, Program, ProgramKind, SettingsFile, Snippet, Writing

_SHELL = "In the shell that starts it"

_CLAUDE_SETTINGS = SettingsFile("~/.claude/settings.json", variable="CLAUDE_CONFIG_DIR")
_CLAUDE_LAUNCH = Launch(
    "claude",
    "npm install -g @anthropic-ai/claude-code",
    variables=(
        ("ANTHROPIC_BASE_URL", "{url}"),
        ("ANTHROPIC_AUTH_TOKEN", "{key}"),
        ("ANTHROPIC_MODEL", "{model}"),
        ("ANTHROPIC_DEFAULT_HAIKU_MODEL", "{model}"),
    ),
    clears=(
        "ANTHROPIC_API_KEY",
        "CLAUDE_CODE_USE_BEDROCK",
        "CLAUDE_CODE_USE_VERTEX",
        "CLAUDE_CODE_USE_FOUNDRY",
    ),
    file_option="--settings",
)

CLAUDE_CODE = Program(
    name="claude-code",
    title="Claude Code",
    kind=ProgramKind.AGENT,
    agents=("claude-cli", "claude-code"),
    first='claude -p "Say hello"',
    typed=True,
    source="[Claude Code docs, LLM gateway protocol; run with 2.1]",
    snippets=(
        _CLAUDE_LAUNCH.shell(_SHELL),
        Snippet(
            f"Or for always: {_CLAUDE_SETTINGS.path}",
            Writing.JSON,
            """\
{
  "env": {
    "ANTHROPIC_BASE_URL": <<{url}>>,
    "ANTHROPIC_AUTH_TOKEN": <<{key}>>,
    "ANTHROPIC_MODEL": <<{model}>>,
    "ANTHROPIC_DEFAULT_HAIKU_MODEL": <<{model}>>
  }
}""",
            file=_CLAUDE_SETTINGS,
        ),
    ),
    launch=_CLAUDE_LAUNCH,
    notes=(
        "The address has no /v1.",
        "The small model is for its side requests; without that line it asks for a Claude name, which then needs a rule.",
        "It takes a name that it does not know for a model with a window of 200,000 tokens.",
    ),
)

_CODEX_CONFIG = SettingsFile("~/.codex/config.toml", variable="CODEX_HOME")

CODEX = Program(
    name="codex",
    title="Codex",
    kind=ProgramKind.AGENT,
    agents=("codex*",),
    first='codex exec --skip-git-repo-check "Say hello"',
    typed=True,
    source="[Codex source, 0.169; run with 0.171]",
    snippets=(
        Snippet(
            _CODEX_CONFIG.path,
            Writing.TOML,
            """\
model = <<{model}>>
model_provider = "pointsman"

[model_providers.pointsman]
name = "Pointsman"
base_url = <<{v1}>>
wire_api = "responses"

[model_providers.pointsman.auth]
command = "echo"
args = [<<{key}>>]""",
            file=_CODEX_CONFIG,
        ),
    ),
    launch=Launch(
        "codex",
        "npm install -g @openai/codex",
        variables=(("POINTSMAN_API_KEY", "{key}"),),
        option="-c",
        arguments=(
            "-c",
            'model_providers.pointsman.auth.command="printenv"',
            "-c",
            'model_providers.pointsman.auth.args=["POINTSMAN_API_KEY"]',
        ),
    ),
    notes=(
        "The first two lines stand at the top of the file, before any [section].",
        'Its line "Model metadata for NAME not found" is harmless: it then guesses the model\'s window.',
    ),
)

_OPENCODE_CONFIG = SettingsFile(
    "~/.config/opencode/opencode.json", others=("opencode.jsonc",), gentle=("$schema",)
)

OPENCODE = Program(
    name="opencode",
    title="opencode",
    kind=ProgramKind.AGENT,
    agents=("opencode*",),
    first='opencode run "Say hello"',
    typed=True,
    source="[opencode docs, Providers; run with 1.18]",
    snippets=(
        Snippet(
            f"{_OPENCODE_CONFIG.path}, or opencode.json in a project",
            Writing.JSON,
            """\
{
  "$schema": "https://opencode.ai/config.json",
  "model": <<pointsman/{model}>>,
  "provider": {
    "pointsman": {
      "npm": "@ai-sdk/openai-compatible",
      "name": "Pointsman",
      "options": { "baseURL": <<{v1}>>, "apiKey": <<{key}>> },
      "models": { <<{model}>>: {} }
    }
  }
}""",
            file=_OPENCODE_CONFIG,
        ),
    ),
    launch=Launch("opencode", "npm install -g opencode-ai", whole="OPENCODE_CONFIG_CONTENT"),
)

_AIDER_CONFIG = SettingsFile("~/.aider.conf.yml")
_AIDER_LAUNCH = Launch(
    "aider",
    "python -m pip install aider-install && aider-install",
    variables=(
        ("AIDER_OPENAI_API_BASE", "{v1}"),
        ("AIDER_OPENAI_API_KEY", "{key}"),
        ("AIDER_MODEL", "openai/{model}"),
    ),
)

AIDER = Program(
    name="aider",
    title="aider",
    kind=ProgramKind.AGENT,
    agents=("aider*", "litellm", "openai-python"),
    first='aider --message "Say hello"',
    typed=True,
    source="[aider docs, OpenAI compatible APIs; run with 0.86]",
    snippets=(
        _AIDER_LAUNCH.shell(_SHELL),
        Snippet(
            f"Or for always: {_AIDER_CONFIG.path}",
            Writing.YAML,
            """\
model: <<openai/{model}>>
openai-api-base: <<{v1}>>
openai-api-key: <<{key}>>""",
            file=_AIDER_CONFIG,
        ),
    ),
    launch=_AIDER_LAUNCH,
    notes=("openai/ before the name says which protocol it speaks; the gateway gets the name without it.",),
)

_GOOSE_CONFIG = SettingsFile("~/.config/goose/config.yaml")
_GOOSE_LAUNCH = Launch(
    "goose",
    "see the page Install goose of its documentation",
    variables=(
        ("GOOSE_PROVIDER", "openai"),
        ("GOOSE_MODEL", "{model}"),
        ("OPENAI_HOST", "{url}"),
        ("OPENAI_BASE_PATH", "v1/chat/completions"),
        ("OPENAI_API_KEY", "{key}"),
    ),
    example="session",
)

GOOSE = Program(
    name="goose",
    title="goose",
    kind=ProgramKind.AGENT,
    agents=("",),
    first='goose run -t "Say hello"',
    typed=True,
    source="[goose docs, Configure LLM Provider; its source, openai_def.rs, api_client.rs; its SDK 0.1.0a13 run]",
    snippets=(
        _GOOSE_LAUNCH.shell(_SHELL),
        Snippet(
            f"Or for always, but for the key: {_GOOSE_CONFIG.path}",
            Writing.YAML,
            """\
GOOSE_PROVIDER: openai
GOOSE_MODEL: <<{model}>>
OPENAI_HOST: <<{url}>>
OPENAI_BASE_PATH: v1/chat/completions""",
            file=_GOOSE_CONFIG,
        ),
    ),
    launch=_GOOSE_LAUNCH,
    notes=("The host has no /v1: goose adds the path. A key in its config.yaml is not read.",),
)

_CRUSH_CONFIG = SettingsFile("~/.config/crush/crush.json", rows="id", gentle=("$schema",))

CRUSH = Program(
    name="crush",
    title="crush",
    kind=ProgramKind.AGENT,
    agents=("charm-crush", "crush", "openai-go"),
    first='crush run "Say hello"',
    typed=True,
    source="[crush README, Custom Providers; its source, userAgent; not run]",
    snippets=(
        Snippet(
            f"{_CRUSH_CONFIG.path}, or crush.json in a project",
            Writing.JSON,
            """\
{
  "$schema": "https://charm.land/crush.json",
  "models": {
    "large": { "model": <<{model}>>, "provider": "pointsman" },
    "small": { "model": <<{model}>>, "provider": "pointsman" }
  },
  "providers": {
    "pointsman": {
      "name": "Pointsman",
      "type": "openai-compat",
      "base_url": <<{v1}>>,
      "api_key": <<{key}>>,
      "models": [
        { "id": <<{model}>>, "name": <<{model}>>, "context_window": {window}, "default_max_tokens": 4096 }
      ]
    }
  }
}""",
            file=_CRUSH_CONFIG,
        ),
    ),
    launch=Launch("crush", "npm install -g @charmland/crush", folder="CRUSH_GLOBAL_DATA"),
    notes=("context_window is when it summarises: set it to the model's.",),
)

_QWEN_SETTINGS = SettingsFile("~/.qwen/settings.json")
_QWEN_LAUNCH = Launch(
    "qwen",
    "npm install -g @qwen-code/qwen-code",
    variables=(("OPENAI_BASE_URL", "{v1}"), ("OPENAI_API_KEY", "{key}"), ("OPENAI_MODEL", "{model}")),
    arguments=("--auth-type", "openai", "--model", "{model}"),
)

QWEN_CODE = Program(
    name="qwen-code",
    title="Qwen Code",
    kind=ProgramKind.AGENT,
    agents=("qwencode", "qwen-code"),
    first='qwen -p "Say hello"',
    typed=True,
    source="[run with 0.24]",
    snippets=(
        _QWEN_LAUNCH.shell(_SHELL),
        Snippet(
            f"Or for always: {_QWEN_SETTINGS.path}",
            Writing.JSON,
            """\
{
  "security": {
    "auth": { "selectedType": "openai", "apiKey": <<{key}>>, "baseUrl": <<{v1}>> }
  },
  "model": { "name": <<{model}>> }
}""",
            file=_QWEN_SETTINGS,
        ),
    ),
    launch=_QWEN_LAUNCH,
)
