"""Reasons to stop in words that no protocol defines, as servers write them all the same
(docs/protocols/stop-reasons.md#words-of-their-own).

Not here: the words that a protocol does define (each dialect's STOPS).
"""

from __future__ import annotations

import re

from ..conversation.events import Stop

NO_REASONS = frozenset({"", "null", "none"})
"""What servers say in every chunk before the last, as words where the protocol wants null (DashScope)."""
FAILED = "failed"
"""The backend says that it did not come to an end."""
_MEANINGS: tuple[tuple[Stop | str, re.Pattern[str]], ...] = (
    (
        Stop.REFUSAL,
        re.compile(
            "filter|safety|moderat|sensitive|prohibit|recitation|blocklist|blocked|spii|guardrail|toxic|refus"
            "|policy|copyright|violat|flagged|censor|unsafe|harm|inappropriate|jailbreak|nsfw|injection|(^|_)pii(_|$)"
        ),
    ),
    (
        FAILED,
        re.compile(
            "error|fail|abort|cancel|malform|timeout|time_?limit|exception|resource|overload|unavailable"
            "|interrupt|unexpected|too_many|missing|invalid|unload|crash|connect|rate_limit|quota|kill|reject"
            "|shut_?down|preempt|memory|(^|_)oom(_|$)|evict|dropped|closed|panic|fatal|denied|bad_|network|broken|lost"
        ),
    ),
    (Stop.CONTEXT_WINDOW, re.compile("context")),
    (
        Stop.MAX_TOKENS,
        re.compile("length|max.*token|max_(steps|turns|tool)|limit|truncat|incomplete|budget|partial"),
    ),
    (Stop.TOOL_USE, re.compile("tool|function")),
    (Stop.STOP_SEQUENCE, re.compile("stop_?(sequence|string|word)")),
    (
        Stop.END,
        re.compile(
            "^(stop|eos|eot|end|im_end|finish(ed)?$|final$|completed?$|done$|ok$|normal|success|natural)"
            "|stop_?(token|id)"
        ),
    ),
)
"""The first that is found in the word decides: `error_toxic` is a filter's, `context_length` the window's."""

_AROUND = re.compile(r"^[\W_]+|[\W_]+$|^[\W_]*(?:finish|stop)_?reason_?")
"""What stands around a word: marks of a token, the name of Google's enumeration."""


def meaning_of(word: str) -> Stop | str | None:
    """What a reason to stop says: a class, FAILED, or None where nobody knows."""
    word = _AROUND.sub("", word.lower().replace("-", "_").replace(" ", "_"))
    return next((meaning for meaning, found in _MEANINGS if found.search(word)), None)
