"""What an answer tells a browser that is pointed at it: take it for nothing else than it says, run nothing of it, show it in
no frame, keep none of it. One set, which both planes send. Pure. Not here: what the pages may do beyond it
(admin/control/door.py), and answers to models' clients, which no browser shows."""

from __future__ import annotations

HEADERS = (
    (
        b"content-security-policy",
        b"default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
    (b"cache-control", b"no-store"),
)
LINES = b"".join(b"%b: %b\r\n" % one for one in HEADERS)
"""The same as they are sent."""
