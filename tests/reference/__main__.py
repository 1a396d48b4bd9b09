"""`python -m tests.reference` writes the pages (make docs)."""

from __future__ import annotations

import sys

from .pages import FOLDER, PAGES

FOLDER.mkdir(parents=True, exist_ok=True)
for name, page in PAGES.items():
    (FOLDER / name).write_text(page())
    sys.stdout.write(f"docs/reference/{name} written\n")
