"""`/api/cache`: answers that rules and client keys keep for equal requests. No answer is shown."""

from __future__ import annotations

import time
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel

from ...ledger.metrics import CACHE, CACHE_SAVED
from ..control.control_plane import ControlPlane
from ..store.values import MAX_ID
from .base import Run, errors

router = APIRouter(prefix="/api/cache", tags=["cache"])


class RuleCache(BaseModel):
    """What is kept of one rule, for itself or for client keys. mapping_id: 0 of names that no rule takes. model_pattern:
    null of those, and where there is no such rule any more."""

    mapping_id: int
    model_pattern: str | None
    entries: int
    bytes: int


class CacheResponse(BaseModel):
    """bytes, most_bytes: on disk. hits, misses, saved: since the gateway started; saved in USD, null of nothing known."""

    entries: int
    bytes: int
    most_bytes: int
    hits: int
    misses: int
    saved: float | None
    rules: list[RuleCache]


@router.get("", responses=errors())
def show(control: Run) -> CacheResponse:
    """What is kept, of which rules, and what it saved."""
    return standing(control)


@router.delete("", status_code=204, responses=errors())
def clear(control: Run, mapping_id: Annotated[int | None, Query(ge=1, le=MAX_ID)] = None) -> None:
    """Take out all kept answers, or those of one rule."""
    control.answers.clear(mapping_id)


def standing(control: ControlPlane) -> CacheResponse:
    """See show()."""
    patterns = {rule.id: rule.pattern for rule in control.snapshot.mappings}
    kept = control.answers.by_rule()
    samples = control.board.samples(time.monotonic())
    found = {"hit": 0, "miss": 0}
    for sample, value in samples.items():
        for result in found:
            if sample.startswith(f"{CACHE.name}{{") and f'result="{result}"' in sample:
                found[result] += int(value)
    return CacheResponse(
        entries=sum(one.entries for one in kept),
        bytes=sum(one.size for one in kept),
        most_bytes=control.answers.most,
        hits=found["hit"],
        misses=found["miss"],
        saved=samples.get(CACHE_SAVED.sample()),
        rules=[
            RuleCache(
                mapping_id=one.mapping_id,
                model_pattern=patterns.get(one.mapping_id),
                entries=one.entries,
                bytes=one.size,
            )
            for one in kept
        ],
    )
