"""What the data plane answers by itself: model lists, probes, metrics. Not here: LLM traffic and the control plane."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import partial
from urllib.parse import unquote

import msgspec

from ... import native
from ...dialects.endpoint import Listed, ListPage, ModelPage, Page
from ...dialects.model_list import render_list, render_model
from ...errors import PointsmanError
from ...kinds import PRACTICE, ErrorKind
from ...ledger.metrics import CONTENT_TYPE, INFLIGHT, exposition, served
from ...link.bounds import Bounds, first_allowed, restricted
from ...link.messages import Snapshot
from ...process.beats import replaced
from ...routing.listing import listed as listed_by
from ...routing.listing import names_in_turn
from ...routing.pattern import is_wild
from ...routing.table import Fork, Plan, Target
from ...upstream.model_lists import has_list
from ..compiled import CompiledRules
from ..data_plane import DataPlane

JSON = b"content-type: application/json\r\n"
PROBLEM = b"content-type: application/problem+json\r\n"
METRICS = f"content-type: {CONTENT_TYPE}\r\n".encode()
LOOKED_AT = frozenset({"control", "live", "ready", "metrics", "root", "hello", "nowhere"})
"""Kinds of paths that people point a browser at: what is answered there has wire/shield.py."""
Found = tuple[Plan, Target]
_STARTED = int(time.time())
_SIDE_BY_SIDE = 50
"""Names that are looked for before others are served: about a millisecond."""


def problem(error: PointsmanError, request_id: str) -> bytes:
    """An error on the control plane's paths, in the form that plane uses itself (RFC 9457)."""
    return msgspec.json.encode(
        {
            "type": "about:blank",
            "title": "The control plane could not answer",
            "status": error.status,
            "detail": error.public,
            "code": error.kind.value,
            "request_id": request_id,
        }
    )


async def _named(
    plane: DataPlane, rules: CompiledRules, bounds: Bounds | None, *, practice: bool = False
) -> dict[str, Found]:
    """Every name that works, its plan, and the first target that serves it: exact rules, and what a backend lists where the
    rules send that name there. bounds: of who asks. practice: the built-in model, which is listed by itself only while
    nothing else is there."""
    names: dict[str, Found] = {}
    asked = names_in_turn(rules.table.exact_names(), plane.lists.known, plane.provider_lists.known)
    for number, (name, key) in enumerate(asked, 1):
        await _name(plane, rules, names, name, key, bounds)
        if number % _SIDE_BY_SIDE == 0:
            await asyncio.sleep(0)
    if practice or not names:
        await _name(plane, rules, names, PRACTICE, None, bounds)
    return names


async def _name(
    plane: DataPlane,
    rules: CompiledRules,
    names: dict[str, Found],
    name: str,
    key: str | None,
    bounds: Bounds | None,
) -> None:
    """key: of the backend that lists it."""
    if name in names:
        return
    try:
        found = await plane.plan(rules, name)
    except PointsmanError:
        return
    one = listed_by(found, name, key, partial(restricted, bounds))
    if one is not None:
        names[name] = one


def _provider(plan: Plan) -> str:
    """The key of the first one to which this gateway may send what is asked so; "" where all of it stays with local
    servers."""
    if plan.rule.local_only:
        return ""
    usable = (one for one in plan.targets if one.problem is None and one.backend is not None)
    return next((one.key for one in usable if one.backend and not one.backend.stays), "")


def _listed(plane: DataPlane, rules: CompiledRules, name: str, found: Found) -> Listed:
    plan, target = found
    remote = _provider(plan)
    backend = rules.backends.get(target.key)
    if backend is None:
        return Listed(name, target.key, _STARTED, remote=remote)
    facts = plane.facts.of(backend, target.model)
    unseeing = (
        False if backend.local else None
    )  # of a local server that says nothing: pictures get lost in silence
    images = unseeing if facts.images is None else facts.images
    window = backend.spec.context_window or facts.at_most
    return Listed(
        name,
        target.key,
        _STARTED,
        window,
        images,
        facts.abilities,
        remote,
        tools=facts.tools,
        generates=facts.generates,
    )


async def models(plane: DataPlane, rules: CompiledRules, query: bytes, bounds: Bounds | None) -> bytes:
    """The list of `/v1/models`, in the shape that its clients read. `?practice=1` asks for the practice model, too."""
    practice = any(pair.startswith(b"practice") for pair in query.split(b"&"))
    found = await listed(plane, rules, bounds, practice=practice)
    return render_list(found, query)


async def listed(
    plane: DataPlane, rules: CompiledRules, bounds: Bounds | None, *, practice: bool
) -> list[Listed]:
    """Every model that can be used by a client with these bounds, with what local servers say of theirs. practice: the
    built-in one, too."""
    found = (rules.backends.get(key) for key in rules.table.open_backends())
    providers = [one for one in found if one is not None and has_list(one)]
    near = [one for one in rules.backends.values() if one.local and one.spec.problem is None]
    await asyncio.gather(
        plane.lists.refresh(), plane.provider_lists.refresh(providers), plane.facts.refresh(near)
    )
    named = await _named(plane, rules, bounds, practice=practice)
    return [_listed(plane, rules, name, found) for name, found in named.items()]


async def model(plane: DataPlane, rules: CompiledRules, path: str, bounds: Bounds | None) -> bytes:
    """One model of `/v1/models/{id}`, whose id may hold slashes, encoded or not. Raises MODEL_NOT_FOUND, and FORBIDDEN."""
    name = unquote(path.removeprefix("/v1/models/"))
    if name not in await _named(plane, rules, bounds):
        await plane.lists.refresh()
    plan = first_allowed(bounds, await plane.plan(rules, name))
    return render_model(await told_of(plane, rules, name, plan))


async def of_a_protocol(
    plane: DataPlane,
    rules: CompiledRules,
    page: Page | None,
    body: bytes,
    plan: Callable[[str], Awaitable[Plan | Fork]],
    bounds: Bounds | None,
) -> bytes:
    """One of a protocol's own, which tells of models or of this gateway. plan: of a name that its client writes. Raises
    PointsmanError."""
    if isinstance(page, ListPage):
        return page.render(await listed(plane, rules, bounds, practice=False))
    if isinstance(page, ModelPage):
        name = page.named(body)
        return page.render(await told_of(plane, rules, name, first_allowed(bounds, await plan(name))))
    assert page is not None
    return page.body


async def told_of(plane: DataPlane, rules: CompiledRules, name: str, plan: Plan) -> Listed:
    """The same of a name whose plan is known, with what a local server says of it. Raises MODEL_NOT_FOUND."""
    backends = (rules.backends.get(target.key) for target in plan.targets[:1])
    await plane.facts.refresh(one for one in backends if one is not None)
    return _model_of(plane, rules, name, plan)


def _model_of(plane: DataPlane, rules: CompiledRules, name: str, plan: Plan) -> Listed:
    usable = [target for target in plan.targets if target.problem is None]
    if not usable or is_wild(name):
        problem = plan.targets[0].problem if plan.targets else "it has no target"
        raise PointsmanError(
            ErrorKind.MODEL_NOT_FOUND, f"The model cannot be served now: {problem}.", param="model"
        )
    return _listed(plane, rules, name, (plan, usable[0]))


def ready(plane: DataPlane) -> tuple[int, bytes]:
    """`/readyz`: can this process serve? 200 also when degraded (local routes still run), with the reasons.
    runs: `compiled`, `partly compiled` or `pure` (native.how())."""
    rules = plane.rules
    if plane.draining:
        return 503, msgspec.json.encode({"status": "draining", "problems": ["the gateway is shutting down"]})
    if rules is None:
        return 503, msgspec.json.encode({"status": "starting", "problems": ["no rules have arrived yet"]})
    snapshot: Snapshot = rules.snapshot
    if snapshot.leaving:
        return 503, msgspec.json.encode(
            {"status": "draining", "problems": ["this node was told to take no new clients"]}
        )
    problems = [*snapshot.problems, *(replaced(plane.runtime_dir) if plane.runtime_dir else ())]
    status = "degraded" if problems else "ready"
    return 200, msgspec.json.encode({"status": status, "problems": problems, "runs": native.how()[0]})


def metrics(plane: DataPlane) -> bytes:
    """What this process counted: the whole gateway's where it is the only one."""
    snapshot = plane.rules.snapshot if plane.rules is not None else None
    version, problems = (snapshot.version, snapshot.problems) if snapshot is not None else (0, ())
    samples = plane.samples()
    samples[INFLIGHT.sample()] -= 1.0  # the one that asks for this page
    return exposition(samples | served(version, problems, 1), plane.counters.spreads())
