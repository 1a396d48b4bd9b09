"""`python -m tests.reference` writes the pages (make docs)."""

from __future__ import annotations

import sys

from .fidelity import data
from .pages import DATA, FOLDER, PAGES

FOLDER.mkdir(parents=True, exist_ok=True)
for name, page in PAGES.items():
    (FOLDER / name).write_text(page())
    sys.stdout.write(f"docs/reference/{name} written\n")
DATA.write_text(data())
sys.stdout.write(f"{DATA.name} written\n")
