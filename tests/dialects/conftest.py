"""Gives the tests of shared.py and its neighbours their rows: those of the class that stands in a dialect's folder, the
neutral cases, or the recordings of its path."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conformance.recordings import recordings

from .cases import REPLIES, REQUESTS


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    rows = {
        "reply_case": REPLIES,
        "request_case": REQUESTS,
        "stream_row": getattr(metafunc.cls, "streams", {}),
        "whole_row": getattr(metafunc.cls, "wholes", {}),
        "verdict_row": getattr(metafunc.cls, "table", {}),
        "odd_row": getattr(metafunc.cls, "odd", {}),
    }
    for name, table in rows.items():
        if name in metafunc.fixturenames:
            metafunc.parametrize(name, table.values(), ids=table.keys())
    for name, stream in (("recorded_stream", True), ("recorded_whole", False)):
        if name in metafunc.fixturenames:
            metafunc.parametrize(name, recorded(metafunc.cls.path, stream), ids=str)


def recorded(path: str, stream: bool) -> list[Any]:
    """The good answers recorded there; without any: one row, skipped, that says so."""
    found = [r for r in recordings() if (r.status, r.stream, r.path) == (200, stream, path)]
    absent = pytest.param(None, marks=pytest.mark.skip(reason="NO RECORDINGS: set POINTSMAN_CONFORMANCE"))
    return found or [absent]
