"""The pictures of the documentation: each page of the menu at three widths in both themes, small in all."""

from __future__ import annotations

from pointsman.admin.web.menu import MENU

from .accessible import THEMES
from .screenshots import IMAGES, MOST_BYTES, SIZES


def test_every_page_has_its_pictures_and_they_are_small() -> None:
    pages = [entry.title.lower().replace(" ", "-") for entry in MENU]
    wanted = {f"{name}-{width}-{theme}.png" for name in pages for width, _ in SIZES for theme in THEMES}
    there = {path.name for path in IMAGES.glob("*.png")}
    assert wanted - there == set(), "make them with: python -m tests.web.screenshots"
    assert sum(path.stat().st_size for path in IMAGES.iterdir()) < MOST_BYTES
