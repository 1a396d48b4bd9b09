"""`/api/config`: all that people set as one document without secrets, what another one would change, and changing it."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from ...errors import PointsmanError
from ...kinds import Customs, ErrorKind
from ..control.control_plane import ControlPlane
from ..store import customs, prices
from ..store.configuration.changes import (
    ConfigChanges,
    apply,
    compared,
    exported,
    settings_changes,
    settings_of,
    untold,
)
from ..store.configuration.document import ConfigDocument
from .base import Run, errors
from .prices import check_reference

router = APIRouter(prefix="/api/config", tags=["config"])

Prune = Annotated[bool, Query(description="What the document's sections do not have goes.")]


class ConfigExported(BaseModel):
    """document: every section is in it. notes: what of the rows it cannot say."""

    document: dict[str, Any]
    notes: list[str]


class ConfigWish(BaseModel):
    """keys: by the names that `key_env` says in the document; they are sealed and never told again."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    document: ConfigDocument
    keys: dict[str, Annotated[str, Field(min_length=1, max_length=10_000)]] = Field(
        default_factory=dict, repr=False
    )


@router.get("", responses=errors())
def show(control: Run) -> ConfigExported:
    """Rules, backends, keys, groups, prices, webhooks and what else people set, without keys and secrets."""
    with control.read() as session:
        document, notes = exported(session)
    return ConfigExported(document=document, notes=notes)


@router.get("/schema", responses=errors())
def schema(control: Run) -> dict[str, Any]:
    """The document's JSON Schema."""
    return ConfigDocument.model_json_schema()


@router.post("/diff", responses=errors())
def diff(control: Run, body: ConfigWish, prune: Prune = False) -> ConfigChanges:
    """What the document would change. Changes nothing."""
    with control.read() as session:
        steps = compared(session, body.document, body.keys, prune=prune)
        notes = untold(session) if prune and body.document.keys is not None else []
        found = settings_changes(session, body.document) + [one.told for one in steps]
    return ConfigChanges(changes=found, notes=notes)


@router.post("/apply", responses=errors(409))
def put(control: Run, body: ConfigWish, prune: Prune = False) -> ConfigChanges:
    """Change what the document says: all of it, or nothing where one part cannot be. What was made is told with its
    secret."""
    document = body.document
    with control.change() as session:
        found = settings_changes(session, document)
        steps = compared(session, document, body.keys, prune=prune)
        missing = [one.told.title for one in steps if one.told.key == "missing"]
        if missing:
            raise PointsmanError(
                ErrorKind.INVALID,
                f"The file has no key for {', '.join(missing)}: name the environment variable that has it (key_env), or set"
                f" it first with: pointsman credential set {missing[0]}.",
                param="key_env",
            )
        for change, secret in apply(session, control.vault, steps):
            change.secret = None if secret is None else secret.reveal()
            found.append(change)
        compare = settings_of(document).get("compare")
        if compare is not None:
            if compare:
                check_reference(session, compare)
            prices.set_reference(session, compare or None)
        if document.customs is not None:
            customs.set_for_all(session, None if document.customs == "off" else Customs(document.customs))
    _keep_usage(control, document)
    return ConfigChanges(changes=found)


def _keep_usage(control: ControlPlane, document: ConfigDocument) -> None:
    days = document.usage_days
    if days is not None and (days or None) != control.retention.days:
        control.retention.keep(days or None)
