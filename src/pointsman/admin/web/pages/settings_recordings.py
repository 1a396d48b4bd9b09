"""`/ui/settings/recordings`: recorded answers, which rules answer out of them, their files, and their end. No answer is
shown."""

from __future__ import annotations

from fastapi import APIRouter, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from ...control.recordings import MOST_BYTES
from ...routers import mappings, recordings
from ...routers.recordings import Name
from ..view import Seen

router = APIRouter(include_in_schema=False)

PATH = "/ui/settings/recordings"


@router.get(PATH)
def show(view: Seen) -> HTMLResponse:
    """All of them."""
    control = view.control
    return view.page(
        "settings/recordings.html",
        found=recordings.show_list(control),
        patterns={rule.id: rule.model_pattern for rule in mappings.show_list(control)},
        most=MOST_BYTES,
        folder=str(control.recordings.folder),
        problem=control.vault.problem,
    )


@router.get(f"{PATH}/{{name}}/file")
def download(view: Seen, name: Name) -> Response:
    """One, in clear, as a file."""
    text = recordings.export(view.control, name).model_dump_json(indent=1) + "\n"
    headers = {"content-disposition": f'attachment; filename="{name}.json"'}
    return Response(text, media_type="application/json", headers=headers)


@router.post(f"{PATH}/{{name}}/delete")
def delete(view: Seen, name: Name) -> RedirectResponse:
    """Deletes one, for good."""
    recordings.remove(view.control, name)
    return view.done(f"The recording {name} is deleted.", PATH)
