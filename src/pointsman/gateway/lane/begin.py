"""Takes a request into its own lane, where everything about it is plain. Nothing has happened where it is not.

What is asked here of the backend is what the full way asks (attempt/attempt.py, upstream/candidates.py), in the one case
in which every answer is "nothing against it". Not here: what is known once of a head and a model (facts.py).
"""

from __future__ import annotations

from time import time

from ...errors import PointsmanError
from ...kinds import Protocol
from ...resilience.board import TargetState
from ...routing.table import Plan
from ...wire.http1 import RequestHead
from ...wire.scan import body_look
from ...wire.splice import MAX_DEPTH, MAX_MODEL, with_flag
from ..attempt.body import json_body
from ..client.server import ClientConnection
from ..compiled import CompiledRules
from ..data_plane import DataPlane
from ..request.offload import LARGE
from ..spending.at_once import Taken, take_at_once
from .across import begin_across
from .facts import Asker, Track, asker_of, track_of
from .lane import Lane
from .state import Boundary


def begin(handler: Boundary, client: ClientConnection, head: RequestHead, body: bytes) -> Lane | None:
    """The lane with the request on its way; None where the full way must take it."""
    plane = handler.plane
    rules = plane.rules
    if rules is None or len(body) >= LARGE or plane.jobs >= plane.limits.max_requests:
        return None
    known: tuple[CompiledRules, Asker | None] | None = head.asker
    asker = known[1] if known is not None and known[0] is rules else _asker(head, plane, rules)
    seen = body_look(body, MAX_DEPTH, MAX_MODEL, asker.words) if asker is not None else None
    if asker is None or seen is None or (asker.ends and time() >= asker.until):
        return None
    model, streams, begins, ends, marks = seen
    stream = streams is True
    version, track = plane.lists.version, asker.track
    if version != asker.version or model != asker.model:
        track = _track(plane, rules, (model, version, asker.route.protocol), asker)
    if track is None or (not stream and track.backend.unheeding) or not _fits(track, body):
        return None
    state = _open(plane, track, asker)
    if state is None:
        return None
    if track.crosses:
        return begin_across(handler, asker, track, state, client, head, body, model, stream)
    asks = None if asker.remembered is None else asker.remembered.seen(body, marks & asker.refers != 0)
    hide_usage = False
    if asks is not None and asks.stored:
        return None
    if marks and (marks & asker.read or track.local):
        made = _made(asker, track, body, model, stream)
        if made is None:
            return None
        sent, hide_usage = made
    else:
        sent = body if track.named is None else b"".join((body[:begins], track.named, body[ends:]))
        if stream and track.usage is not None:
            sent, hide_usage = with_flag(sent, *track.usage), True
    revise = None if asker.revision is None else asker.revision(sent)
    limited = asker.limited or track.limited
    taken = _taken(plane, rules, asker, track, body) if limited else None
    if (limited and taken is None) or not (limited or track.places.claim()):
        return None
    lane, conn = Lane.__new__(Lane), track.shelf.take(False)
    lane.take(handler, asker, track, state, client, head, body, sent, model, stream, hide_usage, conn)
    lane.taken = taken
    if asks is not None:
        lane.remember(asks, straight=True)
    if revise is not None:
        lane.revise_by(revise)
    lane.set_off()
    return lane


def _asker(head: RequestHead, plane: DataPlane, rules: CompiledRules) -> Asker | None:
    asker = asker_of(head, plane, rules)
    head.asker = (rules, asker)
    return asker


def _fits(track: Track, body: bytes) -> bool:
    """Whatever stands in it (attempt/fitting.py)."""
    if len(body) > track.most:
        return False
    return not track.unable or not any([word in body for word in track.unable])


def _taken(plane: DataPlane, rules: CompiledRules, asker: Asker, track: Track, body: bytes) -> Taken | None:
    """Of its limits and the backend's places, together; None where one of the two has none left."""
    if not track.places.claim():
        return None
    taken = take_at_once(plane, rules, asker.caller, asker.route, track.target, body)
    if taken is None:
        track.places.release()
    return taken


def _made(asker: Asker, track: Track, body: bytes, model: str, stream: bool) -> tuple[bytes, bool] | None:
    """See json_body(); None where it refuses."""
    try:
        return json_body(track.backend, track.target, asker.route, body, model, stream, False)
    except PointsmanError:
        return None


def _track(
    plane: DataPlane, rules: CompiledRules, key: tuple[str, int, Protocol], asker: Asker
) -> Track | None:
    """None also before the model's plan is known."""
    track = _found_before(plane, rules, key)
    if track is not None and asker.bounds is not None and not asker.bounds.lets(track.plan):
        return None
    if track is not None:
        asker.model, asker.version = key[:2]
        asker.track = track
    return track


def _found_before(plane: DataPlane, rules: CompiledRules, key: tuple[str, int, Protocol]) -> Track | None:
    tracks: dict[tuple[str, int, Protocol], Track | None] = rules.tracks
    if key in tracks:
        return tracks[key]
    plan = rules.plans.get(key[:2])
    if plan is None:
        return None
    # which of several rules takes a request is for the full way to say, which reads it
    track = track_of(plane, rules, plan, key[2]) if isinstance(plan, Plan) else None
    rules.keep_track(key, track)
    return track


def _open(plane: DataPlane, track: Track, asker: Asker) -> TargetState | None:
    """The target's, if there is nothing at all against it; see resilience/board.py."""
    health, backend = track.health, track.backend
    if health.down or health.benched is not None:
        return None
    if backend.learned and backend.speaks(asker.route.protocol) is track.crosses:
        _forget(track, asker)  # it has shown, since, what it does not speak, or that is too long ago
        return None
    state = plane.board.targets.get(track.pair)
    return state if state is not None and state.breaker.quiet() and not state.throttles else None


def _forget(track: Track, asker: Asker) -> None:
    asker.track, asker.version = None, -1
    tracks: dict[tuple[str, int, Protocol], Track | None] = asker.rules.tracks
    for key in [key for key, known in tracks.items() if known is track]:
        del tracks[key]
