"""What many shadows say together: how often the local answer agreed with the cloud's, how much slower it was, what it would
have saved, and the rule that would use it. Counts and medians; each share with its 95 % interval (Wilson's).

Not here: how two answers are compared (conversation/agreement.py), and the numbers at rest (store/shadows.py).
"""

from __future__ import annotations

import math
import shlex
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from statistics import median, quantiles
from typing import Any

from pydantic import BaseModel

from ...ledger.records import NANO
from ...ledger.shadows import Comparison, NotAsked
from ...routing.specs import MappingSpec, TargetSpec, target_spec

FEWEST = 30
"""Answers before anything is advised."""
ENOUGH = 0.8
"""Of agreement at least, as it surely is, for the local target to be advised."""
ALIKE = 0.5
"""Of likeness, where only words were compared: three quarters of the answers at least so much."""
_SURE = 1.96
_MOST_TARGETS = 4


class Share(BaseModel):
    """count of `of`; low and high: what it may be of all such requests, at 95 % (Wilson); all null where of is 0."""

    count: int
    of: int
    share: float | None
    low: float | None
    high: float | None


class Both(BaseModel):
    """A median of the cloud's answers and of the local ones, over those that tell both. of: how many do."""

    of: int
    cloud: float | None
    local: float | None


class RuleShadow(BaseModel):
    """What is known of one rule's shadow. local: the target; clouds: how many answers of which. first, last: when the first
    and the last was compared. answers: there was a local answer to compare; failed, not_asked: there was none, by why.
    tools, arguments: of answers in which either called a tool: the same tools, and with the same arguments. structured: of
    those of which JSON was asked: the same value. verdict: the same arguments or, where none was called, the same value.
    refusals: both refused, or neither. stops: both ended for the same reason. likeness: median of the share of words and
    pairs of words that the texts have in common; likeness_low: a quarter of them is below. slower: median of how many times
    longer the local one took. cost: USD of the cloud's answers; saved: what the local ones would have saved of that; priced:
    of how many answers that is known. fit: does it do in the cloud's place? null where nobody can tell yet; why: in words;
    command: the rule that asks it first."""

    mapping_id: int
    model_pattern: str | None
    local: str
    clouds: dict[str, int]
    first: datetime
    last: datetime
    asked: Share
    answers: int
    failed: dict[str, int]
    not_asked: dict[str, int]
    tools: Share
    arguments: Share
    structured: Share
    verdict: Share
    refusals: Share
    stops: Share
    likeness: float | None
    likeness_low: float | None
    tokens: Both
    characters: Both
    first_ms: Both
    total_ms: Both
    slower: float | None
    cost: float | None
    saved: float | None
    priced: int
    fit: bool | None
    why: str
    command: str | None


def wilson(count: int, of: int) -> Share:
    """The share with its interval, which tells how little a few say."""
    if not of:
        return Share(count=count, of=of, share=None, low=None, high=None)
    p, z = count / of, _SURE * _SURE / of
    middle, half = p + z / 2, _SURE * math.sqrt(p * (1 - p) / of + z / (4 * of))
    low, high = (middle - half) / (1 + z), (middle + half) / (1 + z)
    return Share(count=count, of=of, share=p, low=max(0.0, low), high=min(1.0, high))


def report(
    compared: Iterable[Comparison], not_asked: Iterable[NotAsked], rules: Iterable[MappingSpec]
) -> list[RuleShadow]:
    """One for each rule and local target, those of most answers first."""
    groups: dict[tuple[int, str], list[Comparison]] = {}
    left: dict[tuple[int, str], Counter[str]] = {}
    seen: dict[tuple[int, str], list[float]] = {}
    for one in compared:
        groups.setdefault((one.mapping_id, one.local), []).append(one)
        seen.setdefault((one.mapping_id, one.local), []).append(one.at)
    for other in not_asked:
        key = other.mapping_id, other.local
        groups.setdefault(key, [])
        left.setdefault(key, Counter())[other.why] += other.count
        seen.setdefault(key, []).append(other.at)
    by_id = {rule.id: rule for rule in rules}
    found = [
        _of(by_id.get(key[0]), key, some, left.get(key, Counter()), seen[key]) for key, some in groups.items()
    ]
    return sorted(found, key=lambda one: -one.answers)


def _of(
    rule: MappingSpec | None,
    key: tuple[int, str],
    some: Sequence[Comparison],
    left: Counter[str],
    seen: Sequence[float],
) -> RuleShadow:
    answers = [one for one in some if one.failed is None]
    made = RuleShadow(
        mapping_id=key[0],
        model_pattern=rule.pattern if rule is not None else None,
        local=key[1],
        clouds=dict(Counter(one.cloud for one in some).most_common()),
        first=datetime.fromtimestamp(min(seen), UTC),
        last=datetime.fromtimestamp(max(seen), UTC),
        asked=wilson(len(answers), len(some)),
        answers=len(answers),
        failed=dict(Counter(one.failed for one in some if one.failed is not None).most_common()),
        not_asked=dict(left.most_common()),
        **_agreed(answers),
        **_lengths(answers),
        **_money(answers),
        fit=None,
        why="",
        command=None,
    )
    made.fit, made.why = _fit(made)
    if made.fit and rule is not None:
        made.command = command(rule, made.local)
    return made


def _agreed(answers: Sequence[Comparison]) -> dict[str, Any]:
    alike = [one.likeness for one in answers if one.likeness is not None]
    return {
        "tools": _share(one.tools for one in answers),
        "arguments": _share(one.arguments for one in answers),
        "structured": _share(one.structured for one in answers),
        "verdict": _share(one.structured if one.arguments is None else one.arguments for one in answers),
        "refusals": _share(one.refused is one.local_refused for one in answers),
        "stops": _share(one.stop == one.local_stop for one in answers),
        "likeness": median(alike) if alike else None,
        "likeness_low": _lowest_quarter(alike),
    }


def _lengths(answers: Sequence[Comparison]) -> dict[str, Any]:
    times = [one.local_total_ms / one.total_ms for one in answers if one.local_total_ms and one.total_ms]
    return {
        "tokens": _both((one.tokens, one.local_tokens) for one in answers),
        "characters": _both((one.characters, one.local_characters) for one in answers),
        "first_ms": _both((one.first_ms, one.local_first_ms) for one in answers),
        "total_ms": _both((one.total_ms, one.local_total_ms) for one in answers),
        "slower": median(times) if times else None,
    }


def _money(answers: Sequence[Comparison]) -> dict[str, Any]:
    known = [(one.cost, one.local_cost) for one in answers]
    priced = [(cost, local) for cost, local in known if cost is not None and local is not None]
    return {
        "cost": sum(cost for cost, _ in priced) / NANO if priced else None,
        "saved": sum(cost - local for cost, local in priced) / NANO if priced else None,
        "priced": len(priced),
    }


def _share(said: Iterable[bool | None]) -> Share:
    known = [one for one in said if one is not None]
    return wilson(sum(known), len(known))


def _both(told: Iterable[tuple[float | None, float | None]]) -> Both:
    known = [(one, other) for one, other in told if one is not None and other is not None]
    if not known:
        return Both(of=0, cloud=None, local=None)
    cloud, local = zip(*known, strict=True)
    return Both(of=len(known), cloud=median(cloud), local=median(local))


def _lowest_quarter(values: Sequence[float]) -> float | None:
    if len(values) < 2:
        return values[0] if values else None
    return quantiles(values, n=4, method="inclusive")[0]


def _fit(made: RuleShadow) -> tuple[bool | None, str]:
    """Does the local target do? What surely holds of all requests decides, not what held of these."""
    if made.answers < FEWEST:
        return None, f"{made.answers} answers were compared; below {FEWEST} nothing is advised"
    for what, share in (("an answer came in", made.asked), ("refusals were alike in", made.refusals)):
        if (share.low or 0.0) < ENOUGH:
            return False, f"{what} {_said(share)}; {ENOUGH:.0%} at least is asked for"
    verdict = made.verdict
    if verdict.of >= FEWEST:
        good = (verdict.low or 0.0) >= ENOUGH
        text = f"calls and structured output were the same in {_said(verdict)}"
        return good, text if good else f"{text}; {ENOUGH:.0%} at least is asked for"
    if verdict.of:
        return (
            None,
            f"only {verdict.of} answers had calls or structured output; below {FEWEST} nothing is advised",
        )
    if made.likeness_low is not None and made.likeness_low >= ALIKE:
        return True, f"the texts are much alike: three quarters of them {made.likeness_low:.2f} or more"
    return None, "only texts were compared, and not alike enough to say more: read some of both"


def _said(share: Share) -> str:
    return f"{share.count} of {share.of}, surely {share.low or 0.0:.0%} or more"


def command(rule: MappingSpec, local: str) -> str:
    """The change of the rule by which its shadow is asked first, and who was before it when that one fails."""
    first = target_spec(local)
    before = [one for one in rule.targets if _key(one, rule) != _key(first, rule)]
    words = [
        "pointsman",
        "mapping",
        "update",
        str(rule.id),
        "--to",
        first.backend,
        "--model",
        first.model or "",
    ]
    for one in before[: _MOST_TARGETS - 1]:
        words += ["--fallback", one.backend if one.model is None else f"{one.backend}={one.model}"]
    if rule.spread:
        words.append("--no-spread")
    if rule.weights:
        words.append("--no-weights")
    return shlex.join([*words, "--no-shadow"])


def _key(one: TargetSpec, rule: MappingSpec) -> tuple[str, str]:
    return one.backend, one.model or rule.pattern
