"""The list of models that all protocols share at `/v1/models`, made of what each one's clients read: unknown keys are
ignored by both vendors' SDKs (docs/protocols/models.md#one-list-for-both-parsers). Not here: which
models there are (gateway/own)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from .endpoint import Listed
from .registry import DIALECTS


def render_model(model: Listed) -> bytes:
    """One model, for every protocol's parsers at once."""
    return msgspec.json.encode(_entry(model))


def render_list(models: Sequence[Listed], query: bytes) -> bytes:
    """The list, in a shape of its own where the query says that such a client asks. models: best first."""
    asked = _asked(query)
    body: dict[str, Any] = {"data": [_entry(model) for model in models]}
    for dialect in DIALECTS.values():
        endpoint = dialect.endpoint
        if endpoint.catalogue is not None and endpoint.catalogue.asked_by in asked:
            return endpoint.catalogue.render(models)
        body |= endpoint.list_fields(models)
    return msgspec.json.encode(body)


def _asked(query: bytes) -> set[bytes]:
    return {pair.partition(b"=")[0] for pair in query.split(b"&")}


def _entry(model: Listed) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for dialect in DIALECTS.values():
        fields |= dialect.endpoint.model_fields(model)
    return fields
