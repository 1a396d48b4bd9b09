"""Why a target was left, in words that follow its name: `openai took too long`. Pure."""

from __future__ import annotations

from ...kinds import FallbackReason

_WORDS = {
    FallbackReason.CONNECT: "took no connection",
    FallbackReason.TIMEOUT: "took too long",
    FallbackReason.THROTTLED: "was too busy",
    FallbackReason.UPSTREAM_ERROR: "had an error",
    FallbackReason.EMPTY: "answered nothing",
    FallbackReason.MALFORMED: "answered what nobody can read",
    FallbackReason.AUTH: "refused the key",
    FallbackReason.BUDGET: "has spent its budget",
    FallbackReason.STUCK: "did not get on",
    FallbackReason.CONTEXT: "has too small a window",
    FallbackReason.REFUSAL: "refused",
    FallbackReason.ABILITY: "is not able to do it",
    FallbackReason.MISS: "has nothing recorded for it",
}


def what_it_did(reason: str | None) -> str:
    """reason: as records and processes tell it; None, and one of a later version: it failed."""
    return _WORDS.get(FallbackReason(reason), "failed") if reason in set(FallbackReason) else "failed"
