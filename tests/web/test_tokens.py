"""The colours of `00-tokens.css`: every word and mark is told from what is behind it, in both themes (WCAG 1.4.3, 1.4.11)."""

from __future__ import annotations

import re
from functools import cache

import pytest

from pointsman.admin.web.static_files import FOLDER

TOKENS = FOLDER / "css" / "00-tokens.css"
BEHIND = ("bg", "raised", "sunk", "accent-soft")
LEAST = {
    "fg": 7.0,
    "soft": 4.5,
    "accent": 4.5,
    "ok": 4.5,
    "warn": 4.5,
    "bad": 4.5,
    "idle": 4.5,
    "local": 4.5,
    "away": 4.5,
    "edge-c": 3.0,
    **{f"c{number}": 3.0 for number in range(1, 7)},
}
"""A text's colour, or a mark's or an edge's -> the least contrast over everything that it may stand on."""
ON_ITS_OWN = {"ok": "ok-soft", "warn": "warn-soft", "bad": "bad-soft"}
"""What else a colour stands on."""


@cache
def blocks() -> dict[str, dict[str, str]]:
    """A selector -> its colours by name."""
    text = re.sub(r"/\*.*?\*/", "", TOKENS.read_text(), flags=re.DOTALL)
    found: dict[str, dict[str, str]] = {}
    for selector, body in re.findall(r"(:root[^{]*)\{([^{}]*)\}", text):
        named = re.findall(r"--([\w-]+):\s*(#[0-9a-fA-F]{6})", body)
        found.setdefault(selector.strip(), {}).update(named)
    return found


def colours(theme: str) -> dict[str, str]:
    return blocks()[":root"] if theme == "light" else blocks()[':root[data-theme="dark"]']


def luminance(colour: str) -> float:
    """WCAG 2.2, "relative luminance"."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def test_contrast_is_what_wcag_says_it_is() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", LEAST)
def test_a_colour_is_told_from_what_it_stands_on(theme: str, name: str) -> None:
    found = colours(theme)
    behind = [*BEHIND, ON_ITS_OWN[name]] if name in ON_ITS_OWN else [*BEHIND]
    low = {one: round(contrast(found[name], found[one]), 2) for one in behind}
    assert min(low.values()) >= LEAST[name], low


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_words_are_read_on_the_soft_colours_and_on_a_full_button(theme: str) -> None:
    found = colours(theme)
    for soft in ("ok-soft", "warn-soft", "bad-soft"):
        assert contrast(found["fg"], found[soft]) >= 7, soft
        assert contrast(found["soft"], found[soft]) >= 4.5, soft
    assert contrast(found["on-accent"], found["accent"]) >= 4.5


def test_the_dark_theme_is_the_same_chosen_by_hand_and_by_the_system() -> None:
    dark = [body for selector, body in blocks().items() if "light" in selector or "dark" in selector]
    by_system, by_hand = (body for body in dark if body)
    assert by_system == by_hand
    assert set(by_hand) == set(blocks()[":root"]), "a colour of one theme is missing in the other"
