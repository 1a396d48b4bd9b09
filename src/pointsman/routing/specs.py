"""Rules and backends as the data plane uses them: compiled from the database's rows, carried by the link.

Plain values. Not here: tables (store/tables.py) and how a rule is chosen (table.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from ..kinds import BACKEND_PROTOCOLS, PRACTICE, REPLAY, BackendType, backend_key, is_provider
from ..secret import Secret

PRACTICE_KEY = backend_key(BackendType.LOCAL, PRACTICE)
SHADOW_SHARE = 10
SHADOW_BUSY = 20
"""Percent, where a rule with a shadow does not say."""
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
    presets: what it sets in each request (conversation/presets.py). conditions: what a request must be for it to take it,
    all of them (conditions.py). stick: a conversation stays with the target that it began with. stuck_after, stuck_for,
    loop_repeats: see translation/stuck.Patience, None = its defaults. stop_loops: an answer that goes round in circles is
    ended. recover_calls: a call that a local server gives as text becomes a call. customs: see kinds.Customs, None =
    nothing. cache_seconds: how long answers are kept for equal requests, None = they are not; cache_shared: for those of
    every client key; cache_any_temperature: those that are left to chance, too. shadow: the local target that is asked the
    same behind the client's back, `local/box:qwen3`, None = none is; shadow_share: in how many of a hundred requests,
    shadow_busy: how much of its engine's time that may take, in percent; None = SHADOW_SHARE, SHADOW_BUSY.
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
    conditions: tuple[str, ...] = ()
    stick: bool = False
    stuck_after: int | None = None
    stuck_for: int | None = None
    stop_loops: bool = False
    recover_calls: bool = False
    loop_repeats: int | None = None
    customs: str | None = None
    cache_seconds: int | None = None
    cache_shared: bool = False
    cache_any_temperature: bool = False
    shadow: str | None = None
    shadow_share: int | None = None
    shadow_busy: int | None = None

    @property
    def equals(self) -> tuple[tuple[int, ...], ...]:
        """The positions of targets that stand for each other, of one kind in a group, the first target's group first.
        Without `spread` each stands alone."""
        return equals([one.backend for one in self.targets], spread=self.spread)

    @property
    def shadow_target(self) -> TargetSpec | None:
        """Whom a share of its requests is also sent to."""
        return None if self.shadow is None else target_spec(self.shadow)

    def weight(self, at: int) -> int:
        """Of the target at that position; a row that was edited by hand may have too few, or none that counts."""
        return max(1, self.weights[at]) if at < len(self.weights) else 1


def target_spec(text: str) -> TargetSpec:
    """Of `local/box:qwen3`, or `local/box` for the name that the client sent."""
    backend, _, model = text.partition(":")
    return TargetSpec(backend, model or None)


def equals(backends: Sequence[str], *, spread: bool) -> tuple[tuple[int, ...], ...]:
    """The same, of these backends' keys."""
    if not spread:
        return tuple((at,) for at in range(len(backends)))
    local = [not is_provider(key) for key in backends]
    groups = (tuple(at for at, here in enumerate(local) if here is kind) for kind in (local[0], not local[0]))
    return tuple(group for group in groups if group)


def login_target(targets: Iterable[TargetSpec]) -> TargetSpec | None:
    """The target whose origin a client's own provider login is for, where the rule forwards it: the first that is a
    provider. No other origin ever gets it (docs/reliability-promises.md#logins-of-clients)."""
    return next((one for one in targets if is_provider(one.backend)), None)


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
    recording: no row: a recording of that name answers, and no server does (docs/replay.md).
    found: no row: a server that discovery found on this computer (upstream/discovery.py), for names that no rule matches.
    node: the gateway that has it, where that is another one: base_url is a path of that one then, and nothing that goes
    there stays on this machine. In a row, and before it is placed (admin/control/placing.py), this gateway's own, too. Where
    the key is `node/NAME` it is all that `local` is there.
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
    recording: str | None = None
    node: str | None = None

    @property
    def stays(self) -> bool:
        """Is it a local server that this gateway reaches by itself?"""
        return self.type == BackendType.LOCAL.value and self.node is None

    @property
    def built_in(self) -> bool:
        """Is it this gateway's own, so that there is no server to ask of anything?"""
        return self.recording is not None or self.key == PRACTICE_KEY


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


def recording_spec(name: str) -> BackendSpec:
    """A recording as a backend: it answers in each protocol, and is nowhere."""
    return BackendSpec(
        key=REPLAY + name,
        type=BackendType.LOCAL.value,
        name=REPLAY + name,
        base_url=UNIX,
        dialects=tuple(protocol.value for protocol in BACKEND_PROTOCOLS),
        recording=name,
    )
