"""What a dimension of the usage log says, as SQL: what is counted of its records, and what they are put together by. It is
called d, and its sums h.
"""

from __future__ import annotations

from collections.abc import Mapping

from .usage_adding import SUMS

_LOCAL = ("local/", "local:")
LEFT = f"substr(d.target, 1, 6) NOT IN {_LOCAL}"
"""It went to a backend that is not `local`; null where no target was tried."""
BACKEND = "substr(d.target, 1, instr(d.target || ':', ':') - 1)"
GROUPS: Mapping[str, tuple[str, ...]] = {
    "all": (),
    "model": ("d.model",),
    "backend": (BACKEND,),
    "key": ("d.key_id",),
    "client": ("d.client",),
    "mapping": ("d.mapping_id",),
    "session": ("s.name", "d.client", "d.key_id"),
    "target": ("d.target",),
}
"""By what records are put together."""
AXES = tuple(name for name in GROUPS if name != "session")
"""What the sums of days are kept by, beside those of each dimension."""
COUNTS: Mapping[str, str] = {
    "attempts": "d.target IS NOT NULL",
    "requests": "d.own",
    "failed": "d.own AND d.outcome <> 'ok'",
    "aborted": "d.own AND d.outcome = 'aborted'",
    "rescued": "d.own AND d.outcome = 'ok' AND d.fallback IS NOT NULL",
    "local": f"d.own AND d.target IS NOT NULL AND NOT {LEFT}",
}
"""What is counted of records, and which of them count."""
VALUES = (*COUNTS, *SUMS)
SUMMED_UP = ", ".join(
    [*(f"sum(({one}) * h.records)" for one in COUNTS.values()), *(f"sum(h.{name})" for name in SUMS)]
)
"""Each of VALUES."""


def has_left(target: str | None) -> bool:
    """LEFT, of a value."""
    return target is not None and not target.startswith(_LOCAL)
