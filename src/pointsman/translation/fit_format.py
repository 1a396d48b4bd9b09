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
from ..jsonschema.rewrite import Unsupported, for_anthropic, is_openai_strict, safe_for_grammar

_JSON_LINE = (
    "Answer with exactly one JSON object and nothing else: no words before or after it, and no code fence."
)
_SCHEMA_LINE = _JSON_LINE + " It must be valid under this JSON Schema:\n"


def fit_format(made: Request, profile: Profile, notes: Notes) -> None:
    """Changes `made`. Raises PointsmanError 400 under strict."""
    found = made.format
    if found is None:
        return
    if found.type == "json_object" or found.schema is None:
        if not profile.json_object:
            notes.emulate("format", "the model is asked in its system prompt for one JSON object")
            _ask_in_words(made, _JSON_LINE, None)
        return
    schema = found.schema
    if profile.safe_schemas:
        schema, reduced = safe_for_grammar(schema)
        if reduced:
            notes.change("format", "its schema was reduced to what grammar compilers stand")
            found = made.format = msgspec.structs.replace(found, schema=schema)
    kept = _enforced(found, schema, profile, notes) if profile.structured else None
    if kept is not None:
        made.format = kept
        return
    notes.emulate("format", "the model is asked in its system prompt to keep to the schema")
    plain = OutputFormat("json_object") if profile.json_object else None
    _ask_in_words(made, _SCHEMA_LINE + msgspec.json.encode(schema).decode(), plain)


def _enforced(
    found: OutputFormat, schema: dict[str, Any], profile: Profile, notes: Notes
) -> OutputFormat | None:
    """As the backend's grammar can enforce it, None where it cannot."""
    if profile.schema_subset == "closed":
        try:
            schema, changed = for_anthropic(schema)
        except Unsupported:
            return None
        if changed:
            notes.change("format", "constraints its grammar does not know were put into descriptions")
        return msgspec.structs.replace(found, schema=schema)
    if profile.schema_subset == "required" and found.strict is not False:
        # Enforced strictly only where the schema allows it (docs/protocols/requests.md#openais-strict-schemas)
        fits = is_openai_strict(schema)
        if found.strict and not fits:
            notes.change("format", "its schema is not one that the backend can enforce strictly")
        return msgspec.structs.replace(found, strict=fits)
    return found


def _ask_in_words(made: Request, line: str, plain: OutputFormat | None) -> None:
    made.system = [*made.system, Text(line)]
    made.format = plain
