"""What a client is told of its limits: the error where it has used them up, and the headers that tell what is left.

A budget that is spent is told as the vendors tell of an account without credit, since their clients stop at that at once;
a rate as theirs (docs/keys.md#what-a-refused-client-is-told). Not here: the decision (ledger/accounts.py).
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from datetime import datetime

from ...dialects.endpoint import RateLimits
from ...errors import PointsmanError
from ...kinds import ErrorKind, Limit
from ...ledger.accounts import Level, Shortfall
from ...ledger.periods import zone_of

_UNITS = {Limit.REQUESTS: "requests", Limit.TOKEN_RATE: "tokens"}
"""Of rates, as the vendors' headers name them."""


def refused(refusal: Shortfall) -> PointsmanError:
    """BILLING where a budget is spent, RATE_LIMITED where a wait helps."""
    limit, _, wait = refusal
    seconds = None if wait is None else max(1, math.ceil(wait))
    whose = _whose(limit.whose)
    if not limit.is_budget:
        text = f"{whose[:1].upper()}{whose[1:]} may send {limit.said}; try again in {seconds} s."
        return PointsmanError(ErrorKind.RATE_LIMITED, text, retry_after=seconds, code=_UNITS.get(limit.kind))
    if seconds is not None and refusal.left > 0:
        text = f"What is left of the budget of {limit.said} of {whose} is promised to requests under way; try again."
        return PointsmanError(ErrorKind.RATE_LIMITED, text, retry_after=seconds)
    text = f"The budget of {whose} is spent: {limit.said}."
    if wait is not None:
        ends = datetime.fromtimestamp(math.ceil(time.time() + wait), zone_of(limit.zone))
        text += f" It begins anew at {ends:%Y-%m-%d %H:%M} ({limit.zone})."
    else:
        text += " Whoever runs this gateway can raise it."
    return PointsmanError(ErrorKind.BILLING, text, retry_after=seconds)


def unpriced(label: str) -> PointsmanError:
    """Of a target whose requests nobody can charge to a budget of money."""
    return PointsmanError(
        ErrorKind.BILLING,
        f"{label} has no price, so that it cannot be counted against a budget; set one with: pointsman prices set.",
    )


def _whose(name: str) -> str:
    kind, _, rest = name.partition("/")
    return {"key": "this client key", "group": "this client key's group"}.get(kind, f"{rest} at this gateway")


def header_lines(seen: Iterable[Level], names: RateLimits | None) -> bytes:
    """What is left of the rates, under the names that the client's protocol has; the least of several."""
    if names is None:
        return b""
    least: dict[str, Level] = {}
    for one in seen:
        unit = _UNITS.get(one.limit.kind)
        if unit is not None and (unit not in least or one.left < least[unit].left):
            least[unit] = one
    lines = b""
    for unit, one in least.items():
        values = {"limit": b"%d" % one.limit.most, "remaining": b"%d" % one.left}
        reset = names.reset(b"%ds" % math.ceil(one.reset))
        if reset is not None:
            values["reset"] = reset
        lines += b"".join(b"%b: %b\r\n" % (names.names[what, unit], value) for what, value in values.items())
    return lines
