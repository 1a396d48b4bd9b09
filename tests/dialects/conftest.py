"""Gives the tests of shared.py their rows: those of the class that stands in a dialect's folder, or the neutral cases."""

from __future__ import annotations

import pytest

from .cases import REPLIES, REQUESTS


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    rows = {
        "reply_case": REPLIES,
        "request_case": REQUESTS,
        "stream_row": getattr(metafunc.cls, "streams", {}),
        "whole_row": getattr(metafunc.cls, "wholes", {}),
    }
    for name, table in rows.items():
        if name in metafunc.fixturenames:
            metafunc.parametrize(name, table.values(), ids=table.keys())
