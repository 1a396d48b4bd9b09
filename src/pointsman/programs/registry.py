"""All programs, in the order of the list."""

from __future__ import annotations

from . import agents, libraries
from .program import Program

PROGRAMS: tuple[Program, ...] = (
    agents.CLAUDE_CODE,
    agents.CODEX,
    agents.OPENCODE,
    agents.AIDER,
    agents.GOOSE,
    agents.CRUSH,
    agents.QWEN_CODE,
    agents.CLINE,
    agents.CONTINUE,
    agents.ZED,
    agents.CURSOR,
    agents.OPEN_WEBUI,
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
