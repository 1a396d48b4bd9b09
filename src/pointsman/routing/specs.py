"""Rules and backends as the data plane uses them: compiled from the database's rows, carried by the link.

Plain values. Not here: tables (store/tables.py) and how a rule is chosen (table.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from ..kinds import BACKEND_PROTOCOLS, PRACTICE, BackendType, backend_key
from ..secret import Secret

PRACTICE_KEY = backend_key(BackendType.LOCAL, PRACTICE)
UNIX = "unix:"
"""A base URL that begins so, without `//`, goes on with the path of a socket of our own; `unix:///` is a row's."""


class TargetSpec(msgspec.Struct, frozen=True):
    """One target of a mapping. backend: key such as `openai`, `openai/groq`, `local/box`, or `local` (by model list).
    model: None = the name the client sent."""

    backend: str
    model: str | None = None


class MappingSpec(msgspec.Struct, frozen=True):
    """One enabled rule, its targets already in order (primary, fallback_backend, fallbacks).

    fallback_on: further reasons to go to the next target (kinds.FallbackOn), none by default. hedge_seconds:
    start the next target when the one before has given no output for so long, None = never. spread: its local targets are
    each other's equals, and so are its others; weights: of its targets in their order, () = all alike.
    presets: what it sets in each request (conversation/presets.py).
    """

    id: int
    pattern: str
    priority: int
    targets: tuple[TargetSpec, ...]
    local_only: bool = False
    forward_auth: bool = False
    fallback_on: tuple[str, ...] = ()
    hedge_seconds: float | None = None
    spread: bool = False
    weights: tuple[int, ...] = ()
    presets: dict[str, Any] = {}

    @property
    def equals(self) -> tuple[tuple[int, ...], ...]:
        """The positions of targets that stand for each other, of one kind in a group, the first target's group first.
        Without `spread` each stands alone."""
        return equals([one.backend for one in self.targets], spread=self.spread)

    def weight(self, at: int) -> int:
        """Of the target at that position; a row that was edited by hand may have too few, or none that counts."""
        return max(1, self.weights[at]) if at < len(self.weights) else 1


def equals(backends: Sequence[str], *, spread: bool) -> tuple[tuple[int, ...], ...]:
    """The same, of these backends' keys."""
    if not spread:
        return tuple((at,) for at in range(len(backends)))
    local = [key.partition("/")[0] == BackendType.LOCAL.value for key in backends]
    groups = (tuple(at for at, here in enumerate(local) if here is kind) for kind in (local[0], not local[0]))
    return tuple(group for group in groups if group)


def login_target(targets: Iterable[TargetSpec]) -> TargetSpec | None:
    """The target whose origin a client's own provider login is for, where the rule forwards it: the first that is a
    provider. No other origin ever gets it (docs/reliability-promises.md#logins-of-clients)."""
    return next((one for one in targets if one.backend.partition("/")[0] != BackendType.LOCAL.value), None)


class BackendSpec(msgspec.Struct, frozen=True):
    """One backend as the data plane uses it.

    key: `openai`, `openai/groq`, `local/box`. type: local | openai | anthropic. base_url: in the
    normal form of providers/urls.py, or UNIX and a path. dialects: protocols it speaks, None = not said. auth: an
    AuthScheme value. api_key: None where none is stored. problem: why it cannot be used (a sentence with the fix),
    or None. max_in_flight: requests at once, None = the gateway's own limit. join_resends: a generation whose
    client left may be joined by the same request. silent_end: its streams end without saying why. proxy: `none` or a
    proxy's URL, None = what the environment says. ca_file: of the authorities that may sign for it, None = the system's.
    engine: the warden starts it on demand, under this name; base_url is no address then. models: what it lists while it
    does not run.
    found: no row: a server that discovery found on this computer (upstream/discovery.py), for names that no rule matches.
    """

    key: str
    type: str
    name: str
    base_url: str
    dialects: tuple[str, ...] | None = None
    auth: str = "none"
    api_key: Secret | None = None
    allow_http: bool = False
    stream_usage: bool = False
    context_window: int | None = None
    problem: str | None = None
    max_in_flight: int | None = None
    join_resends: bool = False
    silent_end: bool = False
    proxy: str | None = None
    ca_file: str | None = None
    login_only: bool = False  # no key is stored: only for rules that forward the client's own provider login
    found: bool = False
    engine: str | None = None
    models: tuple[str, ...] = ()


def practice_spec(socket_path: str) -> BackendSpec:
    """The practice backend, which every data-plane process serves to itself and no row describes.

    socket_path: "" where nobody will connect (the control plane only tells of it)."""
    return BackendSpec(
        key=PRACTICE_KEY,
        type=BackendType.LOCAL.value,
        name=PRACTICE,
        base_url=UNIX + socket_path,
        dialects=tuple(protocol.value for protocol in BACKEND_PROTOCOLS),
        stream_usage=True,
    )
