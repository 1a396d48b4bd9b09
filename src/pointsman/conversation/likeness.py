"""How alike two texts are, from 0 (they share nothing) to 1: of all words and pairs of neighbouring words of either,
the part that stands in both (the Jaccard index of their one- and two-word shingles), letter case and punctuation left out.
Pure.

It sees which words were used and a little of their order, and nothing of what they mean: two right answers in other words
are not alike. Not here: what follows from it (agreement.py).
"""

from __future__ import annotations

import re
from itertools import pairwise

MOST_CHARACTERS = 64 * 1024
"""Of a text that is looked at: the beginning. So it takes some milliseconds at most."""
_SINGLE = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff"
"""Of scripts without spaces between words, in which each character stands for one."""
_words = re.compile(rf"[{_SINGLE}]|[^\W{_SINGLE}]+").findall


def likeness(one: str, other: str) -> float:
    """1.0 of equal texts, 0.0 of texts without a word in common, the same whichever comes first. Texts without any word (an
    emoji) are alike where they are equal."""
    if one == other:
        return 1.0
    first, second = _shingles(one), _shingles(other)
    either = len(first | second)
    return len(first & second) / either if either else 0.0


def _shingles(text: str) -> set[str | tuple[str, str]]:
    words = _words(text[:MOST_CHARACTERS].casefold())
    return {*words, *pairwise(words)}
