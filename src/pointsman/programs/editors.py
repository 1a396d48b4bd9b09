"""Editors and chats: programs with a window of their own. [run]: tried as it stands against this gateway."""

from __future__ import annotations

from .program import DOCKER_HOST, Launch, Program, ProgramKind, SettingsFile, Snippet, Writing

_CLINE_PROVIDERS = SettingsFile(
    "~/.cline/data/settings/providers.json", gentle=("version",), stamps=("updatedAt",)
)

CLINE = Program(
    name="cline",
    title="Cline",
    kind=ProgramKind.EDITOR,
    agents=("cline*", "ai-sdk*", "openai-js", "sdk-js"),
    first='Ask it anything, or: cline "Say hello"',
    source="[Cline docs, OpenAI Compatible; the command run with 3.0.65]",
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
        Snippet(
            f"Which writes {_CLINE_PROVIDERS.path}",
            Writing.JSON,
            """\
{
  "version": 1,
  "lastUsedProvider": "openai-compatible",
  "providers": {
    "openai-compatible": {
      "settings": {
        "provider": "openai-compatible",
        "apiKey": <<{key}>>,
        "model": <<{model}>>,
        "baseUrl": <<{v1}>>
      },
      "updatedAt": "2026-11-28T12:00:00.000Z",
      "tokenSource": "manual"
    }
  }
}""",
            file=_CLINE_PROVIDERS,
        ),
    ),
)

_CONTINUE_CONFIG = SettingsFile(
    "~/.continue/config.yaml",
    variable="CONTINUE_GLOBAL_DIR",
    unread="config.json",
    rows="name",
    gentle=("name", "version", "schema"),
)

CONTINUE = Program(
    name="continue",
    title="Continue",
    kind=ProgramKind.EDITOR,
    agents=("continue*", "openai-js", "sdk-js", "node-fetch", "node"),
    first='Ask it anything, or: cn -p "Say hello"',
    source="[Continue docs, OpenAI; cn run with 1.5]",
    snippets=(
        Snippet(
            _CONTINUE_CONFIG.path,
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
            file=_CONTINUE_CONFIG,
        ),
    ),
)

_ZED_SETTINGS = SettingsFile("~/.config/zed/settings.json", rows="name")
_ZED_LAUNCH = Launch(
    "zed",
    "see the page Installing Zed of its documentation",
    variables=(("POINTSMAN_API_KEY", "{key}"),),
    example=".",
)

ZED = Program(
    name="zed",
    title="Zed",
    kind=ProgramKind.EDITOR,
    agents=("zed*",),
    first="Choose the model in the agent panel and ask it anything.",
    source="[Zed docs, Use API Access, OpenAI-Compatible Endpoints; its source, user_agent; not run]",
    snippets=(
        Snippet(
            f"{_ZED_SETTINGS.path} (command: zed: open settings file)",
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
            file=_ZED_SETTINGS,
        ),
        _ZED_LAUNCH.shell("The key, in the shell that starts it"),
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
    source="[Cursor help, Bring your own API key; reported: cursor/cursor#1380, cursor/cursor#2520, askalf/dario#190; not"
    " run]",
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
        "What you ask goes through Cursor's servers first, also for a local model, and so does the key.",
        "Only chats come here: Tab stays with Cursor's own models.",
        "The address counts for all of its OpenAI models. A name that looks like another maker's (claude-..., gemini-...)"
        " may go to that maker: use a name of your own, with a rule.",
    ),
    public=True,
    own="a store of its own",
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
    own="a database of its own",
)
