"""Rules and backends compiled for look-up: `resolve(model)` gives the ordered targets. Pure: same inputs, same plan.

Rules have an order (order.py). `practice` and `practice:*` go to the practice
backend before any wild pattern. Not here: who is healthy.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Iterable, Mapping
from dataclasses import dataclass, field, replace

import msgspec

from ..errors import PointsmanError
from ..kinds import ANY_NODE, NODE, PRACTICE, REPLAY, BackendType, ErrorKind
from .order import Rank, rank
from .pattern import is_wild, without_suffix
from .slices import Slices, at_once
from .specs import PRACTICE_KEY, BackendSpec, MappingSpec, TargetSpec, login_target
from .walls import Walls
from .wild_index import WildIndex

_LOOKED_FOR = frozenset({BackendType.LOCAL.value, ANY_NODE})
"""Targets that are whoever lists the model."""

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
    """`openai:gpt-4o-mini`, as in `x-pointsman-target`; `node/n1/box:qwen3` of what another node has."""

    def __post_init__(self) -> None:
        backend = self.backend
        away = backend is not None and backend.node is not None
        where = self.key
        if backend is not None and away and not where.startswith(NODE):
            where = f"{NODE}{backend.node}/{backend.name}"
        object.__setattr__(self, "label", f"{where}:{self.model}")


@dataclass(frozen=True, slots=True)
class Plan:
    """The ordered targets of one request, and the rule that named them: NO_RULE where none was needed."""

    model: str
    targets: tuple[Target, ...]
    rule: MappingSpec
    why: str
    unplaced: bool = field(init=False)
    """A target is any local backend that lists the model, and none is known to: newer lists may tell."""
    wants_told: bool = field(init=False)
    """Its rule may want to have what its client is told, once that is over."""

    def __post_init__(self) -> None:
        unplaced = any(target.backend is None and target.key in _LOOKED_FOR for target in self.targets)
        object.__setattr__(self, "unplaced", unplaced)
        rule = self.rule
        object.__setattr__(self, "wants_told", rule.cache_seconds is not None or rule.shadow is not None)

    def narrowed(self, targets: Collection[Target]) -> Plan:
        """With these of its targets, in its order. Its rule has no others either, so that what that says of their equals and
        weights stays true."""
        rule = self.rule
        places = [place for place, target in enumerate(self.targets) if target in targets]
        if len(rule.targets) == len(self.targets):
            weights = tuple(rule.weight(place) for place in places) if rule.weights else ()
            kept = tuple(rule.targets[place] for place in places)
            rule = msgspec.structs.replace(rule, targets=kept, weights=weights)
        return replace(self, targets=tuple(self.targets[place] for place in places), rule=rule)

    @property
    def plans(self) -> tuple[Plan, ...]:
        """All that the name may come to; see Fork."""
        return (self,)

    @property
    def mapping_id(self) -> int | None:
        """The rule's id, None where no rule was needed."""
        return self.rule.id or None

    @property
    def pattern(self) -> str | None:
        """The rule's pattern, None where no rule was needed."""
        return self.rule.pattern if self.rule.id else None


@dataclass(frozen=True, slots=True)
class Fork:
    """What a name comes to that rules with conditions take: the first of `choices` whose conditions hold of the request,
    else `otherwise`. missing: where there is no such plan, why."""

    model: str
    choices: tuple[Plan, ...]
    otherwise: Plan | None
    missing: str = ""

    @property
    def plans(self) -> tuple[Plan, ...]:
        """All that it may come to; first what a request gets for which no condition holds."""
        return self.choices if self.otherwise is None else (self.otherwise, *self.choices)

    def chosen(self, takes: Callable[[MappingSpec], bool]) -> Plan:
        """takes: do its conditions hold? Raises PointsmanError MODEL_NOT_FOUND."""
        found = next((plan for plan in self.choices if takes(plan.rule)), self.otherwise)
        if found is None:
            raise PointsmanError(ErrorKind.MODEL_NOT_FOUND, self.missing, param="model")
        return found


class RoutingTable:
    """mappings: the enabled rules, any order. backends: all that exist, the practice backend included by the caller."""

    def __init__(self, mappings: Collection[MappingSpec], backends: Iterable[BackendSpec]) -> None:
        self.backends = {backend.key: backend for backend in backends}
        self._exact: dict[str, list[MappingSpec]] = {}
        self._wild: list[MappingSpec] = []
        self._conditional = any(mapping.conditions for mapping in mappings)
        ranked = sorted(mappings, key=_rank)
        self._walls = Walls(ranked) if any(mapping.local_only for mapping in ranked) else None
        for mapping in ranked:
            if is_wild(mapping.pattern):
                self._wild.append(mapping)
            else:
                self._exact.setdefault(mapping.pattern, []).append(mapping)
        self._index = WildIndex([mapping.pattern for mapping in self._wild])
        # what another node has is reached by a rule that names it, and never by a list of models alone
        local = [b for b in self.backends.values() if b.stays and not b.built_in]
        self._locals = sorted(b.key for b in local if not b.found)
        self._found = sorted(b.key for b in local if b.found)
        self._nodes = [key for key in self.backends if key.startswith(NODE)]  # in the order that was given

    def open_backends(self) -> list[str]:
        """Backends to which some wild rule sends names as they come, and no local_only rule: whose own lists tell names that
        can be used. What stands behind a rule for everything is never reached."""
        found: dict[str, None] = {}
        for mapping in self._wild:
            if not mapping.local_only:
                found |= dict.fromkeys(one.backend for one in mapping.targets if one.model is None)
            if not mapping.pattern.strip("*") and not mapping.conditions:
                break
        return list(found)

    def exact_names(self) -> list[str]:
        """Patterns that are plain names, for a model list."""
        return sorted(self._exact)

    def resolve(self, model: str, lists: Listed) -> Plan | Fork:
        """What a model name comes to. Raises PointsmanError MODEL_NOT_FOUND naming the command that adds a rule."""
        return at_once(self.search(model, lists))

    def search(self, model: str, lists: Listed) -> Slices[Plan | Fork]:
        """The same, with pauses: thousands of rules that a hostile name nearly fits take long."""
        if not self._conditional:
            return (yield from self._first(model, lists))
        choices: list[Plan] = []
        otherwise, missing = None, ""
        while otherwise is None:
            try:
                plan = yield from self._first(model, lists, {one.rule.id for one in choices})
            except PointsmanError as error:
                if not choices:
                    raise
                missing = _no_condition(model, choices, error)
                break
            if plan.rule.conditions:
                choices.append(plan)
            else:
                otherwise = plan
        if otherwise is not None and not choices:
            return otherwise
        return Fork(model, tuple(choices), otherwise, missing)

    def _first(self, model: str, lists: Listed, besides: Container[int] = ()) -> Slices[Plan]:
        """Of the first rule that has the name. besides: ids of rules that do not count."""
        bare = without_suffix(model)
        for name in _spellings(model, bare):
            mapping = yield from self._rule_for(name, besides)
            practice = mapping is None and _is_practice(name)
            walled = None
            if self._walls is not None and not practice and (mapping is not None or name == bare):
                walled = yield from self._walls.over(model, mapping, besides)
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

    def _rule_for(self, name: str, besides: Container[int]) -> Slices[MappingSpec | None]:
        exact = next((one for one in self._exact.get(name, ()) if one.id not in besides), None)
        if _is_practice(name):  # no wild pattern takes these, however high its priority
            return exact
        out = [at for at, one in enumerate(self._wild) if one.id in besides] if besides else ()
        number = yield from self._index.search(name, out)
        wild = None if number is None else self._wild[number]
        if exact is None or wild is None:
            return exact or wild
        return min(exact, wild, key=_rank)

    def _plan(self, mapping: MappingSpec, model: str, bare: str, lists: Listed, more: str = "") -> Plan:
        targets = tuple(self._target(spec, bare, lists) for spec in mapping.targets)
        if mapping.forward_auth:
            targets = self._forwarding(mapping, targets)
        return Plan(model, targets, mapping, f"rule {mapping.id}: {mapping.pattern}{more}")

    def shadow(self, mapping: MappingSpec, model: str, lists: Listed) -> Target | None:
        """Whom a request for this model is also sent to; None where the rule names nobody."""
        spec = mapping.shadow_target
        return None if spec is None else self._target(spec, without_suffix(model), lists)

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
            found = self.unnamed_local(model, lists)
            if found is None:
                return Target(key, model, None, self._no_local(model))
            key = found
        if key == ANY_NODE:
            found = self._of_any_node(model, lists)
            if found is None:
                return Target(key, model, None, f"no local server of any node lists '{shown(model)}'")
            key = found
        backend = self.backends.get(key)
        if backend is None:
            return Target(key, model, None, _missing(key))
        return Target(key, model, backend, backend.problem)

    def _of_any_node(self, model: str, lists: Listed) -> str | None:
        """Who lists the model: a local server of this gateway's, else a node that can be asked now."""
        for key in (*self._locals, *self._found, *self._nodes):
            if self.backends[key].problem is None and model in lists.get(key, ()):
                return key
        return None

    @property
    def own_locals(self) -> tuple[str, ...]:
        """The keys of this gateway's own local servers, those that were found last."""
        return (*self._locals, *self._found)

    def unnamed_local(self, model: str, lists: Listed) -> str | None:
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
    return rank(mapping.priority, mapping.pattern, mapping.id, len(mapping.conditions))


def _no_condition(model: str, choices: Iterable[Plan], error: PointsmanError) -> str:
    """Of a name that only rules with conditions have, none of which holds."""
    said = "; ".join(f"rule {one.rule.id} when {' and '.join(one.rule.conditions)}" for one in choices)
    return (
        f"Rules take the model '{shown(model)}' only under conditions that this request does not meet ({said}). "
        f"See which hold with: pointsman explain '{shown(model)}' --request FILE. {error.public}"
    )


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
    if key.startswith(REPLAY):
        return f"there is no recording '{name}'; make it with: pointsman record {name}"
    if key.startswith(NODE):
        return f"nothing is known of the node '{name}'; see: pointsman node list"
    if backend_type == BackendType.LOCAL:
        return f"there is no local backend '{name}'; add it with: pointsman local add {name} --url URL"
    return f"there is no credential for {key}; set one with: pointsman credential set {key}"


def shown(model: str) -> str:
    """A caller's text made safe to stand in a message: one line, bounded."""
    clean = "".join(c if c.isprintable() and c != "'" else "?" for c in model[:200])
    return clean + ("..." if len(model) > 200 else "")
