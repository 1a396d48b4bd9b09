"""Rows as CSV (RFC 4180) that a spreadsheet may open: no cell of it is taken for a formula (OWASP, CSV injection).

Not here: which rows, and where they go.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def head(columns: Sequence[str]) -> str:
    """The names of the columns, as a line."""
    return _line(columns)


def line(columns: Sequence[str], row: Mapping[str, object]) -> str:
    """A row. An unknown value is an empty cell."""
    return _line([cell(row.get(name)) for name in columns])


def cell(value: object) -> object:
    """Text that would begin a formula gets an apostrophe before it; numbers are numbers."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return "'" + value if value.startswith(_FORMULA) else value
    return f"{value:.9f}".rstrip("0").rstrip(".") if isinstance(value, float) else value


def _line(cells: Sequence[object]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerow(cells)
    return out.getvalue()
