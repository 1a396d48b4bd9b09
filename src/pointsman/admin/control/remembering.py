"""What clients may refer to on any node: sealed on its way into PostgreSQL, opened on its way out. Not here: SQL
(store/remembered.py), and what is remembered (gateway/own/shared_memory.py).
"""

from __future__ import annotations

from collections.abc import Sequence

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


def keep(control: ControlPlane, told: Sequence[Remember | ForgetRemembered]) -> None:
    """All of it, in its order, or nothing. Raises PointsmanError where that cannot be."""
    if control.nodes is None:
        return
    vault = control.vault.require()
    with control.nodes.link() as link, link.transaction():
        for one in told:
            if isinstance(one, ForgetRemembered):
                remembered.forget(link, one.kind, one.caller, one.name)
            else:
                sealed = vault.seal_bytes(one.body, _bound(one.kind, one.caller, one.names[0]))
                remembered.keep(link, one.kind, one.caller, one.names, sealed, one.seconds)


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
