"""Text that is shown without what should not be seen: keys, tokens, passwords, e-mail addresses, numbers of cards, and
files in base64, whose lengths are told. Pure.

By what it looks like, so that something may be missed: what is shown is still somebody's conversation.
"""

from __future__ import annotations

import re
from collections.abc import Callable

_MARK = "[redacted]"
_SECRET_NAME = r"[\w-]{0,64}(?:api[_-]?key|token|secret|passw(?:or)?d|authorization|cookie)"
_PLAIN_NAME = r"[\w-]{0,64}(?:api[_-]?key|token|secret|passw(?:or)?d|pwd)"
_RULES: tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...] = (
    (
        re.compile(
            r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----.*?(?:-----END [A-Z ]{0,40}PRIVATE KEY-----|\Z)",
            re.DOTALL,
        ),
        _MARK,
    ),
    (
        re.compile(
            rf"(([\"']){_SECRET_NAME}\2\s{{0,8}}:\s{{0,8}}([\"']))(?:\\.|(?!\3)[^\\])+",
            re.IGNORECASE | re.DOTALL,
        ),
        rf"\1{_MARK}",
    ),
    (  # the same inside of a text that holds JSON
        re.compile(
            rf"(\\{{1,8}}[\"']{_SECRET_NAME}\\{{1,8}}[\"']\s{{0,8}}:\s{{0,8}}\\{{1,8}}[\"'])(?:[^\"'\\]|\\(?![\"']))+",
            re.IGNORECASE,
        ),
        rf"\1{_MARK}",
    ),
    (
        re.compile(r"\b([a-z][a-z0-9+.-]{1,30}://[^\s/:@\"']{0,64}:)[^\s/@\"']{1,200}@", re.IGNORECASE),
        rf"\1{_MARK}@",
    ),
    (re.compile(r"\b(Bearer|Basic)\s{1,8}[A-Za-z0-9._~+/=-]{8,}", re.IGNORECASE), rf"\1 {_MARK}"),
    (
        re.compile(rf"\b({_PLAIN_NAME}\s{{0,4}}[=:]\s{{0,4}})[^\s\"'\\,;&\[\]]{{4,200}}", re.IGNORECASE),
        rf"\1{_MARK}",
    ),
    (re.compile(r"\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*"), _MARK),
    (
        re.compile(
            r"\b(sk|pk|rk|pm|hf|gsk|ghp|gho|ghs|ghu|xai|npm|glpat|github_pat|whsec|xox[abeprs])[-_][A-Za-z0-9_+/=-]{10,}"
        ),
        rf"\1-{_MARK}",
    ),
    (re.compile(r"\b(AKIA|ASIA|AIza)[A-Za-z0-9_-]{12,}"), rf"\1{_MARK}"),
    (re.compile(r"[A-Za-z0-9+/_-]{200,}={0,2}"), lambda found: f"[base64, {len(found[0])} characters]"),
    (re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}"), "[e-mail]"),
    (re.compile(r"(?<![\w.])(?:\d[ -]?){12,18}\d(?![\w.])"), "[number]"),
)


def redacted(text: str) -> str:
    """Without it."""
    for pattern, instead in _RULES:
        text = pattern.sub(instead, text)
    return text
