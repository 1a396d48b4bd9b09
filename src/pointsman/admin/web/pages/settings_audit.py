"""`/ui/settings/audit`: who changed what, before and after, and Undo where it can be."""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple
from urllib.parse import urlencode

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse

from ...routers import audit
from ...routers.audit import AuditPage
from ...store.audit import Audited, AuditedRow
from ...store.nouns import TABLE_OF
from ...store.recording import DATABASE, PROGRAM
from ..view import Seen
from ..words import NONE, noun

router = APIRouter(include_in_schema=False)

PATH = "/ui/settings/audit"
_LONG = 200


class ChangedColumn(NamedTuple):
    """One column of a row, as text."""

    name: str
    before: str
    after: str


@router.get(PATH)
def show(view: Seen, page: Annotated[AuditPage, Query()]) -> HTMLResponse:
    """The newest first, or those of one kind or row."""
    found, cursor = audit.listed(view.control, page)
    asked = page.model_dump(exclude_none=True, exclude_defaults=True, exclude={"cursor"})
    return view.page(
        "settings/audit.html",
        entries=[(entry, [(row, _columns(row)) for row in entry.rows]) for entry in found],
        page=page,
        nouns=[*TABLE_OF, PROGRAM, DATABASE],
        older=f"{PATH}?{urlencode(asked | {'cursor': cursor})}" if cursor is not None else None,
        said=_said,
    )


def _said(entry: Audited) -> str:
    """`rule qwen* changed`, `3 rows: rule qwen* changed, ...`."""
    first = entry.rows[0] if entry.rows else None
    if first is None:
        return "what it changed is not kept"
    text = f"{noun(first.noun)} {first.name} {first.did}"
    return text if entry.changed == 1 else f"{entry.changed} rows: {text}, ..."


def _columns(row: AuditedRow) -> list[ChangedColumn]:
    names = sorted({*row.before, *row.after, *row.withheld})
    found = [ChangedColumn(name, _side(row, row.before, name), _side(row, row.after, name)) for name in names]
    return [one for one in found if (one.before, one.after) != (NONE, NONE)]


def _side(row: AuditedRow, values: dict[str, Any], name: str) -> str:
    if name not in values:
        return "not kept" if name in row.withheld else NONE
    value = values[name]
    if value is True or value is False:
        return "yes" if value else "no"
    text = NONE if value in (None, "", []) else str(value)
    return text if len(text) <= _LONG else f"{text[:_LONG]}…"
