"""What one process counts of its requests, by whichever way it is told."""

from __future__ import annotations

import msgspec

from pointsman.ledger.blocks import TOKENS
from pointsman.ledger.counters import Counters
from pointsman.ledger.records import UsageRecord

RECORD = UsageRecord("r", 0.0, "openai_chat", "/v1", "m", "openai:m", 1, None, 200, "ok", False)


def test_a_request_counts_the_same_tokens_by_its_lane_and_by_the_full_way() -> None:
    """A backend that reported cached tokens and neither sum was counted by the lane alone."""
    for told in ({"cached_tokens": 3}, {"input_tokens": 4, "cached_tokens": 3}, {"output_tokens": 0}, {}):
        record = msgspec.structs.replace(RECORD, **told)
        lane, full = Counters(), Counters()
        lane.tokens_of("openai").add(*(getattr(record, name) for name in TOKENS))
        full.tokens(record)
        assert lane.samples() == full.samples()
        assert bool(full.samples()) == ("input_tokens" in told or "output_tokens" in told)
