"""Model patterns: `*` and `?` are wild, every other character is itself (`[1m]` is no character class).

Matching is case-sensitive and covers the whole name
(docs/design.md#patterns-and-the-order-of-rules). Not here: which rule wins (table.py).
"""

from __future__ import annotations

CONTEXT_SUFFIX = "[1m]"
"""Claude Code's mark for the long context window; tried as written first, never sent upstream."""


def is_wild(pattern: str) -> bool:
    """Does the pattern hold a wild character?"""
    return "*" in pattern or "?" in pattern


def literal_length(pattern: str) -> int:
    """Characters that are themselves: the longer, the more exact the rule."""
    return len(pattern) - pattern.count("*") - pattern.count("?")


def wild_match(pattern: str, name: str) -> bool:
    """Glob match in O(len(pattern) * len(name)): a rule of many stars cannot stall the loop as a regex would."""
    p = n = 0
    star = -1
    mark = 0
    while n < len(name):
        if p < len(pattern) and pattern[p] == "*":
            star, mark = p, n
            p += 1
        elif p < len(pattern) and pattern[p] in ("?", name[n]):
            p += 1
            n += 1
        elif star >= 0:
            mark += 1
            p, n = star + 1, mark
        else:
            return False
    return pattern[p:].strip("*") == ""


def without_suffix(name: str) -> str:
    """The name as a backend knows it."""
    return name.removesuffix(CONTEXT_SUFFIX) if len(name) > len(CONTEXT_SUFFIX) else name
