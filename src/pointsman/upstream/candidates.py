"""What one target of a plan would get of a request: whether it can be used at all, whether it is passed over
now, and in which protocol it is spoken to. Pure.

The data plane asks before it acts and `explain` asks to tell, so that they cannot disagree. Not here: the
walk over several targets (resilience/walk.py), and what is sent.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import msgspec

from ..conversation.profile import Profile
from ..conversation.request import SEARCH, Request
from ..dialects.paths import Route
from ..dialects.registry import family_of
from ..engines.engine import Engine, EngineModel
from ..kinds import REPLAY, FallbackReason, Protocol
from ..providers.profiles import abilities_for, demanded, dialect_order, is_own, profile_for
from ..resilience.board import Board
from ..resilience.walk import Closed
from ..routing.table import Target
from .backend import Backend, key_command


def unusable(
    target: Target, backend: Backend | None, protocol: Protocol, *, login: bool, exact: bool = True
) -> tuple[FallbackReason, str] | None:
    """Why nothing can be sent to it, and the fix in words; None when something can.

    backend: None where its row could not be compiled. login: the client's own provider login is there and the
    rule sends it on; without a stored key that opens only what goes as it is. exact: see goes_as_it_is."""
    if target.problem is not None or backend is None:
        reason = FallbackReason.MISS if target.key.startswith(REPLAY) else FallbackReason.CONNECT
        return reason, target.problem or "its row cannot be used"
    if backend.spec.login_only and not (login and goes_as_it_is(backend, protocol, exact=exact)):
        text = f"no key is stored and none came with the request; {key_command(target.key)}"
        return FallbackReason.AUTH, text
    return None


def passed_over(board: Board, target: Target, backend: Backend | None, *, login: bool) -> Closed | None:
    """Why this target is left out while another remains; None when it may be tried. A target that cannot be
    used is not left out: it fails at once, and says why."""
    if backend is None or target.problem is not None:
        return None
    closed = board.closed(target.key, target.model, backend.account)
    if closed is None or (closed.key and login):
        return None
    return closed


def goes_as_it_is(backend: Backend, protocol: Protocol, *, exact: bool = True) -> bool:
    """Does the backend get the client's own protocol? exact: on that protocol's own path; beside it, what
    speaks any of the family gets it."""
    if exact:
        return backend.speaks(protocol)
    return any(backend.speaks(one) for one in family_of(protocol))


def answers_looked_through(backend: Backend, route: Route, *, login: bool) -> bool:
    """Would a request with tools that could go as it is go by the neutral form, since its rule makes calls of text
    (`recover_calls`)? Only there an answer's text is looked through. login: the client's own goes with it, which opens only
    what goes as it is."""
    if not backend.local or route.half is None or not backend.speaks(route.protocol):
        return False
    return route.exact and route.path == route.dialect.endpoint.path and not login


@dataclass(frozen=True, slots=True)
class Needs:
    """What of a request decides in which protocol it can be sent. tools: functions that the client
    runs. hosted: kinds of the tools that the backend runs. thinks: False where the client wants no
    reasoning."""

    tools: bool = False
    hosted: frozenset[str] = frozenset()
    thinks: bool = True


def needs_of(request: Request) -> Needs:
    """Of a request in neutral form."""
    if request.plain:  # as most are
        return _PLAIN
    hosted = request.hosted if request.server_tools or request.web_search is not None else _NONE
    tools, thinks = bool(request.tools), request.effort != "none"
    return _TOOLS if tools and thinks and not hosted else Needs(tools, hosted, thinks)


_PLAIN, _TOOLS = Needs(), Needs(tools=True)


def translated_to(
    backend: Backend, model: str, client: Protocol, needs: Needs, without: Collection[Protocol] = ()
) -> Protocol | None:
    """The protocol that a backend gets which does not speak the client's, the best of those in which
    it runs all that is needed; None when there is none. without: it has just said that it does not
    know these. Remembered of what is asked without tools that it runs, as long as it has said
    nothing of the kind."""
    if without or needs.hosted or (backend.learned and backend.unspoken):
        return _translated_to(backend, model, client, needs, without)
    key, known = (model, client, needs.tools), backend.translated
    if key not in known:
        if len(known) >= _REMEMBERED:
            known.clear()
        known[key] = _translated_to(backend, model, client, needs, without)
    return known[key]


def _translated_to(
    backend: Backend, model: str, client: Protocol, needs: Needs, without: Collection[Protocol]
) -> Protocol | None:
    found = [
        protocol
        for protocol in dialect_order(backend.spec, model, client, needs.tools)
        if protocol is not client and protocol not in without and backend.speaks(protocol)
    ]
    able = (protocol for protocol in found if _runs(backend, protocol, model, needs))
    return next(able, found[0] if found else None)


def profile_of(backend: Backend, protocol: Protocol, model: str) -> Profile:
    """profile_for(), remembered where the next request looks first."""
    key, known = (protocol, model), backend.profiles
    found = known.get(key)
    if found is None:
        if len(known) >= _REMEMBERED:
            known.clear()
        found = known[key] = profile_for(backend.spec, protocol, model)
    return found


def crosses(backend: Backend, model: str, client: Protocol, needs: Needs) -> bool:
    """Must a request be translated although the backend speaks the client's protocol? Where its
    vendor takes the model, or what is needed of it, in another one only
    (docs/protocols/models.md#chat-refuses-tools-together-with-reasoning)."""
    other = translated_to(backend, model, client, needs) if is_own(backend.spec, model) else None
    if other is None:
        return False
    best = demanded(backend.spec, model, needs.tools and needs.thinks)
    if best is not None:
        return best is not client and best is other
    lacks = bool(needs.hosted) and not _runs(backend, client, model, needs)
    return lacks and _runs(backend, other, model, needs)


def may_cross(backend: Backend, model: str, client: Protocol) -> bool:
    """Is there any request that would? Asked before its body is read, of every request: so remembered."""
    if backend.local:
        return False
    known = backend.crossing.get((model, client))
    if known is None:
        known = any(crosses(backend, model, client, Needs(True, hosted)) for hosted in (_NONE, _SEARCHES))
        if not backend.unspoken and len(backend.crossing) < _REMEMBERED:
            backend.crossing[model, client] = known
    return known


def preset_profile(
    backend: Backend, protocol: Protocol, model: str, engine: Engine | None, known: EngineModel
) -> Profile:
    """What a target takes of what a rule sets, spoken to in this protocol. engine: which one it is, where that is known;
    known: what it says of the model."""
    profile = abilities_for(backend.spec, protocol, model)
    window = profile.context_window or known.window
    more: dict[str, Any] = {}
    if (
        engine is not None and profile.template_kwargs
    ):  # a protocol in which local servers read more than its own fields
        more = dict(engine.takes)
        if "reasoning" in more and known.abilities is not None and "thinking" not in known.abilities:
            more["reasoning"] = "none"  # asked to think, it would refuse the request
    return msgspec.structs.replace(profile, **{**more, "context_window": window})


_REMEMBERED = 1000
"""Models of a backend; names come from clients."""


_NONE, _SEARCHES = frozenset[str](), frozenset({SEARCH})


def _runs(backend: Backend, protocol: Protocol, model: str, needs: Needs) -> bool:
    return needs.hosted <= profile_for(backend.spec, protocol, model).server_tools
