"""What a rule says that cannot work yet; it is accepted all the same (docs/design.md#data-model). Not here: which rules are
never asked (rule_order.py)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlmodel import Session, select

from ...conversation.presets import bare
from ...kinds import NODE, PRACTICE, REPLAY, BackendType
from ...providers.addresses import is_loopback_address
from ...providers.urls import parse_base_url
from ...routing.conditions import parse
from ...routing.order import RulePlace
from ...routing.reach import common
from . import credentials, local_backends, sealing
from .tables import BackendMapping
from .targets import TargetRef, targets_of

_NO_WINDOW = (
    "num_ctx is not a request's to set in these protocols: set it where the model is loaded (Ollama: PARAMETER num_ctx in a "
    "Modelfile, or OLLAMA_CONTEXT_LENGTH; llama.cpp: --ctx-size; vLLM: --max-model-len); a request is told dropped:num_ctx "
    "where the model's window is not known to be that large"
)


def place_of(row: BackendMapping) -> RulePlace:
    """What of it decides which names it gets."""
    return RulePlace(row.id or 0, row.model_pattern, row.priority, row.local_only, tuple(row.conditions))


def _stays(ref: TargetRef) -> bool:
    return ref.type is BackendType.LOCAL and not ref.name.startswith(NODE)


def walls_passed(row: BackendMapping, rows: Iterable[BackendMapping]) -> list[BackendMapping]:
    """The `local_only` rules whose names this one takes before them while its conditions hold, though it may lead elsewhere:
    whoever wrote the wall may not have meant that."""
    if not row.conditions or row.local_only or all(_stays(one) for one in targets_of(row)):
        return []
    mine = place_of(row)
    walls = [one for one in rows if one.local_only and one.enabled and not one.conditions]
    return [
        one
        for one in walls
        if one.priority == row.priority
        and mine.rank < place_of(one).rank
        and common(row.model_pattern, one.model_pattern) is not None
    ]


def passes(wall: BackendMapping, rule: str) -> str:
    """Of a rule whose conditions come before a wall. rule: how whoever reads it calls that one."""
    return f"while its conditions hold it takes names of {rule} ({wall.model_pattern}), which never leave this computer"


class Backends:
    """Those that are stored now; read once for many rules. rules: all there are, None to read them."""

    def __init__(self, session: Session, rules: Sequence[BackendMapping] | None = None) -> None:
        self._keyed = {sealing.key_of(row) for row in credentials.list_all(session)}
        self._rules = list(session.exec(select(BackendMapping))) if rules is None else rules
        self._local = {row.name: row for row in local_backends.list_all(session)}

    def warnings_of(self, row: BackendMapping) -> list[str]:
        """What to look at of one rule, with the commands that mend it."""
        return [
            *self.own_warnings(
                row, f"add one with: pointsman mapping update {row.id} --fallback TYPE[/NAME]"
            ),
            *(
                f"{passes(wall, f'rule {wall.id}')}; give that one a higher priority: "
                f"pointsman mapping update {wall.id} --priority {wall.priority + 1}"
                for wall in self.passed_by(row)
            ),
        ]

    def passed_by(self, row: BackendMapping) -> list[BackendMapping]:
        """See walls_passed()."""
        return walls_passed(row, self._rules)

    def own_warnings(self, row: BackendMapping, add: str) -> list[str]:
        """Those that name no other rule. add: how a fallback is added."""
        found: list[str] = []
        for ref in dict.fromkeys(targets_of(row)):
            warn = self._local_warning if ref.type is BackendType.LOCAL else self._cloud_warning
            warning = warn(row, ref)
            if warning is not None and warning not in found:
                found.append(warning)
        if row.shadow is not None:
            found += self._shadow_warnings(row.shadow)
        if any(bare(name) == "num_ctx" for name in row.presets or ()):
            found.append(_NO_WINDOW)
        found += _zones_gone(row.conditions)
        if row.fallback_on and len(targets_of(row)) == 1:
            found.append(f"fallback_on has no next target to go to; {add}")
        return found

    def _shadow_warnings(self, shadow: str) -> list[str]:
        backend = shadow.partition(":")[0]
        name = backend.partition("/")[2]
        row = self._local.get(name)
        if not name or name == PRACTICE:
            return []
        if row is None:
            return [
                f"its shadow {backend} does not exist yet; add it with: pointsman local add {name} --url URL"
            ]
        if not row.enabled:
            return [f"its shadow {backend} is disabled; enable it, or choose another one"]
        if row.node is not None:
            return [f"its shadow {backend} belongs to the node {row.node}: other nodes never ask it"]
        if _elsewhere(row.base_url):
            return [f"its shadow {backend} is at {row.base_url}, not on this computer: it is never asked"]
        return []

    def _cloud_warning(self, row: BackendMapping, ref: TargetRef) -> str | None:
        if row.forward_auth and ref == next(
            one for one in targets_of(row) if one.type is not BackendType.LOCAL
        ):
            return None  # the client brings its own login, which no other origin gets
        if ref.backend not in self._keyed:
            return f"{ref.backend} has no key yet; add it with: pointsman credential set {ref.backend}"
        return None

    def _local_warning(self, row: BackendMapping, ref: TargetRef) -> str | None:
        if ref.name == PRACTICE or ref.name.startswith(REPLAY):
            return None
        if ref.name.startswith(NODE):
            return (
                f"{ref.backend} is another machine on other nodes: local_only will not use it there"
                if row.local_only
                else None
            )
        backends = [one for name, one in self._local.items() if ref.name in ("", name)]
        name = ref.name or "NAME"
        if not backends:
            which = f"local/{ref.name} does not exist" if ref.name else "there is no local backend"
            return f"{which} yet; add it with: pointsman local add {name} --url URL"
        if not any(backend.enabled for backend in backends):
            return f"{ref.backend} is disabled; enable it, or choose another backend"
        if row.local_only and ref.name and backends[0].node is not None:
            return f"{ref.backend} belongs to the node {backends[0].node}: local_only will not use it on any other"
        if row.local_only and ref.name and _elsewhere(backends[0].base_url):
            return f"{ref.backend} is at {backends[0].base_url}, not on this computer: local_only will not use it"
        return None


def _zones_gone(conditions: Sequence[str]) -> list[str]:
    found = []
    for text in conditions:
        try:
            parse(text)
        except ValueError as error:
            found.append(f"{text} never holds: {error}")
    return found


def _elsewhere(base_url: str) -> bool:
    """Surely not this computer; a name is judged when it is connected to."""
    try:
        address = parse_base_url(base_url).address
    except ValueError:
        return False
    return address is not None and not is_loopback_address(address)
