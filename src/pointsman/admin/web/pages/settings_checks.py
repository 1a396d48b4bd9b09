"""`/ui/settings/doctor`: looks for what is wrong when it is asked to; `/ui/settings/fidelity`: what becomes of every field
between the protocols, as `make docs` found it by doing it (fidelity.json)."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from ...routers import doctor
from ..view import Seen

router = APIRouter(include_in_schema=False)

DOCTOR, FIDELITY = "/ui/settings/doctor", "/ui/settings/fidelity"
_RANK = ("error", "warning", "ok")
_FILE = Path(__file__).parents[1] / "fidelity.json"


@router.get(DOCTOR)
def ask(view: Seen) -> HTMLResponse:
    """Before it is run: it asks every backend."""
    return view.page("settings/doctor.html", report=None)


@router.post(DOCTOR)
async def run(view: Seen) -> HTMLResponse:
    """The findings, each with what to do."""
    report = await doctor.doctor(view.control)
    worst_first = sorted(report.checks, key=lambda check: _RANK.index(check.status))
    return view.page("settings/doctor.html", report=report, checks=worst_first)


@router.get(FIDELITY)
def show_fidelity(view: Seen) -> HTMLResponse:
    """Every field of every client's protocol."""
    return view.page("settings/fidelity.html", parts=_fidelity())


@cache
def _fidelity() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(_FILE.read_text("utf-8"))
    return found
