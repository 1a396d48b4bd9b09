"""Lines of settings files shown without the keys in them: the beginning of each is left, so that one sees which it is.

By the names of values and by what keys look like; what is shown is still somebody's settings.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

_LEFT = 4
_NAMED = re.compile(
    r"((?:api[_-]?key|token|secret|passw(?:or)?d|authorization|credential|cookie)[\"']?\s*[:=]\s*[\"']?)"
    r"((?:Bearer\s+)?)([^\s\"',}\]]{5,})",
    re.IGNORECASE,
)
_LOOKS = re.compile(
    r"\b((?:sk|pk|rk|pm|hf|gsk|ghp|gho|ghs|xai|npm|glpat|github_pat|xox[abeprs])[-_]|AKIA|AIza|eyJ)([\w+/=.-]{8,})"
)


def masked(text: str, keys: Iterable[str], plain: Collection[str] = ()) -> str:
    """The text without them. keys: that are known to be. plain: that only stand for one, and are shown."""
    for key in sorted({one for one in keys if len(one) > _LEFT and one not in plain}, key=len, reverse=True):
        text = text.replace(key, _short(key))
    text = _NAMED.sub(
        lambda found: found[0] if found[3] in plain else found[1] + found[2] + _short(found[3]), text
    )
    return _LOOKS.sub(lambda found: _short(found[0]), text)


def _short(key: str) -> str:
    return key if key.endswith("...") else f"{key[:_LEFT]}..."
