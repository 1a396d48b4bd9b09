"""Which pages there are, and what makes each."""

from __future__ import annotations

from pathlib import Path

from . import attempts, fidelity, streams

DATA = Path(__file__).parents[2] / "src" / "pointsman" / "admin" / "web" / "fidelity.json"
"""The outcome of every field, for the page that shows it."""
FOLDER = Path(__file__).parents[2] / "docs" / "reference"
PAGES = {"attempts.md": attempts.page, "fidelity.md": fidelity.page, "streams.md": streams.page}
