"""What one target of a plan would get of a request: whether it can be used at all, whether it is passed over
now, and in which protocol it is spoken to. Pure.

The data plane asks before it acts and `explain` asks to tell, so that they cannot disagree. Not here: the
walk over several targets (resilience/walk.py), and what is sent.
"""

from __future__ import annotations

from ..dialects.registry import family_of
from ..kinds import FallbackReason, Protocol
from ..providers.profiles import dialect_order
from ..resilience.board import Board
from ..resilience.walk import Closed
from ..routing.table import Target
from .backend import Backend


def unusable(
    target: Target, backend: Backend | None, protocol: Protocol, *, login: bool, exact: bool = True
) -> tuple[FallbackReason, str] | None:
    """Why nothing can be sent to it, and the fix in words; None when something can.

    backend: None where its row could not be compiled. login: the client's own provider login is there and the
    rule sends it on; without a stored key that opens only what goes as it is. exact: see goes_as_it_is."""
    if target.problem is not None or backend is None:
        return FallbackReason.CONNECT, target.problem or "its row cannot be used"
    if backend.spec.login_only and not (login and goes_as_it_is(backend, protocol, exact=exact)):
        text = f"no key is stored and none came with the request; pointsman credential set {target.key}"
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


def translated_to(backend: Backend, model: str, client: Protocol, *, tools: bool) -> Protocol | None:
    """The protocol that a backend gets which does not speak the client's; None when there is none."""
    for protocol in dialect_order(backend.spec, model, client, tools):
        if protocol is not client and backend.speaks(protocol):
            return protocol
    return None
