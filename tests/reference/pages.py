"""Which pages there are, and what makes each."""

from __future__ import annotations

from pathlib import Path

from . import fidelity, streams

FOLDER = Path(__file__).parents[2] / "docs" / "reference"
PAGES = {"fidelity.md": fidelity.page, "streams.md": streams.page}
