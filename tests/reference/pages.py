"""Which pages there are, and what makes each."""

from __future__ import annotations

from pathlib import Path

from . import attempts, commands, errors, fidelity, headers, metrics, providers, rest, settings, streams

DATA = Path(__file__).parents[2] / "src" / "pointsman" / "admin" / "web" / "fidelity.json"
"""The outcome of every field, for the page that shows it."""
FOLDER = Path(__file__).parents[2] / "docs" / "reference"
PAGES = {
    "attempts.md": attempts.page,
    "commands.md": commands.page,
    "errors.md": errors.page,
    "fidelity.md": fidelity.page,
    "headers.md": headers.page,
    "metrics.md": metrics.page,
    "providers.md": providers.page,
    "rest.md": rest.page,
    "settings.md": settings.page,
    "streams.md": streams.page,
}
