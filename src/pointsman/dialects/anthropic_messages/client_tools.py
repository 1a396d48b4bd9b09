"""The vendor's client tools (bash, text editor, memory) spelt out as plain function tools, for models that were not trained
on them by name (docs/protocols/tools.md#client-tools-by-name). Not here: the tools that only the
vendor can run or that need a screen.
"""

from __future__ import annotations

import re
from typing import Any

_CLIENT_TOOL = re.compile(r"(bash|text_editor|memory)_(\d{8})").fullmatch
_NAMES = {"bash": "bash", "text_editor": "str_replace_based_edit_tool", "memory": "memory"}
_UNDO_UNTIL = "20250429"
"""Text editors older than this can undo."""


def _text(description: str) -> dict[str, Any]:
    return {"type": "string", "description": description}


_PATH = _text("Absolute path of the file or directory.")
_RANGE = {
    "type": "array",
    "items": {"type": "integer"},
    "description": "For view: first and last line to show, counted from 1; -1 as the last means the end of the file.",
}
_LINE = {
    "type": "integer",
    "description": "For insert: the line after which the text goes; 0 is the beginning of the file.",
}
_BASH = {
    "type": "object",
    "properties": {
        "command": _text("The shell command to run. Needed unless restart is true."),
        "restart": {
            "type": "boolean",
            "description": "True starts the shell anew instead of running a command.",
        },
    },
}
_FILE_TEXT = _text("For create: the whole content of the new file.")
_OLD = _text("For str_replace: the text to replace. It must occur exactly once in the file.")
_NEW = _text("For str_replace: the text that takes its place; leave it out to delete the old text.")


def _editor(undo: bool) -> dict[str, Any]:
    commands = ["view", "create", "str_replace", "insert", *(["undo_edit"] if undo else [])]
    return {
        "type": "object",
        "properties": {
            "command": {"type": "string", "enum": commands, "description": "What to do."},
            "path": _PATH,
            "file_text": _FILE_TEXT,
            "old_str": _OLD,
            "new_str": _NEW if not undo else _text("For str_replace and insert: the new text."),
            "insert_line": _LINE,
            **({} if undo else {"insert_text": _text("For insert: the text to put in.")}),
            "view_range": _RANGE,
        },
        "required": ["command", "path"],
    }


_MEMORY = {
    "type": "object",
    "properties": {
        "command": {
            "type": "string",
            "enum": ["view", "create", "str_replace", "insert", "delete", "rename"],
            "description": "What to do.",
        },
        "path": _text("Path under /memories. Needed by every command but rename."),
        "file_text": _FILE_TEXT,
        "old_str": _OLD,
        "new_str": _NEW,
        "insert_line": _LINE,
        "insert_text": _text("For insert: the text to put in."),
        "old_path": _text("For rename: the path it has now."),
        "new_path": _text("For rename: the path it gets."),
        "view_range": _RANGE,
    },
    "required": ["command"],
}
_DESCRIPTIONS = {
    "bash": "Runs a command in a shell session that stays open between calls, and gives back what it printed.",
    "text_editor": "Views, creates and edits text files: view, create, str_replace, insert.",
    "memory": (
        "Keeps notes between conversations as files under /memories. View the directory before you start, to see what"
        " is known already; write down what a later conversation will need."
    ),
}


def spelt_out(tool_type: str) -> tuple[str, str, dict[str, Any]] | None:
    """(usual name, description, JSON Schema) of a client tool by its type; None for every other type."""
    match = _CLIENT_TOOL(tool_type)
    if match is None:
        return None
    family, version = match[1], match[2]
    undo = family == "text_editor" and version < _UNDO_UNTIL
    name = "str_replace_editor" if undo else _NAMES[family]
    schema = {"bash": _BASH, "memory": _MEMORY}.get(family) or _editor(undo)
    return name, _DESCRIPTIONS[family], schema
