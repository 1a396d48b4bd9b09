"""The memory of responses in the way of one request: what it refers to is looked up before a target is asked, and its
answer is remembered when it is given (docs/protocols/messages.md#the-memory-of-responses).

Not here: the memory itself (translation/response_memory.py), and what becomes of a reference that nobody knows: that
depends on the target (the dialect's Straight, parse_request).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...dialects.recall import Given, Keep, Recalled, References, Remembered
from ...errors import PointsmanError
from ...kinds import ErrorKind
from ...providers.profiles import profile_for
from ...routing.table import Plan, Target
from ..compiled import CompiledRules
from ..data_plane import DataPlane
from .job import ClientRequest, Job
from .offload import LARGE, offload


def has_references(request: ClientRequest) -> bool:
    """Is it of a protocol whose clients may refer to what they were given?"""
    return _remembered(request) is not None


async def recall(plane: DataPlane, job: Job) -> None:
    """Set job.recalled. The request has_references(). Raises PointsmanError 400 for an item that is there twice."""
    request = job.request
    remembered = _remembered(request)
    assert remembered is not None
    asks = remembered.references(request.body)
    if asks.previous is None and not asks.items:
        job.recalled = Recalled(asks)
        return
    caller = _caller(request)
    chain = await _chain(plane, caller, asks.previous)
    earlier: list[bytes] | None = None
    if chain is not None:
        size = sum(len(given.asked or b"") for given in chain)
        expand = (remembered, chain)
        earlier = await offload(_expanded, *expand) if size >= LARGE else _expanded(*expand)
    inside = [name for item in earlier or () if (name := remembered.reference(item)) is not None]
    _refuse_twice([*inside, *(name for given in chain or () for name, _ in given.items if name)], asks.items)
    items = await _items(plane, caller, [*asks.items, *inside])
    if earlier is not None:
        earlier = _resolved(remembered, earlier, items)
    holder = chain[0].holder if chain else ""
    job.recalled = Recalled(asks, tuple(earlier) if earlier is not None else None, holder, items)


def _refuse_twice(before: list[str], names: Sequence[str]) -> None:
    """In the vendor's words [reported: vercel/ai#7883, continue#10723]: an answer to a call that stands there twice is no
    answer to both. before: ids of items of the responses that it goes on from."""
    there = set(before)
    for name in names:
        if name in there:
            text = (
                f"Duplicate item found with id {name}. Remove duplicate items from your input and try again."
            )
            raise PointsmanError(ErrorKind.BAD_REQUEST, text, param="input")
        there.add(name)


async def _chain(plane: DataPlane, caller: str, name: str | None) -> list[Given] | None:
    """The response of that id and those that it goes on from, newest first; None where one of them is not known."""
    if name is None:
        return None
    chain: list[Given] = []
    passed: set[str] = set()
    while name is not None:
        found = await _find(plane, caller, [name])
        given = found.get(name)
        if given is None or given.id != name or given.asked is None or name in passed:
            return None
        passed.add(name)
        chain.append(given)
        name = given.previous
    return chain


def _expanded(remembered: Remembered, chain: Sequence[Given]) -> list[bytes]:
    items: list[bytes] = []
    for given in reversed(chain):
        assert given.asked is not None
        items += remembered.own_items(given.asked)
        items += [item for _, item in given.items]
    return items


async def _items(plane: DataPlane, caller: str, names: list[str]) -> dict[str, tuple[bytes, str]]:
    found = await _find(plane, caller, names)
    return {name: (given.item(name), given.holder) for name, given in found.items() if given.id != name}


def _resolved(
    remembered: Remembered, earlier: list[bytes], items: dict[str, tuple[bytes, str]]
) -> list[bytes] | None:
    """Without references of their own; None where one cannot be followed."""
    whole: list[bytes] = []
    for item in earlier:
        name = remembered.reference(item)
        if name is not None and name not in items:
            return None
        whole.append(item if name is None else items[name][0])
    return whole


async def _find(plane: DataPlane, caller: str, names: Sequence[str]) -> dict[str, Given]:
    """What this process knows of these ids, else what the others do, else other nodes."""
    memory = plane.responses
    found = {name: given for name in names if (given := memory.find(caller, name)) is not None}
    missing = [name for name in names if name not in found]
    if missing and plane.siblings is not None and memory.on:
        for given in await plane.siblings.ask(caller, missing):
            memory.put(caller, given)
        found |= {name: given for name in missing if (given := memory.find(caller, name)) is not None}
        missing = [name for name in names if name not in found]
    if missing and plane.shared.on and memory.on:
        for given in await plane.shared.find(caller, missing):
            memory.put(caller, given)
        found |= {name: given for name in missing if (given := memory.find(caller, name)) is not None}
    return found


@dataclass(slots=True)
class _Keeping:
    """See dialects.recall.Keep."""

    plane: DataPlane
    caller: str
    previous: str | None
    asked: bytes
    holder: str

    def __call__(self, name: str, items: Sequence[tuple[str, bytes]], shell: bytes = b"", /) -> None:
        given = Given(name, self.previous, self.asked, tuple(items), self.holder, shell)
        self.plane.responses.put(self.caller, given)
        self.plane.shared.keep(self.caller, given)


def keeping(
    plane: DataPlane,
    rules: CompiledRules,
    request: ClientRequest,
    asks: References,
    plan: Plan,
    target: Target,
    *,
    straight: bool,
) -> Keep | None:
    """Who remembers this target's answer: nobody where the protocol has no references, the client wants nothing kept, or
    all of the rule's targets keep theirs and the first of them is asked each time. asks: what the body says of it.
    straight: it gets the client's own protocol."""
    remembered = _remembered(request)
    if remembered is None or not plane.responses.on or not asks.keeps:
        return None
    if request.route.path != request.route.dialect.endpoint.path:
        return None
    holder = target.key if straight and _keeps(rules, request, target) else ""
    if holder and not plan.rule.spread and all(_keeps(rules, request, other) for other in plan.targets):
        return None
    return _Keeping(plane, _caller(request), asks.previous, request.body, holder)


def _keeps(rules: CompiledRules, request: ClientRequest, target: Target) -> bool:
    backend = rules.backends.get(target.key)
    protocol = request.route.protocol
    if backend is None or not backend.speaks(protocol):
        return False
    return profile_for(backend.spec, protocol, target.model).keeps_responses


def _remembered(request: ClientRequest) -> Remembered | None:
    return request.route.dialect.remembered if request.route.exact else None


async def inputs_of(plane: DataPlane, request: ClientRequest, given: Given) -> list[bytes] | None:
    """The items that were asked for it, those before it among them; None where they are not known (any more)."""
    remembers = _remembered(request)
    assert remembers is not None
    caller = _caller(request)
    chain = await _chain(plane, caller, given.id)
    if chain is None:
        return None
    newest = chain[0].asked
    assert newest is not None
    items = [*_expanded(remembers, chain[1:]), *remembers.own_items(newest)]
    names = [name for item in items if (name := remembers.reference(item)) is not None]
    return _resolved(remembers, items, await _items(plane, caller, names))


def _caller(request: ClientRequest) -> str:
    return str(request.caller.key_id)
