"""What is told of a request that is explained: shapes, and who would be asked once all of them is known. Apart from the work
(explain_request.py), so that the translation is loaded only where somebody asks.
"""

from __future__ import annotations

from pydantic import Field

from .explain import Explanation
from .explain_target import TargetExplained

EXAMPLE_OUTPUT = 300
"""Tokens of an answer that a cost is told for, where the request does not say how long it may be."""


class TargetAsked(TargetExplained):
    """The same, of one request. protocol: in which the target would get it; as_it_is: byte for byte but for the model's name
    and what a local server needs; looked_through: it is asked in its client's protocol, but requests and answers are read
    and written anew, since the rule makes calls of text. url: that would be asked. changes: what is lost or changed on the
    way, as `x-pointsman-warnings` would say it (`dropped:top_k`). refusal: why this request is not taken there; goes_on: the
    next target would be asked then. doubt: what may not fit. cost: USD of the input alone; cost_most: with as much output as
    `output_tokens`; null where no price is known."""

    protocol: str | None = None
    as_it_is: bool = False
    looked_through: bool = False
    url: str | None = None
    changes: list[str] = Field(default_factory=list)
    refusal: str | None = None
    goes_on: bool = False
    doubt: str | None = None
    cost: float | None = None
    cost_most: float | None = None


class RequestExplained(Explanation):
    """What would happen to this request. path: where it is posted, guessed: by its members, since nothing said it. protocol:
    its client's. input_tokens: an estimate. output_tokens: that it asks for at most, else an example of 300. refusal: why it
    would be answered with an error whatever the target. asked: the target that would be asked first, null where none is.
    stuck: why it is the next target's turn, and for how long; null while it gets on. cached: of a
    rule that keeps answers, whether an equal request's would do. shadowed: of one with a shadow, whether this request could
    have one. notes: what could not be looked at."""

    path: str | None = None
    protocol: str | None = None
    guessed: bool = False
    stream: bool = False
    input_tokens: int | None = None
    output_tokens: int | None = None
    output_said: bool = False
    refusal: str | None = None
    asked: str | None = None
    stuck: str | None = None
    cached: str | None = None
    shadowed: str | None = None
    notes: list[str] = Field(default_factory=list)
    targets: list[TargetAsked] = Field(default_factory=list)  # type: ignore[assignment]  # and more of each


def decide(told: RequestExplained) -> RequestExplained:
    """With who would be asked, or why nobody is; as resilience/walk.py goes over the targets, once all is known of them."""
    able = [one for one in told.targets if not one.passed_over]
    for one in able or [one for one in told.targets if one.usable][:1]:
        if one.refusal is not None and not one.goes_on and one is able[0]:
            told.refusal = one.refusal
            return told
        if one.usable and one.refusal is None:
            told.asked = one.target
            return told
    if told.targets and told.refusal is None:
        told.refusal = "None of the rule's targets can take it."
    return told
