"""What the planes tell each other where gateways share limits (leasing.py). Not here: all else (messages.py)."""

from __future__ import annotations

import msgspec

from ..ledger.slices import LeaseAsk, LeaseGiven


class LeaseQuestion(msgspec.Struct, frozen=True, tag="lease_question"):
    """How much of these limits may this process use by itself? Where one of them is fresh, all that was sent before on this
    connection is in the answer. number: of the question."""

    number: int
    of: tuple[LeaseAsk, ...]


class LeaseFound(msgspec.Struct, frozen=True, tag="lease_found"):
    """In the order of the question; None: of this one it cannot be told, or of none."""

    number: int
    given: tuple[LeaseGiven | None, ...] = ()
