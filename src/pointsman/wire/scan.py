"""The two looks that every request pays for: at its body, and at the head of its answer. Written twice, in C
(_scan.c) and in Python (scan_pure.py), with the same answers (tests/fuzz holds them together); this module says which
runs (native.py: why).

Both give None wherever anything is unusual: then the careful way looks again (splice.peek(), llhttp), and it alone words
errors. Not here: what is made of the answers.

body_look(body, depth, longest, words) -> (model, stream, start, end, marks) | None
    Of a JSON object (RFC 8259, any spacing) that is nested no deeper than `depth` levels, whose top-level keys (at most
    64) are ASCII without escapes and all different, with a `model` of 1 to `longest` characters without escapes,
    and a `stream`, if any, that is true, false or null (None). start, end: where the model's value stands, quotes
    included. marks: bit i for each words[i] (at most 24, non-empty, no backslash in them, a quotation mark only
    at their end) that stands somewhere behind a quotation mark, and NULLS where a top-level member is null.

answer_head(data) -> (status, size, length, flags, lines) | None
    Of an HTTP/1.1 answer whose whole head stands at the beginning of `data`. size: of the head in bytes, the empty line
    included. length: Content-Length, -1 where the body is chunked; one of the two is there. flags: CHUNKED, EVENTS (its
    content type is that of server-sent events), CLOSES (`connection: close`), RETRY_SAID (`x-should-retry` is there).
    lines: what may reach the client, as gateway.attempt.answer.client_lines() tells it, or stream_lines() where EVENTS.
    None also for 1xx, 204 and 304, more than 100 headers or 8 KiB, a head that a lenient reader would mend, codings but
    chunked and identity, application/x-ndjson, `upgrade` and `proxy-connection`, and a request id that is empty.
"""

from __future__ import annotations

from collections.abc import Callable

from . import scan_pure
from .scan_pure import CHUNKED, CLOSES, EVENTS, NULLS, RETRY_SAID

__all__ = ["CHUNKED", "CLOSES", "COMPILED", "EVENTS", "NULLS", "RETRY_SAID", "answer_head", "body_look"]

BodyLook = Callable[[bytes, int, int, tuple[bytes, ...]], tuple[str, bool | None, int, int, int] | None]
AnswerHead = Callable[[bytes], tuple[int, int, int, int, bytes] | None]

body_look: BodyLook = scan_pure.body_look
answer_head: AnswerHead = scan_pure.answer_head
COMPILED = False
"""Is it the C file that runs?"""
try:
    from . import _scan
except ImportError:
    pass
else:
    body_look, answer_head, COMPILED = _scan.body_look, _scan.answer_head, True
