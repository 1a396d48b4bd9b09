"""Does an upstream's error say that the input does not fit its window? Each server has its own words: data, in order.

Clients act on it (Claude Code and Codex shrink the conversation), so it must be recognised and told in their wording.
"""

from __future__ import annotations

import re

_CODES = frozenset({"context_length_exceeded", "exceed_context_size_error", "string_above_max_length"})
_N = r"([\d,_]+)"
_HAS = "(?:resulted in|requested|have|contains at least|has)"
_WORDINGS: tuple[tuple[re.Pattern[str], int, int], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE | re.DOTALL), used, limit)
    for pattern, used, limit in (
        # (wording, group of the tokens used, group of the limit); 0 = not told
        (rf"prompt is too long: {_N} tokens > {_N}", 1, 2),
        (
            rf"maximum context length is {_N} tokens.{{0,120}}?{_HAS} (?:about |at least )?{_N}",
            2,
            1,
        ),
        (rf"maximum context length (?:is|of) {_N}", 0, 1),
        (rf"request \({_N} tokens?\) exceeds the available context size \({_N}", 1, 2),
        (r"exceeds? the available context size", 0, 0),
        (rf"prompt too long; exceeded max context length by {_N}", 0, 0),
        (
            rf"input \({_N} tokens\) is (?:longer|larger) than the (?:model's )?(?:max(?:imum)? )?context length \({_N}",
            1,
            2,
        ),
        (rf"input length \({_N}[^)]*\).{{0,60}}?exceeds? .{{0,60}}?\({_N}", 1, 2),
        (
            rf"requested token count exceeds.{{0,40}}?maximum context length of {_N} tokens.{{0,60}}?total of {_N}",
            2,
            1,
        ),
        (rf"input token count \(?{_N}\)? exceeds the maximum.{{0,60}}?{_N}", 1, 2),
        (rf"trying to keep the first {_N} tokens when context (?:the )?overflows.{{0,80}}?only {_N}", 1, 2),
        (
            rf"prompt (?:has|contains|length(?: is| of)?) {_N} tokens.{{0,80}}?(?:max(?:imum)?|limit)[^\d]{{0,40}}{_N}",
            1,
            2,
        ),
        (r"context (?:length|window|size|limit)(?: was| is| has been)? exceed", 0, 0),
        (r"exceed(?:s|ed|ing)? (?:the |its |this )?(?:model's |maximum |max )*(?:context|token limit)", 0, 0),
        (r"(?:input|prompt) (?:is )?too (?:long|large)", 0, 0),
        (r"too many tokens in (?:the )?(?:prompt|input|request)", 0, 0),
        (r"reduce the length of (?:the|your) (?:messages|prompt|input)", 0, 0),
    )
)
_LOOKED_AT = 2000
"""Characters of an error that are searched."""


def overflow(message: str, code: str | None) -> tuple[int | None, int | None] | None:
    """(tokens used, limit), each None when not told; None when the error is about something else."""
    text = message[:_LOOKED_AT]
    for pattern, used, limit in _WORDINGS:
        if match := pattern.search(text):
            return _number(match, used), _number(match, limit)
    return (None, None) if code in _CODES else None


def _number(match: re.Match[str], group: int) -> int | None:
    digits = match[group].replace(",", "").replace("_", "") if group else ""
    return int(digits) if digits and len(digits) < 12 else None
