"""`/ui/settings/captures`: of whose requests the bodies are kept for a while, and what is kept. The bodies themselves are
shown with their request (requests.py)."""

from __future__ import annotations

from typing import Annotated, NamedTuple

from fastapi import APIRouter, Query, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from ....errors import PointsmanError
from ....kinds import ErrorKind
from ...control.captured import MOST_BYTES, MOST_FILES
from ...routers import captures
from ...routers.base import RowId
from ...routers.captures import RequestId
from ...store import client_keys, mappings, rows
from ...store.asking import last_entry
from ...store.schemas import CaptureCreate, CapturedSummary, CaptureResponse
from ..view import Seen, Sent, View, row_number

router = APIRouter(include_in_schema=False)

PATH = "/ui/settings/captures"
TIMES = {"15": "15 minutes", "60": "an hour", "360": "6 hours", "1440": "a day"}
SIZES = {"64000": "64 KB", "256000": "256 KB", "1000000": "1 MB"}


class Capturing(NamedTuple):
    """One that runs. whose: the rule's pattern or the key's name."""

    capture: CaptureResponse
    whose: str


class Whose(NamedTuple):
    """What can be captured. value: `rule:3`, `key:5`."""

    value: str
    title: str


@router.get(PATH)
def show(view: Seen, of: Annotated[str, Query(max_length=40)] = "") -> HTMLResponse:
    """What runs, the form that starts one, and what is kept. of: whose is chosen in the form."""
    choices = _choices(view)
    titles = {one.value: one.title for one in choices}
    captured = view.control.captured
    kept = captures.show_captured(view.control)
    return view.page(
        "settings/captures.html",
        running=[_running(one, titles) for one in captures.show_list(view.control)],
        choices=choices,
        of=of,
        times=TIMES,
        sizes=SIZES,
        kept=[(one, titles.get(_value(one), "gone")) for one in kept],
        bytes=captured.size(),
        folder=str(captured.folder),
        most=(MOST_FILES, MOST_BYTES),
        problem=view.control.vault.problem,
    )


@router.post(PATH)
def start(view: Seen, form: Sent) -> RedirectResponse:
    """Keeps bodies from now on."""
    kind, _, number = form.text("of").partition(":")
    row = row_number(number)
    if kind not in ("rule", "key") or row is None:
        raise PointsmanError(ErrorKind.INVALID, "Choose whose bodies are kept: a rule's, or a client key's.")
    wish = {
        "mapping_id" if kind == "rule" else "key_id": row,
        "minutes": form.number("minutes") or 0,
        "most_bytes": form.number("most_bytes") or 0,
    }
    captures.add(view.control, rows.valid(CaptureCreate, wish), Response())
    return view.done("Bodies are kept from now on.", PATH, undo=last_entry())


@router.post(f"{PATH}/clear")
def clear(view: Seen) -> RedirectResponse:
    """Deletes all bodies, for good."""
    captures.clear(view.control)
    return view.done("Every body that was kept is deleted.", PATH)


@router.post(f"{PATH}/{{capture_id}}/stop")
def stop(view: Seen, capture_id: RowId) -> RedirectResponse:
    """Keeps no more of it; what was kept stays."""
    captures.remove(view.control, capture_id)
    return view.done("No more bodies of it are kept; what was kept stays.", PATH, undo=last_entry())


@router.post(f"{PATH}/kept/{{request_id}}/delete")
def forget(view: Seen, request_id: RequestId) -> RedirectResponse:
    """Deletes the bodies of one request, for good."""
    captures.forget(view.control, request_id)
    return view.done(f"The bodies of {request_id} are deleted.", PATH)


def _choices(view: View) -> list[Whose]:
    with view.control.read() as session:
        found = [Whose(f"rule:{row.id}", f"rule {row.model_pattern}") for row in mappings.list_all(session)]
        names = client_keys.names(session)
    live = {one.id for one in view.control.snapshot.client_keys}
    return found + [Whose(f"key:{key}", f"key {name or key}") for key, name in names.items() if key in live]


def _running(capture: CaptureResponse, titles: dict[str, str]) -> Capturing:
    return Capturing(capture, titles.get(_value(capture), "what is gone"))


def _value(one: CaptureResponse | CapturedSummary) -> str:
    return f"rule:{one.mapping_id}" if one.mapping_id is not None else f"key:{one.key_id}"
