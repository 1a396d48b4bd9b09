"""What the data plane answers by itself: model lists, probes, metrics. Not here: LLM traffic and the control plane."""

from __future__ import annotations

import time
from urllib.parse import unquote

import msgspec

from ...dialects.endpoint import Listed
from ...dialects.model_list import render_list, render_model
from ...errors import PointsmanError
from ...kinds import PRACTICE, ErrorKind
from ...ledger.metrics import CONTENT_TYPE, INFLIGHT, exposition, served
from ...link.messages import Snapshot
from ...routing.pattern import is_wild
from ..compiled import CompiledRules
from ..data_plane import DataPlane

JSON = b"content-type: application/json\r\n"
PROBLEM = b"content-type: application/problem+json\r\n"
METRICS = f"content-type: {CONTENT_TYPE}\r\n".encode()
_STARTED = int(time.time())


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


def _named(plane: DataPlane, rules: CompiledRules) -> dict[str, str]:
    """Every name that would resolve, and who serves it first: exact rules, local backends' lists, practice."""
    names: dict[str, str] = {}
    candidates = [*rules.table.exact_names(), PRACTICE]
    for listed in plane.lists.known.values():
        candidates.extend(sorted(listed))
    for name in candidates:
        if name in names:
            continue
        try:
            targets = plane.plan(rules, name).targets
        except PointsmanError:
            continue
        usable = [target for target in targets if target.problem is None]
        if usable:
            names[name] = usable[0].key
    return names


def _listed(rules: CompiledRules, name: str, owner: str) -> Listed:
    backend = rules.backends.get(owner)
    return Listed(name, owner, _STARTED, backend.spec.context_window if backend is not None else None)


async def models(plane: DataPlane, rules: CompiledRules, query: bytes) -> bytes:
    """The list of `/v1/models`, in the shape that its clients read."""
    await plane.lists.refresh()
    found = [_listed(rules, name, owner) for name, owner in _named(plane, rules).items()]
    return render_list(found, query)


async def model(plane: DataPlane, rules: CompiledRules, path: str) -> bytes:
    """One model of `/v1/models/{id}`, whose id may hold slashes, encoded or not. Raises MODEL_NOT_FOUND."""
    name = unquote(path.removeprefix("/v1/models/"))
    if name not in _named(plane, rules):
        await plane.lists.refresh()
    plan = plane.plan(rules, name)
    usable = [target for target in plan.targets if target.problem is None]
    if not usable or is_wild(name):
        problem = plan.targets[0].problem if plan.targets else "it has no target"
        raise PointsmanError(
            ErrorKind.MODEL_NOT_FOUND, f"The model cannot be served now: {problem}.", param="model"
        )
    return render_model(_listed(rules, name, usable[0].key))


def ready(plane: DataPlane) -> tuple[int, bytes]:
    """`/readyz`: can this process serve? 200 also when degraded (local routes still run), with the reasons."""
    rules = plane.rules
    if plane.draining:
        return 503, msgspec.json.encode({"status": "draining", "problems": ["the gateway is shutting down"]})
    if rules is None:
        return 503, msgspec.json.encode({"status": "starting", "problems": ["no rules have arrived yet"]})
    snapshot: Snapshot = rules.snapshot
    status = "degraded" if snapshot.problems else "ready"
    return 200, msgspec.json.encode({"status": status, "problems": list(snapshot.problems)})


def metrics(plane: DataPlane) -> bytes:
    """What this process counted: the whole gateway's where it is the only one."""
    snapshot = plane.rules.snapshot if plane.rules is not None else None
    version, problems = (snapshot.version, snapshot.problems) if snapshot is not None else (0, ())
    samples = plane.samples()
    samples[INFLIGHT.sample()] -= 1.0  # the one that asks for this page
    return exposition(samples | served(version, problems, 1))
