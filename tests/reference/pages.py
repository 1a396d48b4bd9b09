"""Which pages there are, and what makes each."""

from __future__ import annotations

from pathlib import Path

from . import attempts, fidelity, streams

FOLDER = Path(__file__).parents[2] / "docs" / "reference"
PAGES = {"attempts.md": attempts.page, "fidelity.md": fidelity.page, "streams.md": streams.page}
