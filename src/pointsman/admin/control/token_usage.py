"""The one token of a test in the usage log, for it may have cost: who asked is `pointsman test`, and a backend's budget
counts it from its next look at the log.

Not here: the asking (upstream/one_token.py), and what is written of clients' requests (gateway/request/meter.py).
"""

from __future__ import annotations

import asyncio
import secrets
from typing import TYPE_CHECKING

from ...kinds import BackendType
from ...ledger.blocks import block_of
from ...ledger.cost import NO_USAGE, Bill, Charged, used_of
from ...ledger.prices import PriceBook
from ...ledger.records import NANO, UsageRecord
from ...link.messages import UsageBatch
from ...routing.specs import BackendSpec
from .arrivals import BACKEND_TEST
from .control_plane import ControlPlane
from .intake import take

if TYPE_CHECKING:
    from ...upstream.one_token import TokenAsked


async def keep_token(control: ControlPlane, spec: BackendSpec, asked: TokenAsked) -> float | None:
    """Writes it down. Dollars, at the list price that is known of its backend; None where nobody knows."""
    charged = _charged(control, spec, asked)
    batch = UsageBatch(0, block_of([_record(spec, asked, charged)]), again=False)
    await asyncio.to_thread(take, control, 0, batch)
    return None if charged[0] is None else charged[0] / NANO


def _charged(control: ControlPlane, spec: BackendSpec, asked: TokenAsked) -> Charged:
    local = spec.type == BackendType.LOCAL.value
    if not local and (asked.usage is None or not asked.usage.told):
        return None, NO_USAGE, None
    prices = control.snapshot.prices.get(spec.key)
    bill = Bill(asked.model, None if prices is None else PriceBook(prices), local, None)
    return bill.of(used_of(asked.usage), asked.at)


def _record(spec: BackendSpec, asked: TokenAsked, charged: Charged) -> UsageRecord:
    """Of an answer that came whole."""
    used = asked.usage
    name = f"req_{secrets.token_hex(9)}"
    return UsageRecord(
        id=name,
        request=name,
        at=asked.at,
        protocol=asked.protocol,
        path=asked.path,
        model=asked.model,
        target=f"{spec.key}:{asked.model}",
        attempts=1,
        attempt=1,
        fallback=None,
        status=200,
        outcome="ok" if asked.problem is None else "error",
        stream=False,
        input_tokens=None if used is None else used.input,
        output_tokens=None if used is None else used.output,
        cached_tokens=None if used is None else used.cached,
        reasoning_tokens=None if used is None else used.reasoning,
        cache_write_tokens=None if used is None else used.cache_write,
        total_ms=asked.seconds * 1000,
        client=BACKEND_TEST,
        cost=charged[0],
        flag=charged[1],
        tier=None if used is None else used.tier,
    )
