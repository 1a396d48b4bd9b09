"""routing.table: one row for every rule of docs/design.md#patterns-and-the-order-of-rules about
patterns, order, names, targets and refusals."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import permutations
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.errors import PointsmanError
from pointsman.kinds import ErrorKind
from pointsman.routing.pattern import is_wild, literal_length, wild_match
from pointsman.routing.specs import BackendSpec, MappingSpec, TargetSpec
from pointsman.routing.table import PRACTICE_KEY, Plan, RoutingTable
from pointsman.secret import Secret


def backend(key: str, problem: str | None = None) -> BackendSpec:
    kind, _, name = key.partition("/")
    return BackendSpec(key=key, type=kind, name=name, base_url="http://127.0.0.1:1", problem=problem)


PRACTICE = backend(PRACTICE_KEY)


def rule(pattern: str, *targets: str, id: int = 1, priority: int = 0, **more: bool) -> MappingSpec:
    """`openai`, `local/box=qwen3`: a target and, after the equals sign, its model."""
    said = (target.partition("=") for target in targets or ("openai",))
    specs = tuple(TargetSpec(key, model or None) for key, _, model in said)
    return MappingSpec(id=id, pattern=pattern, priority=priority, targets=specs, **more)


def resolve(
    model: str,
    rules: Iterable[MappingSpec] = (),
    backends: Iterable[BackendSpec] = (),
    lists: dict[str, list[str]] | None = None,
) -> Plan:
    return RoutingTable(rules, [*backends, PRACTICE]).resolve(model, lists or {})


def labels(plan: Plan) -> list[str]:
    return [target.label for target in plan.targets]


CLOUDS = [backend("openai"), backend("anthropic"), backend("openai/groq")]


# -- which rule


ORDER: dict[str, tuple[str, list[MappingSpec], int]] = {
    "exact covers the whole name": ("gpt", [rule("gpt", id=1), rule("gpt-4", id=2)], 1),
    "wild covers the whole name": ("gpt-4", [rule("gpt-?", id=1), rule("gpt-", id=2)], 1),
    "case matters": ("GPT", [rule("gpt", id=1), rule("G*", id=2)], 2),
    "priority first": ("gpt", [rule("gpt", id=1), rule("*", id=2, priority=1)], 2),
    "priority, also of longer patterns": ("gpt", [rule("gp*", id=1), rule("*", id=2, priority=1)], 2),
    "negative priority is last": ("gpt", [rule("gpt", id=1, priority=-1), rule("*", id=2)], 2),
    "exact before wild": ("gpt", [rule("gp?", id=1), rule("gpt", id=2)], 2),
    "exact before a wild that is longer": ("a", [rule("*a*", id=1), rule("a", id=2)], 2),
    "the longer literal part": (
        "gpt-4o-mini",
        [rule("gpt*", id=1), rule("gpt-4o*", id=2), rule("*", id=3)],
        2,
    ),
    "literal part, not pattern length": (
        "abc",
        [rule("a??*", id=3), rule("a??", id=4), rule("ab*", id=2)],
        2,
    ),
    "wild characters do not count": ("abc", [rule("***a***", id=1), rule("ab*", id=2)], 2),
    "the lower id among wild": ("gpt", [rule("g*", id=7), rule("*t", id=3)], 3),
    "the lower id among exact": ("gpt", [rule("gpt", id=7), rule("gpt", id=3)], 3),
    "priority among exact": ("gpt", [rule("gpt", id=3), rule("gpt", id=7, priority=1)], 7),
    "brackets are themselves": ("m1", [rule("m[1]", id=1), rule("m?", id=2)], 2),
    "brackets are themselves, exact": ("m[1]", [rule("m[1]", id=1), rule("m?", id=2)], 1),
    "[1m] is tried whole first": ("c[1m]", [rule("c", id=1), rule("c[1m]", id=2)], 2),
    "[1m] whole, also by a wild rule": ("c[1m]", [rule("c", id=1), rule("c*", id=2)], 2),
    "[1m] then without it": ("c[1m]", [rule("c", id=1), rule("d*", id=2)], 1),
    "[1m] then without it, wild": ("c-x[1m]", [rule("c-?", id=1)], 1),
    "[1m] is no class": ("c1", [rule("c[1m]", id=1), rule("c?", id=2)], 2),
}


@pytest.mark.parametrize(("model", "rules", "winner"), ORDER.values(), ids=ORDER.keys())
def test_order_of_rules(model: str, rules: list[MappingSpec], winner: int) -> None:
    for given_order in permutations(rules):
        assert resolve(model, given_order, CLOUDS).mapping_id == winner


drawn_rules = st.lists(
    st.tuples(st.text(alphabet="ab*?", min_size=1, max_size=4), st.integers(-1, 1)), min_size=1, max_size=6
)


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet="ab", min_size=1, max_size=4), drawn_rules, st.integers(0, 999))
def test_the_winner_is_the_first_of_the_sorted_rules_that_match(
    name: str, drawn: list[tuple[str, int]], seed: int
) -> None:
    rules = [rule(pattern, id=i, priority=priority) for i, (pattern, priority) in enumerate(drawn, 1)]
    shuffled = list(rules)
    Random(seed).shuffle(shuffled)
    matching = [r for r in rules if wild_match(r.pattern, name)]
    if not matching:
        with pytest.raises(PointsmanError):
            resolve(name, shuffled, CLOUDS)
        return
    best = min(matching, key=lambda r: (-r.priority, is_wild(r.pattern), -literal_length(r.pattern), r.id))
    assert resolve(name, shuffled, CLOUDS).mapping_id == best.id


# -- which model name goes upstream


@pytest.mark.parametrize(
    ("asked", "the_rule", "expected"),
    [
        ("gpt", rule("gpt", "openai"), ["openai:gpt"]),
        ("fast", rule("fast", "openai=gpt-4o-mini"), ["openai:gpt-4o-mini"]),
        ("c[1m]", rule("c*", "anthropic"), ["anthropic:c"]),
        ("c[1m]", rule("c[1m]", "anthropic"), ["anthropic:c"]),
        ("c[1m]", rule("c", "anthropic=d[1m]"), ["anthropic:d[1m]"]),
        (
            "x",
            rule("*", "openai", "openai/groq=y", "anthropic"),
            ["openai:x", "openai/groq:y", "anthropic:x"],
        ),
    ],
)
def test_model_names(asked: str, the_rule: MappingSpec, expected: list[str]) -> None:
    plan = resolve(asked, [the_rule], CLOUDS)
    assert labels(plan) == expected
    assert plan.model == asked
    assert all(target.backend is not None and target.problem is None for target in plan.targets)


def test_a_plan_tells_its_rule() -> None:
    plan = resolve("x", [rule("x*", "openai", id=9, local_only=True, forward_auth=True)], CLOUDS)
    assert (plan.mapping_id, plan.pattern, plan.rule.local_only, plan.rule.forward_auth) == (
        9,
        "x*",
        True,
        True,
    )
    assert plan.why == "rule 9: x*"


def test_same_inputs_same_plan() -> None:
    rules = [rule("*", "local", "openai", id=2), rule("a*", "anthropic", id=1)]
    backends = [*CLOUDS, backend("local/b"), backend("local/a")]
    lists = {"local/a": ["m"], "local/b": ["m"]}
    turned = dict(reversed(lists.items()))
    assert resolve("m", rules, backends, lists) == resolve("m", rules[::-1], backends[::-1], turned)


# -- targets that cannot be used


def test_a_backend_that_does_not_exist_is_a_problem_with_its_fix() -> None:
    plan = resolve("x", [rule("x", "openai", "openai/groq", "local/box")])
    assert [target.backend for target in plan.targets] == [None] * 3
    problems = [target.problem or "" for target in plan.targets]
    assert "pointsman credential set openai" in problems[0]
    assert "pointsman credential set openai/groq" in problems[1]
    assert "pointsman local add box --url URL" in problems[2]


def test_a_backends_own_problem_is_told() -> None:
    plan = resolve("x", [rule("x", "openai")], [backend("openai", "its key does not open")])
    assert plan.targets[0].problem == "its key does not open"
    assert plan.targets[0].backend is not None


# -- `local` without a name

LISTS = {"local/a": ["m", "n"], "local/b": ["m", "o"]}
TWO = [backend("local/a"), backend("local/b")]
LOCAL: dict[str, tuple[str, list[BackendSpec], dict[str, list[str]], str]] = {
    "the one that lists the model": ("o", TWO, LISTS, "local/b:o"),
    "the first by name when both list it": ("m", TWO, LISTS, "local/a:m"),
    "the suffix is not part of the list's name": ("o[1m]", TWO, LISTS, "local/b:o"),
    "the only one there is": ("zzz", [backend("local/a")], {}, "local/a:zzz"),
    "the only one, though its list has others": ("zzz", [backend("local/a")], LISTS, "local/a:zzz"),
    "practice is not one of them": ("p", [backend("local/a")], {PRACTICE_KEY: ["p"]}, "local/a:p"),
    "not one with a problem": ("m", [backend("local/a", "broken"), backend("local/b")], LISTS, "local/b:m"),
}


@pytest.mark.parametrize(("model", "backends", "lists", "label"), LOCAL.values(), ids=LOCAL.keys())
def test_local_without_a_name(
    model: str, backends: list[BackendSpec], lists: dict[str, list[str]], label: str
) -> None:
    assert labels(resolve(model, [rule("*", "local")], backends, lists)) == [label]


def test_local_without_a_name_looks_for_the_alias_in_the_lists() -> None:
    assert labels(resolve("fast", [rule("fast", "local=o")], TWO, LISTS)) == ["local/b:o"]


def test_local_without_a_name_says_which_there_are() -> None:
    (target,) = resolve("zzz", [rule("*", "local")], TWO, LISTS).targets
    assert target.backend is None
    assert target.label == "local:zzz"
    assert "(a, b)" in (target.problem or "")
    assert "--to local/NAME" in (target.problem or "")


def test_local_without_a_name_and_without_any_says_how_to_add_one() -> None:
    (target,) = resolve("zzz", [rule("*", "local")]).targets
    assert target.backend is None
    assert "pointsman local add NAME --url URL" in (target.problem or "")


def test_local_without_a_name_tells_the_problem_of_the_only_one() -> None:
    (target,) = resolve("zzz", [rule("*", "local")], [backend("local/a", "its key does not open")]).targets
    assert target.key == "local/a"
    assert target.problem == "its key does not open"


# -- practice


FAR = "anthropic"
PRACTICE_RULES: dict[str, tuple[str, list[MappingSpec], str]] = {
    "without any rule": ("practice", [], "local/practice:practice"),
    "with a fault": ("practice:429", [], "local/practice:practice:429"),
    "before a wild rule": ("practice", [rule("*")], "local/practice:practice"),
    "before a wild rule that is longer": ("practice", [rule("pract*")], "local/practice:practice"),
    "before a wild rule of any priority": (
        "practice:cut",
        [rule("*", priority=9)],
        "local/practice:practice:cut",
    ),
    "an exact rule is obeyed": ("practice", [rule("practice", "openai=x")], "openai:x"),
    "an exact rule for a fault is obeyed": ("practice:x", [rule("practice:x", "openai=x")], "openai:x"),
    "an exact rule lets no wild one in": (
        "practice",
        [rule("practice", "openai=x", id=1), rule("*", FAR, id=2, priority=9)],
        "openai:x",
    ),
    "only these names": ("practices", [rule("*")], "openai:practices"),
    "with the suffix": ("practice:x[1m]", [], "local/practice:practice:x"),
}


@pytest.mark.parametrize(("model", "rules", "label"), PRACTICE_RULES.values(), ids=PRACTICE_RULES.keys())
def test_practice(model: str, rules: list[MappingSpec], label: str) -> None:
    assert labels(resolve(model, rules, CLOUDS)) == [label]


# -- no rule matches


def test_without_a_rule_a_local_backend_that_lists_the_model_serves() -> None:
    plan = resolve("o", [rule("x")], TWO, LISTS)
    assert labels(plan) == ["local/b:o"]
    assert (plan.mapping_id, plan.pattern, plan.rule.local_only, plan.rule.forward_auth) == (
        None,
        None,
        False,
        False,
    )
    assert labels(resolve("o[1m]", [], TWO, LISTS)) == ["local/b:o"]


def test_without_a_rule_a_backend_with_a_problem_does_not_serve() -> None:
    with pytest.raises(PointsmanError):
        resolve("m", [], [backend("local/a", "broken")], LISTS)


def test_a_rule_stands_before_a_list() -> None:
    assert labels(resolve("o", [rule("*", "openai")], [*TWO, *CLOUDS], LISTS)) == ["openai:o"]


def test_no_match_is_a_404_that_names_the_command() -> None:
    with pytest.raises(PointsmanError) as caught:
        resolve("nobody-knows", [rule("x")], [*CLOUDS, *TWO], LISTS)
    error = caught.value
    assert (error.kind, error.status, error.param) == (ErrorKind.MODEL_NOT_FOUND, 404, "model")
    assert "pointsman mapping add 'nobody-knows' --to TYPE[/NAME]" in error.public


@pytest.mark.parametrize("model", ["a'; rm -rf /; '", "a\nb", "a\x1b[31m", "x" * 5000, "\u202ereversed"])
def test_a_callers_text_stands_safely_in_the_message(model: str) -> None:
    with pytest.raises(PointsmanError) as caught:
        resolve(model)
    assert caught.value.public.isprintable()
    assert len(caught.value.public) < 800
    command = caught.value.public.partition("mapping add ")[2]
    assert command.count("'") == 2


def test_exact_names() -> None:
    rules = [rule("b", id=1), rule("a", id=2), rule("c*", id=3), rule("a", id=4)]
    assert RoutingTable(rules, [PRACTICE]).exact_names() == ["a", "b"]


def test_a_key_does_not_show_in_a_repr() -> None:
    spec = BackendSpec(
        key="openai", type="openai", name="", base_url="https://x", api_key=Secret("sk-canary")
    )
    assert "sk-canary" not in repr(spec)
    assert "sk-canary" not in repr(resolve("m", [rule("m")], [spec]))
