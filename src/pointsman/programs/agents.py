"""Agents, editors and chats: programs that people use. [run]: tried as it stands against this gateway."""

from __future__ import annotations

from .program import DOCKER_HOST, Program, ProgramKind, Snippet, Writing

CLAUDE_CODE = Program(
    name="claude-code",
    title="Claude Code",
    kind=ProgramKind.AGENT,
    agents=("claude-cli", "claude-code"),
    first='claude -p "Say hello"',
    typed=True,
    source="[Claude Code docs, LLM gateway protocol; run with 2.1]",
    snippets=(
        Snippet(
            "In the shell that starts it",
            Writing.SH,
            """\
export ANTHROPIC_BASE_URL=<<{url}>>
export ANTHROPIC_AUTH_TOKEN=<<{key}>>
export ANTHROPIC_MODEL=<<{model}>>
export ANTHROPIC_DEFAULT_HAIKU_MODEL=<<{model}>>
claude""",
        ),
        Snippet(
            "Or for always: ~/.claude/settings.json",
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
        ),
    ),
    notes=(
        "The address has no /v1.",
        "The small model is for its side requests; without that line it asks for a Claude name, which then needs a rule.",
        "It takes a name that it does not know for a model with a window of 200,000 tokens.",
    ),
)

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
            "~/.codex/config.toml",
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
        ),
    ),
    notes=(
        "The first two lines stand at the top of the file, before any [section].",
        'Its line "Model metadata for NAME not found" is harmless: it then guesses the model\'s window.',
    ),
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
            "~/.config/opencode/opencode.json, or opencode.json in a project",
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
        ),
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
        Snippet(
            "In the shell that starts it",
            Writing.SH,
            """\
export OPENAI_API_BASE=<<{v1}>>
export OPENAI_API_KEY=<<{key}>>
aider --model <<openai/{model}>>""",
        ),
    ),
    notes=("openai/ before the name says which protocol it speaks; the gateway gets the name without it.",),
)

GOOSE = Program(
    name="goose",
    title="goose",
    kind=ProgramKind.AGENT,
    agents=(),
    first='goose run -t "Say hello"',
    typed=True,
    source="[goose docs, Configure LLM Provider]",
    snippets=(
        Snippet(
            "In the shell that starts it",
            Writing.SH,
            """\
export GOOSE_PROVIDER=openai
export GOOSE_MODEL=<<{model}>>
export OPENAI_HOST=<<{url}>>
export OPENAI_BASE_PATH=v1/chat/completions
export OPENAI_API_KEY=<<{key}>>
goose session""",
        ),
    ),
    notes=("The host has no /v1: goose adds the path. A key in its config.yaml is not read.",),
)

CRUSH = Program(
    name="crush",
    title="crush",
    kind=ProgramKind.AGENT,
    agents=("charm-crush", "crush", "openai-go"),
    first='crush run "Say hello"',
    typed=True,
    source="[crush README, Custom Providers; its source, userAgent]",
    snippets=(
        Snippet(
            "~/.config/crush/crush.json, or crush.json in a project",
            Writing.JSON,
            """\
{
  "$schema": "https://charm.land/crush.json",
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
        ),
    ),
    notes=("context_window is when it summarises: set it to the model's.",),
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
        Snippet(
            "In the shell that starts it",
            Writing.SH,
            """\
export OPENAI_BASE_URL=<<{v1}>>
export OPENAI_API_KEY=<<{key}>>
export OPENAI_MODEL=<<{model}>>
qwen""",
        ),
    ),
)

CLINE = Program(
    name="cline",
    title="Cline",
    kind=ProgramKind.EDITOR,
    agents=("cline*", "*-js"),
    first="Ask it anything.",
    source="[Cline docs, OpenAI Compatible; the command run with 3.0]",
    snippets=(
        Snippet(
            "In the extension's settings",
            Writing.FIELDS,
            """\
API Provider: OpenAI Compatible
Base URL: <<{v1}>>
OpenAI Compatible API Key: <<{key}>>
Model ID: <<{model}>>""",
        ),
        Snippet(
            "Or the command line",
            Writing.SH,
            "cline auth -p openai-compatible -k <<{key}>> -m <<{model}>> -b <<{v1}>>",
        ),
    ),
)

CONTINUE = Program(
    name="continue",
    title="Continue",
    kind=ProgramKind.EDITOR,
    agents=("continue*", "*-js", "node-fetch", "node"),
    first='Ask it anything, or: cn -p "Say hello"',
    source="[Continue docs, OpenAI; cn run with 1.5]",
    snippets=(
        Snippet(
            "~/.continue/config.yaml",
            Writing.YAML,
            """\
name: Pointsman
version: 0.0.1
schema: v1
models:
  - name: <<{model}>>
    provider: openai
    model: <<{model}>>
    apiBase: <<{v1}>>
    apiKey: <<{key}>>""",
        ),
    ),
)

ZED = Program(
    name="zed",
    title="Zed",
    kind=ProgramKind.EDITOR,
    agents=("zed*",),
    first="Choose the model in the agent panel and ask it anything.",
    source="[Zed docs, Use API Access, OpenAI-Compatible Endpoints; its source, user_agent]",
    snippets=(
        Snippet(
            "settings.json (command: zed: open settings file)",
            Writing.JSON,
            """\
{
  "language_models": {
    "openai_compatible": {
      "Pointsman": {
        "api_url": <<{v1}>>,
        "available_models": [
          { "name": <<{model}>>, "display_name": <<{model}>>, "max_tokens": {window} }
        ]
      }
    }
  }
}""",
        ),
        Snippet(
            "The key, in the shell that starts it",
            Writing.SH,
            """\
export POINTSMAN_API_KEY=<<{key}>>
zed .""",
        ),
    ),
    notes=(
        "max_tokens is the model's window.",
        "Or type the key in under agent: open settings, LLM Providers; Zed keeps it in the system's keychain.",
    ),
)

CURSOR = Program(
    name="cursor",
    title="Cursor",
    kind=ProgramKind.EDITOR,
    agents=(),
    first="Choose the model in the chat and ask it anything.",
    source="[reported: cursor/cursor#1380, cursor/cursor#2520, askalf/dario#190]",
    snippets=(
        Snippet(
            "Cursor Settings, Models, API Keys",
            Writing.FIELDS,
            """\
OpenAI API Key: <<{key}>>
Override OpenAI Base URL: <<{v1}>>
Add Custom Model: <<{model}>>""",
        ),
    ),
    notes=(
        "What you ask goes through Cursor's servers first, also for a local model.",
        "The address counts for all of its OpenAI models. A name that looks like another maker's (claude-..., gemini-...)"
        " may go to that maker: use a name of your own, with a rule.",
    ),
    public=True,
)

OPEN_WEBUI = Program(
    name="open-webui",
    title="Open WebUI",
    kind=ProgramKind.CHAT,
    agents=("open-webui*", "python", "python-aiohttp"),
    first="Choose the model in a new chat and say hello.",
    source="[Open WebUI docs, Environment Variable Configuration; Docker docs, host.docker.internal]",
    snippets=(
        Snippet(
            "In a container",
            Writing.SH,
            f"""\
docker run -d -p 3000:8080 --add-host {DOCKER_HOST}:host-gateway \\
  -e OPENAI_API_BASE_URL=<<{{docker}}>> -e OPENAI_API_KEY=<<{{key}}>> \\
  -v open-webui:/app/backend/data --name open-webui ghcr.io/open-webui/open-webui:main""",
        ),
        Snippet(
            "Not in a container: Admin Panel, Settings, Connections, OpenAI API",
            Writing.FIELDS,
            """\
URL: <<{v1}>>
Key: <<{key}>>""",
        ),
    ),
    notes=(
        f"In a container 127.0.0.1 is the container: it reaches this machine as {DOCKER_HOST}. On Linux the gateway must"
        f" then listen beyond loopback and know that name: pointsman serve --host 0.0.0.0 --allow-host {DOCKER_HOST}"
        " (which needs a client key); with Docker Desktop --allow-host alone will do.",
        "What is typed under Connections wins over the variables after the first start.",
    ),
)
