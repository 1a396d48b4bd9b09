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

from ...conversation.contents import has_images
from ...conversation.usage import TokenUsage
from ...dialects.capsule import Capsules
from ...dialects.paths import Route, route
from ...dialects.recall import NOTHING
from ...dialects.registry import DIALECTS
from ...errors import PointsmanError
from ...kinds import ErrorKind, FallbackOn, Protocol, is_provider
from ...ledger.prices import PriceBook
from ...ledger.records import NANO
from ...link.bounds import Bounds
from ...link.engine_desk import EngineStanding
from ...link.messages import BackendHealth, Snapshot
from ...providers.profiles import profile_for
from ...routing.table import Plan, Target
from ...translation.bridged import Bridged
from ...translation.crossing import Asked, Crossing
from ...translation.estimate import estimate_body
from ...translation.preset_body import preset_body
from ...translation.same_request import Unlike, canonical
from ...translation.sight import contents_of, contents_of_text, sight_of
from ...translation.stuck import handed_over, next_first, patience_of
from ...upstream.backend import Backend
from ...upstream.candidates import (
    Needs,
    answers_looked_through,
    crosses,
    goes_as_it_is,
    needs_of,
    preset_profile,
    translated_to,
)
from ...wire.http1 import BadHead, RequestHead, head_error, parse_head
from ...wire.splice import peek
from .explain import explain
from .explain_customs import pass_customs
from .explain_recorded import FindRecorded, nothing_recorded, pass_recording
from .explain_shadow import shadowed
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
    recorded: FindRecorded = nothing_recorded


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
    read = _Read(stage.snapshot, where, body, head)
    sight = sight_of(where.protocol, head, pasted.key, time.time(), read.contents)
    found, plan = await explain(*stage[:3], seen.model, stage.engine, where.tag, sight)
    told = RequestExplained(**(_fields(told) | _fields(found) | {"notes": notes}))
    told.stream = where.streams if seen.stream is None else seen.stream
    if plan is None:
        told.refusal = found.why
        return told
    await stage.view.look_at(target.key for target in plan.targets)
    one = _One(stage, plan, where, body, head, seen.model, read, pasted.key, told.stream)
    one.tell(told)
    told.cached = _cached(stage.snapshot, where, pasted, plan, stream=told.stream)
    told.shadowed = shadowed(stage.snapshot, stage.view, where, plan, pasted.key)
    by_label = {target.label: target for target in plan.targets}
    told.targets = [one.of(by_label[each.target], each) for each in found.targets]
    if one.stuck(told):
        after = next_first(plan.rule, [target.label for target in plan.targets])
        told.targets.sort(key=lambda each: after.index(each.target))
    return told


def _cached(snapshot: Snapshot, where: Route, pasted: Pasted, plan: Plan, *, stream: bool) -> str | None:
    """Would it be looked up in the cache?"""
    spec = next((one for one in snapshot.client_keys if pasted.key and one.name == pasted.key), None)
    bounds = None if spec is None else Bounds.of(spec, frozenset())
    kept = plan if bounds is None else bounds.keeping(plan)
    if kept.rule.cache_seconds is None or pasted.body is None:
        return None
    try:
        canonical(where, pasted.body, kept.rule, stream=stream)
    except Unlike as why:
        told = f"it is answered anew each time: {why}"
    else:
        told = f"the answer of an equal request would do, where one of the last {kept.rule.cache_seconds} s is kept"
    return told if kept is plan else f"{told}; its client key says so, the rule says nothing of it"


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


class _Read:
    """A request in neutral form, where its path has one and its body can be read: `asked`; else `problem` says why not.
    input: tokens, an estimate. output: that it asks for at most, None where it does not say."""

    def __init__(self, snapshot: Snapshot, where: Route, body: bytes, head: RequestHead) -> None:
        self.asked: Asked | None = None
        self.problem: PointsmanError | None = None
        self.input = estimate_body(body)
        self.output: int | None = None
        self.contents = contents_of_text(body) if where.half is None and where.media is None else None
        if where.half is None:
            return
        try:
            self.asked = Asked(where.half, body, head, _ID, Capsules(snapshot.pepper or b"explain"))
        except PointsmanError as error:
            self.problem = error
        else:
            self.contents = contents_of(self.asked.request)
            self.input, self.output = self.contents.tokens, self.asked.request.max_tokens


@dataclass(slots=True)
class _One:
    """One request, at each of its targets."""

    stage: Grounds
    plan: Plan
    where: Route
    body: bytes
    head: RequestHead
    model: str
    read: _Read
    key: str | None
    stream: bool

    @property
    def asked(self) -> Asked | None:
        """It in neutral form."""
        return self.read.asked

    def stuck(self, told: RequestExplained) -> bool:
        """Is it the next target's turn?"""
        rule = self.plan.rule
        if self.asked is None or FallbackOn.STUCK not in rule.fallback_on or len(self.plan.targets) < 2:
            return False
        handed = handed_over(self.asked.request, patience_of(rule))
        told.stuck = None if handed is None else handed.told
        return handed is not None

    def tell(self, told: RequestExplained) -> None:
        """How much it is."""
        told.input_tokens = self.read.input
        told.output_said = self.read.output is not None
        told.output_tokens = self.read.output or EXAMPLE_OUTPUT
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
                pass_customs(one, self.stage.snapshot, self.plan, backend, self.body, self.key)
            if one.refusal is None:
                self._fit(one, target, backend)
            self._price(one, target)
        return one

    # -- in which protocol, and what of it

    def _send(self, one: TargetAsked, target: Target, backend: Backend) -> None:
        where, recording = self.where, backend.spec.recording
        if recording is not None:
            request = None if self.asked is None else self.asked.request
            asked = (self.plan, target, recording, where, self.body, request)
            pass_recording(one, self.stage.recorded, *asked, stream=self.stream)
            return
        if goes_as_it_is(backend, where.protocol, exact=where.exact) and not self._must_cross(
            target, backend
        ):
            if self._looked_through(target, backend):
                one.looked_through = True
                self._across(one, target, backend, where.protocol)
            else:
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

    def _looked_through(self, target: Target, backend: Backend) -> bool:
        if not self.plan.rule.recover_calls or self.asked is None or not self.asked.request.tools:
            return False
        return answers_looked_through(backend, self.where, login=target.forwards)

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

    def _across(
        self, one: TargetAsked, target: Target, backend: Backend, spoken: Protocol | None = None
    ) -> None:
        where = self.where
        if where.half is None:
            self._not_spoken(one, where.protocol)
            return
        if self.read.problem is not None:
            raise self.read.problem
        assert self.asked is not None
        request = self.asked.request
        spoken = spoken or translated_to(backend, target.model, where.protocol, needs_of(request))
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
        elif request is not None and known.images is False and has_images(request):
            self._refuse(one, FallbackOn.ABILITY, "the model sees no pictures, and this request has one")
        elif window is not None and self.read.input > window * _SURE:
            text = f"its window is {window:,} tokens, and this is about {self.read.input:,}"
            self._refuse(one, FallbackOn.CONTEXT, text)
        elif window is not None and self.read.input * 2 > window:
            one.doubt = (
                f"its window is {window:,} tokens, and this is about {self.read.input:,}: it may not fit"
            )

    def _refuse(self, one: TargetAsked, reason: FallbackOn, text: str) -> None:
        one.refusal, one.goes_on = text, reason in self.plan.rule.fallback_on

    def _price(self, one: TargetAsked, target: Target) -> None:
        specs = self.stage.snapshot.prices.get(target.key)
        rate = None if specs is None else PriceBook(specs).rate(target.model, time.time())
        if rate is None:
            if one.price == {} or not is_provider(target.key):
                one.cost = one.cost_most = 0.0
            return
        output = self.read.output or EXAMPLE_OUTPUT
        if not self.where.dialect.endpoint.writes:
            output = 0
        costs = [_usd(rate.charged(_used(self.read.input, made))[0]) for made in (0, output)]
        one.cost, one.cost_most = costs


def _used(read: int, made: int) -> tuple[Any, ...]:
    return msgspec.structs.astuple(TokenUsage(read, made))


def _usd(nano: int | None) -> float | None:
    return None if nano is None else nano / NANO
