"""What clients may refer to on any node: sealed on its way into PostgreSQL, opened on its way out. Not here: SQL
(store/remembered.py), and what is remembered (gateway/own/shared_memory.py).
"""

from __future__ import annotations

from ...link.shared_messages import (
    ForgetRemembered,
    Remember,
    RememberedFound,
    RememberedQuestion,
    SharedKind,
)
from ..store import remembered
from ..vault import Binding, VaultError
from .control_plane import ControlPlane


def keep(control: ControlPlane, message: Remember) -> None:
    """Raises PointsmanError where it cannot be kept."""
    if control.nodes is None:
        return
    name = message.names[0]
    sealed = control.vault.require().seal_bytes(message.body, _bound(message.kind, message.caller, name))
    with control.nodes.link() as link:
        remembered.keep(link, message.kind, message.caller, message.names, sealed, message.seconds)


def forget(control: ControlPlane, message: ForgetRemembered) -> None:
    """Raises PointsmanError where that cannot be."""
    if control.nodes is not None:
        with control.nodes.link() as link:
            remembered.forget(link, message.kind, message.caller, message.name)


def find(control: ControlPlane, question: RememberedQuestion) -> RememberedFound:
    """What does not open, as it was sealed under an earlier master key, is as good as gone. Raises PointsmanError."""
    if control.nodes is None:
        return RememberedFound(question.number)
    with control.nodes.link() as link:
        rows = remembered.find(link, question.kinds, question.caller, question.names)
    found = []
    for kind, name, body in rows:
        try:
            clear = control.vault.require().open_bytes(body, _bound(kind, question.caller, name))
        except VaultError:
            continue
        found.append((SharedKind(kind), name, clear))
    return RememberedFound(question.number, tuple(found))


def _bound(kind: str, caller: str, name: str) -> Binding:
    return Binding("remembered", kind, name, caller)
