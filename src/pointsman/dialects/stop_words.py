"""Reasons to stop in words that no protocol defines, as servers write them all the same
(docs/protocols/stop-reasons.md#words-of-their-own).

Not here: the words that a protocol does define (each dialect's STOPS).
"""

from __future__ import annotations

import re

from ..conversation.events import Stop

FAILED = "failed"
"""The backend says that it did not come to an end."""
_MEANINGS: tuple[tuple[Stop | str, re.Pattern[str]], ...] = (
    (
        Stop.REFUSAL,
        re.compile(
            "filter|safety|moderat|sensitive|prohibit|recitation|blocklist|blocked|spii|guardrail|toxic|refus"
            "|policy|copyright|violat|flagged|censor"
        ),
    ),
    (
        FAILED,
        re.compile(
            "error|fail|abort|cancel|malform|timeout|time_?limit|exception|resource|overload|unavailable"
            "|interrupt|unexpected|too_many|missing|invalid|unload|crash|disconnect|rate_limit|quota|kill|reject"
        ),
    ),
    (Stop.CONTEXT_WINDOW, re.compile("context")),
    (Stop.MAX_TOKENS, re.compile("length|max.*token|limit|truncat|incomplete|budget")),
    (Stop.TOOL_USE, re.compile("tool|function")),
    (Stop.STOP_SEQUENCE, re.compile("stop_?(sequence|string|word)")),
    (Stop.END, re.compile("^(stop|eos|eot|end|finish(ed)?$|completed?$|done$|normal|success|natural)")),
)
"""The first that is found in the word decides: `error_toxic` is a filter's, `context_length` the window's."""


def meaning_of(word: str) -> Stop | str | None:
    """What a reason to stop says: a class, FAILED, or None where nobody knows."""
    word = word.lower().replace("-", "_").replace(" ", "_")
    return next((meaning for meaning, found in _MEANINGS if found.search(word)), None)
