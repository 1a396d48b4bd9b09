"""The output format made to fit: schemas rewritten, or asked for in words
(docs/protocols/requests.md#structured-output).

See adapt.py.
"""

from __future__ import annotations

from typing import Any

import msgspec

from ..conversation.notes import Notes
from ..conversation.parts import Text
from ..conversation.profile import Profile
from ..conversation.request import OutputFormat, Request
from ..jsonschema.rewrite import (
    Room,
    Unsupported,
    for_anthropic,
    is_openai_strict,
    safe_for_grammar,
    with_items,
)
from ..jsonschema.structure import type_names

_LINE = "Answer with exactly one JSON {} and nothing else: no words before or after it, and no code fence."
_JSON_LINE = _LINE.format("object")
_SCHEMA_LINE = _LINE + " It must be valid under this JSON Schema:\n"


def fit_format(made: Request, profile: Profile, notes: Notes, room: Room) -> None:
    """Changes `made`. room: of the request's strict schemas; the format, which holds for the whole answer, comes before
    the tools. Raises PointsmanError 400 under strict."""
    found = made.format
    if found is None:
        return
    if found.type == "json_object" or found.schema is None:
        if not profile.json_object:
            notes.emulate("format", "the model is asked in its system prompt for one JSON object")
            _ask_in_words(made, _JSON_LINE, None)
        elif profile.json_word and not _says_json(made):
            # "must contain the word 'json' in some form, to use ... type 'json_object'", else a 400
            notes.emulate("format", "the backend wants the word JSON in the prompt, so it is asked for there")
            _ask_in_words(made, _JSON_LINE, found)
        return
    schema = found.schema
    if profile.safe_schemas:
        schema, reduced = safe_for_grammar(schema)
        if reduced:
            notes.change("format", "its schema was reduced to what grammar compilers stand")
            found = made.format = msgspec.structs.replace(found, schema=schema)
    kept = _enforced(found, schema, profile, notes, room) if profile.structured else None
    if kept is not None:
        made.format = kept
        return
    notes.emulate("format", "the model is asked in its system prompt to keep to the schema")
    an_object = "object" in type_names(schema) or "type" not in schema
    plain = OutputFormat("json_object") if profile.json_object and an_object else None
    words = f"\nIt is: {found.description}" if found.description else ""
    line = _SCHEMA_LINE.format("object" if an_object else "value")
    _ask_in_words(made, line + msgspec.json.encode(schema).decode() + words, plain)


def _enforced(
    found: OutputFormat, schema: dict[str, Any], profile: Profile, notes: Notes, room: Room
) -> OutputFormat | None:
    """As the backend's grammar can enforce it, None where it cannot."""
    if profile.schema_subset == "closed":
        try:
            schema, changed = for_anthropic(schema, room)
        except Unsupported:
            return None
        if changed:
            notes.change("format", "constraints its grammar does not know were put into descriptions")
        return msgspec.structs.replace(found, schema=schema)
    if profile.schema_subset == "required" and not profile.safe_schemas:
        schema = with_items(schema)
        if schema.get("type") != "object":
            return None  # a 400, strict or not (docs/protocols/requests.md#openais-strict-schemas)
        if schema is not found.schema:
            found = msgspec.structs.replace(found, schema=schema)
    if profile.schema_subset == "required" and found.strict is not False:
        # Enforced strictly only where the schema allows it (docs/protocols/requests.md#openais-strict-schemas)
        fits = is_openai_strict(schema)
        if found.strict and not fits:
            notes.change("format", "its schema is not one that the backend can enforce strictly")
        return msgspec.structs.replace(found, strict=fits)
    return found


def _says_json(made: Request) -> bool:
    texts = [*made.system, *(part for message in made.messages for part in message.parts)]
    return any(isinstance(text, Text) and "json" in text.text.lower() for text in texts)


def _ask_in_words(made: Request, line: str, plain: OutputFormat | None) -> None:
    made.system = [*made.system, Text(line)]
    made.format = plain
