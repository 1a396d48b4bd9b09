"""What would become of one whole request: for each target of its rule what it would be sent, where, what of it would be lost
or changed on the way, what would be refused, and about what it costs. Nothing is sent to a model.

The data plane's own translation is run over it (translation/). Not here: reading what was pasted (pasted.py), which targets
there are (explain.py), and how long a local server's queue is.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec
from pydantic import BaseModel

from ...conversation.parts import Image, ToolResult
from ...conversation.usage import TokenUsage
from ...dialects.capsule import Capsules
from ...dialects.paths import Route, route
from ...dialects.recall import NOTHING
from ...dialects.registry import DIALECTS
from ...errors import PointsmanError
from ...kinds import BackendType, ErrorKind, FallbackOn, Protocol
from ...ledger.prices import PriceBook
from ...ledger.records import NANO
from ...link.engine_desk import EngineStanding
from ...link.messages import BackendHealth, Snapshot
from ...providers.profiles import profile_for
from ...routing.table import Plan, Target
from ...translation.bridged import Bridged
from ...translation.crossing import Asked, Crossing
from ...translation.estimate import estimate_body, estimate_tokens
from ...translation.preset_body import preset_body
from ...upstream.backend import Backend
from ...upstream.candidates import Needs, crosses, goes_as_it_is, needs_of, preset_profile, translated_to
from ...wire.http1 import BadHead, RequestHead, head_error, parse_head
from ...wire.splice import peek
from .explain import explain
from .explain_target import TargetExplained
from .pasted import Pasted
from .request_explained import EXAMPLE_OUTPUT, RequestExplained, TargetAsked
from .routing_view import RoutingView

_ID = "explained"
_SURE = 1.5
"""An estimate is believed once it is so much more than the window (gateway/attempt/fitting.py)."""


class Grounds(NamedTuple):
    """What there is to explain with."""

    snapshot: Snapshot
    view: RoutingView
    health: Mapping[str, BackendHealth]
    engine: Callable[[str], EngineStanding]


async def explain_request(stage: Grounds, pasted: Pasted) -> RequestExplained:
    """A model's name alone is explained as far as that goes. Raises PointsmanError INVALID for a path that takes no
    requests for models."""
    if pasted.body is None:
        found, _ = await explain(*stage[:3], pasted.model, stage.engine)
        return RequestExplained(
            **_fields(found), targets=[TargetAsked(**_fields(one)) for one in found.targets]
        )
    where = route(pasted.path)
    if where.kind != "llm" or where.answer_id:
        text = f"{pasted.path} takes no request for a model; say another path, such as /v1/messages."
        raise PointsmanError(ErrorKind.INVALID, text, param="path")
    told = RequestExplained(
        model="", why="", path=where.path, protocol=where.protocol.value, guessed=pasted.guessed
    )
    try:
        seen = peek(pasted.body)
        head = _head_of(pasted, where)
        body, notes = _alone(pasted.body)
    except PointsmanError as error:
        told.refusal = told.why = error.public
        return told
    found, plan = await explain(*stage[:3], seen.model, stage.engine, where.tag)
    told = RequestExplained(**(_fields(told) | _fields(found) | {"notes": notes}))
    told.stream = where.streams if seen.stream is None else seen.stream
    if plan is None:
        told.refusal = found.why
        return told
    await stage.view.look_at(target.key for target in plan.targets)
    one = _One(stage, plan, where, body, head, seen.model)
    one.read(told)
    by_label = {target.label: target for target in plan.targets}
    told.targets = [one.of(by_label[each.target], each) for each in found.targets]
    return told


def _fields(model: BaseModel) -> dict[str, Any]:
    return {name: getattr(model, name) for name in type(model).model_fields if name != "targets"}


def _head_of(pasted: Pasted, where: Route) -> RequestHead:
    lines = "".join(f"{name}: {value}\r\n" for name, value in pasted.headers)
    raw = f"POST {where.path} HTTP/1.1\r\nhost: localhost\r\n{lines}\r\n"
    try:
        return parse_head(raw.encode("latin-1", "replace"), 100)
    except BadHead as bad:
        raise head_error(bad) from None


def _alone(body: bytes) -> tuple[bytes, list[str]]:
    """Without what it only refers to, which nobody looks up here."""
    members = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    if bytes(members.get("previous_response_id", b"null")) == b"null":
        return body, []
    del members["previous_response_id"]
    return msgspec.json.encode(members), ["what previous_response_id stands for is not looked up here"]


@dataclass(slots=True)
class _One:
    """One request, at each of its targets."""

    stage: Grounds
    plan: Plan
    where: Route
    body: bytes
    head: RequestHead
    model: str
    asked: Asked | None = None
    problem: PointsmanError | None = None
    input: int = 0
    output: int | None = None

    def read(self, told: RequestExplained) -> None:
        """It in neutral form, where its path has one, and how much it is."""
        half = self.where.half
        self.input = estimate_body(self.body)
        if half is not None:
            capsules = Capsules(self.stage.snapshot.pepper or b"explain")
            try:
                self.asked = Asked(half, self.body, self.head, _ID, capsules)
            except PointsmanError as error:
                self.problem = error
            else:
                self.input = estimate_tokens(self.asked.request)
                self.output = self.asked.request.max_tokens
        told.input_tokens = self.input
        told.output_said = self.output is not None
        told.output_tokens = self.output or EXAMPLE_OUTPUT
        if not self.where.dialect.endpoint.writes:
            told.output_tokens = 0

    def of(self, target: Target, explained: TargetExplained) -> TargetAsked:
        one = TargetAsked(**_fields(explained))
        backend = self.stage.view.backends.get(target.key)
        if backend is not None and one.usable:
            try:
                self._send(one, target, backend)
            except PointsmanError as error:
                one.refusal = error.public
            if one.refusal is None:
                self._fit(one, target, backend)
            self._price(one, target)
        return one

    # -- in which protocol, and what of it

    def _send(self, one: TargetAsked, target: Target, backend: Backend) -> None:
        where = self.where
        if goes_as_it_is(backend, where.protocol, exact=where.exact) and not self._must_cross(
            target, backend
        ):
            self._straight(one, target, backend)
        elif where.bridge is not None:
            bridge = where.bridge
            if not backend.speaks(bridge.to):
                self._not_spoken(one, bridge.to)
                return
            upstream = DIALECTS[bridge.to]
            models = (self.model, target.model)
            codec = Bridged(bridge, where.dialect, upstream, self.body, self.head, _ID, models, backend.mask)
            self._sent(one, backend, bridge.to, codec.path, codec.warnings)
        else:
            self._across(one, target, backend)

    def _must_cross(self, target: Target, backend: Backend) -> bool:
        where = self.where
        if not where.exact or where.path != where.dialect.endpoint.path:
            return False
        needs = Needs() if self.asked is None else needs_of(self.asked.request)
        return crosses(backend, target.model, where.protocol, needs)

    def _straight(self, one: TargetAsked, target: Target, backend: Backend) -> None:
        where, straight = self.where, self.where.dialect.straight
        profile = profile_for(backend.spec, where.protocol, target.model)
        if where.exact and straight is not None and straight.wanted(self.body, NOTHING):
            straight.fit(self.body, profile, NOTHING)
        one.as_it_is = True
        told = ""
        if self.plan.rule.presets and where.path == where.dialect.endpoint.path:
            told = ",".join(self._preset(self.body, target, backend, where.protocol))
        self._sent(one, backend, where.protocol, where.path.encode(), told.encode())
        if where.protocol not in backend.spoken:
            one.doubt = "nobody has said that it speaks this protocol: where it does not know the path, it is translated"

    def _across(self, one: TargetAsked, target: Target, backend: Backend) -> None:
        where = self.where
        if where.half is None:
            self._not_spoken(one, where.protocol)
            return
        if self.problem is not None:
            raise self.problem
        assert self.asked is not None
        request = self.asked.request
        spoken = translated_to(backend, target.model, where.protocol, needs_of(request))
        if spoken is None:
            self._not_spoken(one, where.protocol)
            return
        profile = profile_for(backend.spec, spoken, target.model)
        codec = Crossing(self.asked, where.dialect, DIALECTS[spoken], profile, None, backend.mask)
        if self.plan.rule.presets:
            codec.preset(codec.body, self._preset(codec.body, target, backend, spoken))
        self._sent(one, backend, spoken, codec.path, codec.warnings)

    def _preset(self, body: bytes, target: Target, backend: Backend, spoken: Protocol) -> list[str]:
        facts = self.stage.view.facts
        engine, known = facts.engine(backend), facts.of(backend, target.model)
        profile = preset_profile(backend, spoken, target.model, engine, known)
        said = None if self.asked is None else self.asked.request
        return preset_body(self.plan.rule.presets, body, DIALECTS[spoken], profile, said=said)[1]

    @staticmethod
    def _sent(one: TargetAsked, backend: Backend, spoken: Protocol, path: bytes, warnings: bytes) -> None:
        one.protocol = spoken.value
        one.url = backend.url_of(path.decode("ascii")) or None
        one.changes = [text for text in warnings.decode("ascii", "replace").split(",") if text]

    @staticmethod
    def _not_spoken(one: TargetAsked, protocol: Protocol) -> None:
        one.refusal = (
            f"{one.backend} does not speak {protocol.value} on this path, and it cannot be translated"
        )
        one.goes_on = True

    # -- does it fit, and what does it cost

    def _fit(self, one: TargetAsked, target: Target, backend: Backend) -> None:
        """As gateway/attempt/fitting.py judges a local model."""
        if not backend.can_be_asked:
            return
        known = self.stage.view.facts.of(backend, target.model)
        window = backend.spec.context_window or known.window
        request = None if self.asked is None else self.asked.request
        if request is not None and known.tools is False and request.tools:
            self._refuse(one, FallbackOn.ABILITY, "the model calls no tools, and this request has some")
        elif request is not None and known.images is False and self._pictures():
            self._refuse(one, FallbackOn.ABILITY, "the model sees no pictures, and this request has one")
        elif window is not None and self.input > window * _SURE:
            text = f"its window is {window:,} tokens, and this is about {self.input:,}"
            self._refuse(one, FallbackOn.CONTEXT, text)
        elif window is not None and self.input * 2 > window:
            one.doubt = f"its window is {window:,} tokens, and this is about {self.input:,}: it may not fit"

    def _pictures(self) -> bool:
        parts = (
            [part for message in self.asked.request.messages for part in message.parts] if self.asked else []
        )
        inner = [one for part in parts if isinstance(part, ToolResult) for one in part.parts]
        return any(isinstance(part, Image) for part in (*parts, *inner))

    def _refuse(self, one: TargetAsked, reason: FallbackOn, text: str) -> None:
        one.refusal, one.goes_on = text, reason in self.plan.rule.fallback_on

    def _price(self, one: TargetAsked, target: Target) -> None:
        specs = self.stage.snapshot.prices.get(target.key)
        rate = None if specs is None else PriceBook(specs).rate(target.model, time.time())
        if rate is None:
            if one.price == {} or target.key.partition("/")[0] == BackendType.LOCAL.value:
                one.cost = one.cost_most = 0.0
            return
        output = self.output or EXAMPLE_OUTPUT
        if not self.where.dialect.endpoint.writes:
            output = 0
        costs = [_usd(rate.charged(_used(self.input, made))[0]) for made in (0, output)]
        one.cost, one.cost_most = costs


def _used(read: int, made: int) -> tuple[Any, ...]:
    return msgspec.structs.astuple(TokenUsage(read, made))


def _usd(nano: int | None) -> float | None:
    return None if nano is None else nano / NANO
