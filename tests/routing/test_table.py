"""Which rule wins, row by row (docs/design.md#patterns-and-the-order-of-rules), and patterns
against an oracle."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.errors import PointsmanError
from pointsman.routing.pattern import wild_match
from pointsman.routing.specs import BackendSpec, MappingSpec, TargetSpec
from pointsman.routing.table import PRACTICE_KEY, RoutingTable


def backend(key: str, problem: str | None = None) -> BackendSpec:
    kind, _, name = key.partition("/")
    return BackendSpec(key=key, type=kind, name=name, base_url="http://127.0.0.1:1", problem=problem)


def rule(number: int, pattern: str, *targets: str, priority: int = 0) -> MappingSpec:
    specs = tuple(
        TargetSpec(*(part or None for part in t.partition("=")[::2]))
        for t in targets or (f"openai=r{number}",)
    )
    return MappingSpec(number, pattern, priority, specs)


def resolved(rules: list[MappingSpec], model: str, lists: dict[str, list[str]] | None = None) -> list[str]:
    table = RoutingTable(
        rules, [backend(k) for k in ("openai", "anthropic", "local/box", "local/lab", PRACTICE_KEY)]
    )
    return [target.label for target in table.resolve(model, lists or {}).targets]


@pytest.mark.parametrize(
    ("rules", "model", "winner"),
    [
        ([rule(1, "*"), rule(2, "gpt-4o")], "gpt-4o", "openai:r2"),
        ([rule(1, "gpt-*"), rule(2, "gpt-4*")], "gpt-4o", "openai:r2"),
        ([rule(1, "gpt-4o"), rule(2, "*", priority=1)], "gpt-4o", "openai:r2"),
        ([rule(2, "g*"), rule(1, "g?*")], "gpt", "openai:r1"),
        ([rule(5, "g*t"), rule(3, "gp*")], "gpt", "openai:r3"),
        ([rule(1, "claude[1m]"), rule(2, "claude")], "claude[1m]", "openai:r1"),
        ([rule(2, "claude")], "claude[1m]", "openai:r2"),
        ([rule(1, "c*", "openai")], "claude[1m]", "openai:claude"),
        ([rule(1, "*")], "practice", f"{PRACTICE_KEY}:practice"),
        ([rule(1, "*")], "practice:429", f"{PRACTICE_KEY}:practice:429"),
        ([rule(1, "practice")], "practice", "openai:r1"),
        ([rule(1, "m", "local/box")], "m", "local/box:m"),
    ],
)
def test_the_winner(rules: list[MappingSpec], model: str, winner: str) -> None:
    assert resolved(rules, model)[0] == winner


def test_targets_keep_their_order_and_their_own_models() -> None:
    rules = [rule(1, "m", "local/box=a", "openai", "anthropic=c")]
    assert resolved(rules, "m") == ["local/box:a", "openai:m", "anthropic:c"]


def test_a_local_without_a_name_is_the_one_that_lists_the_model() -> None:
    lists = {"local/lab": ["m"], "local/box": ["other"]}
    assert resolved([rule(1, "m", "local")], "m", lists) == ["local/lab:m"]


def test_a_local_without_a_name_among_several_says_their_names() -> None:
    table = RoutingTable([rule(1, "m", "local")], [backend("local/box"), backend("local/lab")])
    (target,) = table.resolve("m", {}).targets
    assert target.backend is None
    assert "box, lab" in (target.problem or "")


def test_no_rule_but_listed_locally_is_served() -> None:
    assert resolved([], "m", {"local/lab": ["m"]}) == ["local/lab:m"]


def found(key: str) -> BackendSpec:
    return BackendSpec(
        key=key, type="local", name=key.partition("/")[2], base_url="http://127.0.0.1:2", found=True
    )


def test_what_was_found_serves_what_nobody_added_does() -> None:
    table = RoutingTable([], [backend("local/zz"), found("local/ollama")])
    lists = {"local/ollama": ["m", "n"], "local/zz": ["m"]}
    assert [table.resolve(name, lists).targets[0].key for name in ("m", "n")] == ["local/zz", "local/ollama"]
    assert "local/ollama, found on this computer, lists" in table.resolve("n", lists).why


def test_what_was_found_changes_no_rule_where_somebody_has_added_a_server() -> None:
    rules, lists = [rule(1, "*", "local")], {"local/ollama": ["m"]}
    table = RoutingTable(rules, [backend("local/box"), found("local/ollama")])
    assert table.resolve("m", lists).targets[0].key == "local/box"
    alone = RoutingTable(rules, [found("local/ollama"), found("local/vllm")])
    assert alone.resolve("m", lists).targets[0].key == "local/ollama"
    assert "(ollama, vllm)" in (alone.resolve("x", lists).targets[0].problem or "")
    assert RoutingTable(rules, [found("local/vllm")]).resolve("x", {}).targets[0].key == "local/vllm"


def test_a_rule_may_name_what_was_found() -> None:
    table = RoutingTable([rule(1, "m", "local/ollama=x")], [found("local/ollama")])
    assert table.resolve("m", {}).targets[0].label == "local/ollama:x"


def test_no_rule_names_the_command_that_adds_one() -> None:
    with pytest.raises(PointsmanError) as caught:
        resolved([], "m")
    assert caught.value.status == 404
    assert "pointsman mapping add 'm'" in caught.value.public


def test_a_rule_for_a_backend_that_is_not_there_says_what_to_do() -> None:
    (target,) = RoutingTable([rule(1, "m", "openai/groq")], []).resolve("m", {}).targets
    assert "pointsman credential set openai/groq" in (target.problem or "")


@given(st.text("ab*?", max_size=8), st.text("ab", max_size=8))
def test_patterns_match_as_their_regular_expression_does(pattern: str, name: str) -> None:
    text = "".join(".*" if c == "*" else "." if c == "?" else re.escape(c) for c in pattern)
    assert wild_match(pattern, name) is bool(re.fullmatch(text, name))
