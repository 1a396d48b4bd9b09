"""A line of the log for each request, from its usage record, after it was answered (docs/logs.md). Never a prompt, an answer
or a key."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from ...ledger.records import UsageRecord

log = logging.getLogger("pointsman.requests")
_FACTS = (
    "protocol", "path", "model", "target", "status", "outcome", "attempts", "fallback", "stream", "input_tokens",
    "output_tokens", "cached_tokens", "client", "session", "key_id",
)  # fmt: skip


def tell(records: Iterable[UsageRecord]) -> None:
    """Of those that stand for their request; nothing where the log is not to say so much."""
    if not log.isEnabledFor(logging.INFO):
        return
    for record in records:
        if record.request and record.request != record.id:
            continue
        facts: dict[str, Any] = {name: getattr(record, name) for name in _FACTS}
        facts["milliseconds"] = None if record.total_ms is None else round(record.total_ms, 1)
        log.info(
            "request %s: %s %r to %s: %s in %s ms",
            record.id, record.path, record.model, record.target or "nobody", record.status, facts["milliseconds"],
            extra={"facts": {name: value for name, value in facts.items() if value not in (None, "")}},
        )  # fmt: skip
