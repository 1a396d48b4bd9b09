"""One usage record an attempt. Never a prompt, an answer or a key. Not here: storage and prices."""

from __future__ import annotations

import msgspec

NANO = 1_000_000_000
"""Nano-dollars of a dollar."""


class UsageRecord(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What one attempt did; the one that answered, or the last, stands for its request.

    Times: `at` is unix seconds (UTC); durations are milliseconds, None when it never came.

    Token counts are None when the backend reported none: unknown is never written as 0. Money is whole nano-dollars (1 USD =
    1,000,000,000), by the list price at the time of the call; None when it is not known, and `flag` says why.

    sent_bytes: 0 where there was no connection, and of a joined one, None of a record that an earlier version made. All
    that was given: a backend that closes before it has read everything has got less; what was sent out once more, since a
    kept connection was dead, or in another protocol, counts each time. What TLS and a proxy add is not in it.
    """

    id: str  # the request id the client saw (x-request-id); of another attempt of it `<request id>/<number>`; unique
    at: float
    protocol: str  # client protocol, or "" for other paths
    path: str
    model: str  # the name the client asked for
    target: str | None  # `openai:gpt-4o-mini`; None when no target was tried
    attempts: int
    fallback: str | None  # reason word of the last failure, None when the first target answered
    status: (
        int  # HTTP status sent; 499 when the client left before; of another attempt the upstream's, 0 = none
    )
    outcome: (
        str  # ok | error | aborted (client left) | cancelled (by the operator) | interrupted (failed after
        # content) | failed (another followed)
    )
    stream: bool
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None
    first_output_ms: float | None = None
    total_ms: float | None = None
    key_id: int | None = None
    mapping_id: int | None = None
    request: str = ""  # the request id, alike for all its attempts
    attempt: int = 0  # from 1; 0 when no target was tried
    joined: bool = False  # it took over a generation that was running
    answer_id: str | None = (
        None  # by which its backend can be asked for the answer again; kept apart, no column
    )
    client: str = ""  # the program, from its user agent, without version: `claude-cli`; "" = it did not say
    session: str | None = None  # of an agent, as its own header names it
    cost: int | None = None  # of this attempt; 0 where it was free, or failed before it had an answer
    flag: str | None = None  # why the cost is not known, or not exact: no_price | no_usage | estimated | ...
    saved: int | None = None  # of a local attempt: what the model that the user compares with would have cost
    extra: int | None = None  # of an answer by fallback: what it cost more than the first target would have
    tier: str | None = None  # the service tier that the backend says it served by
    cache_write_tokens: int | None = None  # of the input, what was written to a cache
    cache_write_long_tokens: int | None = None  # of that, what is kept for the longer time
    web_searches: int | None = None
    overhead_ms: float | None = (
        None  # of the request, what the gateway itself took: it waited for nobody meanwhile
    )
    warnings: str | None = None  # what translation lost of this attempt, as x-pointsman-warnings told it
    sent_bytes: int | None = (
        None  # head and body of its requests, as they were given to connections with its backend
    )
    changed_at: int | None = None  # bytes that begin as this session's last request to that local server did
    changed_in: str | None = None  # where it was changed then (`system[0].text`); None where it only goes on
