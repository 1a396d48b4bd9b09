"""Does a text go round in circles? One phrase again and again at its end, as small models do that do not find out. Pure.

Not here: what is done about it (translation/stuck.py, gateway/attempt).
"""

from __future__ import annotations

import re

REPEATS = 20
"""Times that a phrase stands there in a row until it counts, where nobody says otherwise."""
LEAST_LETTERS = 400
"""Characters that all of them take together at least: short words are said twenty times in a song, too."""
WINDOW = 6000
"""Characters at the end of a text that are looked at. A phrase is a twentieth of that at most."""
EACH = 256
"""A text that grows is looked at again after so many characters."""
_LAST, _LEAST_SEEN = 24, 5
"""Of a text that goes round so often, the last characters stand in it so often at least; most texts are left at that."""
_word = re.compile(r"[^\W\d_]{2,}")
_LEAST_WORDS = 2
"""Words of two letters or more: lines, tables, zeros and base64 repeat by their nature."""


def goes_round(text: str, times: int = REPEATS) -> str | None:
    """The phrase that the text ends with so many times in a row, None where there is none."""
    end = text[-WINDOW:]
    if len(end) < LEAST_LETTERS or end.count(end[-_LAST:]) < _LEAST_SEEN:
        return None
    # the shortest period of the longest end that has one: by the failure function of the text read backwards
    back = end[::-1]
    fail = [0] * len(back)
    matched = 0
    for at in range(1, len(back)):
        while matched and back[at] != back[matched]:
            matched = fail[matched - 1]
        if back[at] == back[matched]:
            matched += 1
        fail[at] = matched
        period = at + 1 - matched
        length = at + 1
        if matched and length >= LEAST_LETTERS and length >= period * times:
            phrase = end[len(end) - period :]
            if (
                len(_word.findall(phrase)) >= _LEAST_WORDS
                and len(set(_word.findall(phrase.lower()))) >= _LEAST_WORDS
            ):
                return phrase
            if period * times * 2 > len(back):
                return None
    return None


class Growing:
    """A text that comes in pieces."""

    __slots__ = ("_since", "_text", "_times")

    def __init__(self, times: int = REPEATS) -> None:
        self._text = ""
        self._since = 0
        self._times = times

    def take(self, piece: str) -> str | None:
        """The phrase in which it goes round now; None while it does not."""
        self._since += len(piece)
        self._text += piece
        if self._since < EACH:
            return None
        self._since = 0
        self._text = self._text[-WINDOW:]
        return goes_round(self._text, self._times)
