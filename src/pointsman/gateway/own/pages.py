"""What the data plane answers by itself: model lists, probes, metrics. Not here: LLM traffic and the control plane."""

from __future__ import annotations

import time
from urllib.parse import unquote

import msgspec

from ...errors import PointsmanError
from ...kinds import PRACTICE, ErrorKind
from ...ledger.metrics import CONTENT_TYPE, INFLIGHT, exposition, served
from ...link.messages import Snapshot
from ...routing.pattern import is_wild
from ..compiled import CompiledRules
from ..data_plane import DataPlane
from .codex_models import catalogue

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


def _entry(name: str, owner: str) -> dict[str, object]:
    """One model, for both vendors' parsers at once (PROTOCOLS.md 13.1: both SDKs ignore unknown keys)."""
    return {
        "id": name,
        "object": "model",
        "created": _STARTED,
        "owned_by": owner,
        "type": "model",
        "display_name": name,
        "created_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(_STARTED)),
        "lifecycle": "active",
        "line": None,
        "max_input_tokens": None,
        "max_tokens": None,
        "capabilities": None,
        "description": f"served by {owner}",
    }


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


async def models(plane: DataPlane, rules: CompiledRules) -> bytes:
    """The list of `/v1/models`."""
    await plane.lists.refresh()
    data = [_entry(name, owner) for name, owner in _named(plane, rules).items()]
    first, last = (data[0]["id"], data[-1]["id"]) if data else (None, None)
    return msgspec.json.encode(
        {"object": "list", "data": data, "has_more": False, "first_id": first, "last_id": last}
    )


async def codex_models(plane: DataPlane, rules: CompiledRules) -> bytes:
    """The same list for Codex, which asks with `client_version` and reads another shape."""
    await plane.lists.refresh()
    found = []
    for name, owner in _named(plane, rules).items():
        backend = rules.backends.get(owner)
        found.append((name, owner, backend.spec.context_window if backend is not None else None))
    return catalogue(found)


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
    return msgspec.json.encode(_entry(name, usable[0].key))


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
