"""Header fields as real clients and providers send them: names and shapes of traffic, values made up.

13 fields of the OpenAI library for Python, 22 of a cloud provider's answer (besides the three that every
answer of the mock has), and `traceparent`, which differs in each request (W3C Trace Context, level 1).
"""

from __future__ import annotations

import itertools

CLIENT_KEY = "pm-bench-0123456789abcdefghijklmnopqrstuvwxyz"
"""What every request of the benchmark carries where the harness makes the key itself."""

CLIENT: tuple[tuple[str, str], ...] = (
    ("Accept-Encoding", "gzip, deflate"),
    ("Connection", "keep-alive"),
    ("Accept", "application/json"),
    ("User-Agent", "OpenAI/Python 2.9.0"),
    ("X-Stainless-Lang", "python"),
    ("X-Stainless-Package-Version", "2.9.0"),
    ("X-Stainless-OS", "Linux"),
    ("X-Stainless-Arch", "x64"),
    ("X-Stainless-Runtime", "CPython"),
    ("X-Stainless-Runtime-Version", "3.11.7"),
    ("X-Stainless-Async", "false"),
    ("x-stainless-retry-count", "0"),
    ("x-stainless-read-timeout", "600"),
)

PROVIDER: tuple[tuple[str, str], ...] = (
    ("date", "Thu, 26 Nov 2026 12:34:11 GMT"),
    ("server", "cloudflare"),
    ("connection", "keep-alive"),
    ("access-control-expose-headers", "X-Request-ID"),
    ("openai-organization", "org-bench"),
    ("openai-processing-ms", "312"),
    ("openai-project", "proj_bench"),
    ("openai-version", "2020-10-01"),
    ("x-envoy-upstream-service-time", "330"),
    ("x-ratelimit-limit-requests", "10000"),
    ("x-ratelimit-limit-tokens", "200000"),
    ("x-ratelimit-remaining-requests", "9999"),
    ("x-ratelimit-remaining-tokens", "199990"),
    ("x-ratelimit-reset-requests", "8.64s"),
    ("x-ratelimit-reset-tokens", "3ms"),
    ("cf-cache-status", "DYNAMIC"),
    ("set-cookie", "__cf_bm=bench; path=/; HttpOnly; Secure"),
    ("strict-transport-security", "max-age=31536000; includeSubDomains"),
    ("x-content-type-options", "nosniff"),
    ("cf-ray", "8abcdef-AMS"),
    ("alt-svc", 'h3=":443"'),
    ("vary", "accept-encoding"),
)

FROM_NGINX = frozenset({"date", "server", "connection"})
"""What nginx writes by itself, with its own values."""

_numbers = itertools.count(0x1234_5678)


def traceparent() -> str:
    """A new one each time."""
    number = next(_numbers) * 0x9E37_79B9 % (1 << 64)
    return f"00-4bf92f3577b34da6{number:016x}-{number ^ 0xF0F0:016x}-01"


def lines(fields: tuple[tuple[str, str], ...]) -> bytes:
    """As they stand in a head."""
    return "".join(f"{name}: {value}\r\n" for name, value in fields).encode()
