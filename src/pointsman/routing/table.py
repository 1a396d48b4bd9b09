"""Rules and backends compiled for look-up: `resolve(model)` gives the ordered targets. Pure: same inputs, same plan.

Rules have an order (order.py). `practice` and `practice:*` go to the practice
backend before any wild pattern. Not here: who is healthy.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from ..errors import PointsmanError
from ..kinds import PRACTICE, BackendType, ErrorKind
from .order import Rank, rank
from .pattern import is_wild, without_suffix
from .slices import Slices, at_once
from .specs import PRACTICE_KEY, BackendSpec, MappingSpec, TargetSpec, login_target
from .walls import Walls
from .wild_index import WildIndex

Listed = Mapping[str, Iterable[str]]
"""Local backend's key -> the model names it lists."""

NAME_LENGTH = 512
"""Characters of a model name at most: looking for its rule takes time that grows with it, and no model's is so long."""

NO_RULE = MappingSpec(id=0, pattern="", priority=0, targets=())
"""What a plan holds where no rule was needed: every column has its default."""


@dataclass(frozen=True, slots=True)
class Target:
    """One backend and the model name to use there. backend is None, and problem says why, when there is none."""

    key: str
    model: str
    backend: BackendSpec | None
    problem: str | None = None
    forwards: bool = False
    """The rule sends the client's own provider login there."""
    label: str = field(init=False)
    """`openai:gpt-4o-mini`, as in `x-pointsman-target`."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "label", f"{self.key}:{self.model}")


@dataclass(frozen=True, slots=True)
class Plan:
    """The ordered targets of one request, and the rule that named them: NO_RULE where none was needed."""

    model: str
    targets: tuple[Target, ...]
    rule: MappingSpec
    why: str
    unplaced: bool = field(init=False)
    """A target is any local backend that lists the model, and none is known to: newer lists may tell."""

    def __post_init__(self) -> None:
        unplaced = any(target.backend is None and target.key == "local" for target in self.targets)
        object.__setattr__(self, "unplaced", unplaced)

    @property
    def mapping_id(self) -> int | None:
        """The rule's id, None where no rule was needed."""
        return self.rule.id or None

    @property
    def pattern(self) -> str | None:
        """The rule's pattern, None where no rule was needed."""
        return self.rule.pattern if self.rule.id else None


class RoutingTable:
    """mappings: the enabled rules, any order. backends: all that exist, the practice backend included by the caller."""

    def __init__(self, mappings: Iterable[MappingSpec], backends: Iterable[BackendSpec]) -> None:
        self.backends = {backend.key: backend for backend in backends}
        self._exact: dict[str, MappingSpec] = {}
        self._wild: list[MappingSpec] = []
        ranked = sorted(mappings, key=_rank)
        self._walls = Walls(ranked) if any(mapping.local_only for mapping in ranked) else None
        for mapping in ranked:
            if is_wild(mapping.pattern):
                self._wild.append(mapping)
            else:
                self._exact.setdefault(mapping.pattern, mapping)
        self._index = WildIndex([mapping.pattern for mapping in self._wild])
        local = [b for b in self.backends.values() if b.type == BackendType.LOCAL and b.key != PRACTICE_KEY]
        self._locals = sorted(b.key for b in local if not b.found)
        self._found = sorted(b.key for b in local if b.found)

    def open_backends(self) -> list[str]:
        """Backends to which some wild rule sends names as they come, and no local_only rule: whose own lists tell names that
        can be used. What stands behind a rule for everything is never reached."""
        found: dict[str, None] = {}
        for mapping in self._wild:
            if not mapping.local_only:
                found |= dict.fromkeys(one.backend for one in mapping.targets if one.model is None)
            if not mapping.pattern.strip("*"):
                break
        return list(found)

    def exact_names(self) -> list[str]:
        """Patterns that are plain names, for a model list."""
        return sorted(self._exact)

    def resolve(self, model: str, lists: Listed) -> Plan:
        """The plan for a model name. Raises PointsmanError MODEL_NOT_FOUND naming the command that adds a rule."""
        return at_once(self.search(model, lists))

    def search(self, model: str, lists: Listed) -> Slices[Plan]:
        """The same, with pauses: thousands of rules that a hostile name nearly fits take long."""
        bare = without_suffix(model)
        for name in _spellings(model, bare):
            mapping = yield from self._rule_for(name)
            practice = mapping is None and _is_practice(name)
            walled = None
            if self._walls is not None and not practice and (mapping is not None or name == bare):
                walled = yield from self._walls.over(model, mapping)
            if walled is not None:
                return self._plan(
                    walled[0], model, without_suffix(walled[1]), lists, "; so is it of this spelling"
                )
            if mapping is not None:
                return self._plan(mapping, model, bare, lists)
            if practice:
                target = self._target(TargetSpec(PRACTICE_KEY, None), bare, lists)
                return Plan(model, (target,), NO_RULE, "the built-in practice model")
        for key in (*self._locals, *self._found):  # what somebody added before what is merely there
            backend = self.backends[key]
            if backend.problem is None and (model in lists.get(key, ()) or bare in lists.get(key, ())):
                who = f"{key}, found on this computer," if backend.found else key
                why = f"no rule matches; {who} lists the model"
                return Plan(model, (Target(key, bare, backend),), NO_RULE, why)
        raise PointsmanError(
            ErrorKind.MODEL_NOT_FOUND,
            f"{_too_long(model)}No rule matches the model '{shown(model)}' and no local backend lists it. "
            f"Add one with: pointsman mapping add '{shown(model)}' --to TYPE[/NAME]",
            param="model",
        )

    def _rule_for(self, name: str) -> Slices[MappingSpec | None]:
        exact = self._exact.get(name)
        if _is_practice(name):  # no wild pattern takes these, however high its priority
            return exact
        number = yield from self._index.search(name)
        wild = None if number is None else self._wild[number]
        if exact is None or wild is None:
            return exact or wild
        return min(exact, wild, key=_rank)

    def _plan(self, mapping: MappingSpec, model: str, bare: str, lists: Listed, more: str = "") -> Plan:
        targets = tuple(self._target(spec, bare, lists) for spec in mapping.targets)
        if mapping.forward_auth:
            targets = self._forwarding(mapping, targets)
        return Plan(model, targets, mapping, f"rule {mapping.id}: {mapping.pattern}{more}")

    def _forwarding(self, mapping: MappingSpec, targets: tuple[Target, ...]) -> tuple[Target, ...]:
        """Those at the origin that the rule sends the client's own login to."""
        meant = login_target(mapping.targets)
        backend = self.backends.get(meant.backend) if meant is not None else None
        if backend is None:
            return targets
        return tuple(
            replace(target, forwards=_is_at(target.backend, _origin(backend.base_url))) for target in targets
        )

    def _target(self, spec: TargetSpec, bare: str, lists: Listed) -> Target:
        model = spec.model if spec.model is not None else bare
        key = spec.backend
        if key == BackendType.LOCAL.value:
            found = self._unnamed_local(model, lists)
            if found is None:
                return Target(key, model, None, self._no_local(model))
            key = found
        backend = self.backends.get(key)
        if backend is None:
            return Target(key, model, None, _missing(key))
        return Target(key, model, backend, backend.problem)

    def _unnamed_local(self, model: str, lists: Listed) -> str | None:
        """The one that lists the model, else the only one. What was found does not change what a rule means where
        somebody has added one."""
        if len(self._locals) == 1:
            return self._locals[0]
        usable = [key for key in self._locals if self.backends[key].problem is None]
        for key in (*usable, *self._found):
            if model in lists.get(key, ()):
                return key
        only = usable or ([] if self._locals else self._found)
        return only[0] if len(only) == 1 else None

    def _no_local(self, model: str) -> str:
        if not self._locals and not self._found:
            return "there is no local backend; add one with: pointsman local add NAME --url URL"
        names = ", ".join(key.partition("/")[2] for key in (*self._locals, *self._found))
        return f"no local backend lists '{shown(model)}' and there are several ({names}); name one: --to local/NAME"


def _is_at(backend: BackendSpec | None, origin: str) -> bool:
    """A provider at that origin?"""
    if backend is None or backend.type == BackendType.LOCAL:
        return False
    return _origin(backend.base_url) == origin


def _origin(base_url: str) -> str:
    """Scheme, host and port of a base URL, which rows hold in one form (providers/urls.py)."""
    return "/".join(base_url.split("/", 3)[:3])


def _rank(mapping: MappingSpec) -> Rank:
    return rank(mapping.priority, mapping.pattern, mapping.id)


def _spellings(model: str, bare: str) -> tuple[str, ...]:
    """What rules are looked for; none where that would take too long."""
    if len(model) > NAME_LENGTH:
        return ()
    return (model,) if bare == model else (model, bare)


def _too_long(model: str) -> str:
    if len(model) <= NAME_LENGTH:
        return ""
    return f"A model name has at most {NAME_LENGTH} characters, and this one {len(model)}. "


def _is_practice(name: str) -> bool:
    return name == PRACTICE or name.startswith(PRACTICE + ":")


def _missing(key: str) -> str:
    backend_type, _, name = key.partition("/")
    if backend_type == BackendType.LOCAL:
        return f"there is no local backend '{name}'; add it with: pointsman local add {name} --url URL"
    return f"there is no credential for {key}; set one with: pointsman credential set {key}"


def shown(model: str) -> str:
    """A caller's text made safe to stand in a message: one line, bounded."""
    clean = "".join(c if c.isprintable() and c != "'" else "?" for c in model[:200])
    return clean + ("..." if len(model) > 200 else "")
