"""All programs, in the order of the list."""

from __future__ import annotations

from fnmatch import fnmatchcase
from functools import lru_cache

from . import agents, editors, libraries
from .program import Program

PROGRAMS: tuple[Program, ...] = (
    agents.CLAUDE_CODE,
    agents.CODEX,
    agents.OPENCODE,
    agents.AIDER,
    agents.GOOSE,
    agents.CRUSH,
    agents.QWEN_CODE,
    editors.CLINE,
    editors.CONTINUE,
    editors.ZED,
    editors.CURSOR,
    editors.OPEN_WEBUI,
    libraries.OPENAI_PYTHON,
    libraries.OPENAI_TYPESCRIPT,
    libraries.ANTHROPIC_PYTHON,
    libraries.ANTHROPIC_TYPESCRIPT,
    libraries.LANGCHAIN,
    libraries.VERCEL,
    libraries.CURL,
    libraries.OLLAMA,
    libraries.LLM,
)

BY_NAME: dict[str, Program] = {program.name: program for program in PROGRAMS}


@lru_cache(maxsize=256)
def called(client: str) -> frozenset[str]:
    """What else a program is called that usage calls so: `claude-cli` is claude-code, too. Names that several programs have
    (`openai-python`) tell of none of them."""
    own = [(pattern, one.name) for one in PROGRAMS for pattern in one.agents if _is_own(pattern, one.name)]
    found = max(
        (pair for pair in own if fnmatchcase(client, pair[0])), default=None, key=lambda one: len(one[0])
    )
    return frozenset(filter(None, (client, found and found[1])))


def _is_own(pattern: str, program: str) -> bool:
    others = (one for one in PROGRAMS if one.name != program)
    first = pattern == BY_NAME[program].agents[0] and not pattern.startswith("*")
    named = pattern.startswith(program.partition("-")[0])
    return (first or named) and not any(pattern in one.agents for one in others)
