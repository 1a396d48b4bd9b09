"""A `local_only` rule holds for every spelling that resolves to its name."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.errors import PointsmanError
from pointsman.routing.specs import MappingSpec
from pointsman.routing.walls import folded, spellings

from .test_rules import backend, labels, resolve, rule

BACKENDS = [backend("openai"), backend("local/box"), backend("local/lan")]
AWAY = rule("*", "openai", id=9)


def wall(pattern: str, *targets: str, id: int = 1, priority: int = 0) -> MappingSpec:
    return rule(pattern, *(targets or ("local/box",)), id=id, priority=priority, local_only=True)


SPELLED = [
    "secret[1m]", "secret[1M]", "secret[1m][1m]", "secret [1m]", "secret[1m] ", "secret[1m].",
    "Secret", "SECRET", "sEcReT[1m]", " secret", "secret ", "secret\n", "\tsecret", "secret.", "secret...", "secret/",
    "secret:latest", "secret:LATEST", "secret:latest[1m]", "secret:local", "secret:cloud", "secret:7b-cloud:cloud",
    "secret@sha256:0123abcd", "secret@q4_k_m", "secret:2", "secret:Q4_K_M", "secret:UD-Q4_K_XL", "secret.gguf",
    "openai/secret", "OpenAI/Secret", "anthropic/secret", "ollama/secret", "lmstudio/secret", "models/secret",
    "/models/secret", "library/secret", "registry.ollama.ai/library/secret:latest",
    "https://registry.ollama.ai/library/secret", "local/box/secret", "local/box:secret", "openai:secret",
    "a/b/c/d/secret", "/home/me/models/secret", "c:\\models\\secret", "./secret", "../secret",
    "secret%5B1m%5D", "%73ecret", "%2573ecret", "openai%2Fsecret",
    "\uff53\uff45\uff43\uff52\uff45\uff54", "\u017fecret", "se\u00adcret", "se\u200bcret", "\ufeffsecret", "\u2060secret",
    "secret:free", "secret:nitro",
]  # fmt: skip
OTHERS = [
    "secrets", "secret2", "secret-2", "my-secret", "secret/other", "secret:70b", "secret-cloudy", "sec", "other",
    "\u0455ecret",  # Cyrillic: another name to every backend
]  # fmt: skip


@pytest.mark.parametrize("name", [one for one in SPELLED if "7b-cloud" not in one])
def test_no_spelling_of_a_walled_name_leaves(name: str) -> None:
    for others in ([AWAY], [], [rule("se*", "openai", id=9)], [rule("*[1m]", "openai", id=8), AWAY]):
        plan = resolve(name, [wall("secret"), *others], BACKENDS)
        assert plan.rule.local_only
        assert labels(plan) == ["local/box:secret"]


@pytest.mark.parametrize("name", OTHERS)
def test_another_name_is_not_walled(name: str) -> None:
    assert labels(resolve(name, [wall("secret"), AWAY], BACKENDS)) == [f"openai:{name}"]


@pytest.mark.parametrize(
    ("pattern", "name", "sent"),
    [
        ("priv-*", "PRIV-x", "priv-x"),
        ("priv-*", "openai/priv-x[1m]", "priv-x"),
        ("Priv-*", "priv-x", "priv-x"),
        ("priv-?:*", "Priv-a:7b[1m]", "priv-a:7b"),
        ("Secret", "secret", "Secret"),
        ("secret:latest", "secret", "secret:latest"),
        ("secret[1m]", "secret", "secret"),
        ("me/secret", "secret", "me/secret"),
        ("me/secret", "openrouter/me/secret", "me/secret"),
        ("models/private/*", "file/models/private/a", "models/private/a"),
    ],
)
def test_the_same_of_patterns_and_of_names_that_are_written_long(pattern: str, name: str, sent: str) -> None:
    plan = resolve(name, [wall(pattern), AWAY], BACKENDS)
    assert (plan.rule.local_only, labels(plan)) == (True, [f"local/box:{sent}"])


@pytest.mark.parametrize("name", ["you/secret", "me/secret2"])
def test_a_name_of_another_publisher_is_another(name: str) -> None:
    assert labels(resolve(name, [wall("me/secret"), AWAY], BACKENDS)) == [f"openai:{name}"]


def test_an_alias_behind_the_wall_keeps_its_model() -> None:
    plan = resolve("FAST[1m]", [wall("fast", "local/box=qwen"), AWAY], BACKENDS)
    assert labels(plan) == ["local/box:qwen"]


@pytest.mark.parametrize(
    ("rules", "name"),
    [
        ([wall("secret"), rule("SECRET", id=2), AWAY], "SECRET"),
        ([wall("secret"), rule("secret[1m]", id=2), AWAY], "secret[1m]"),
        ([wall("*"), rule("anthropic/*", id=2)], "anthropic/claude"),
        ([wall("*"), rule("claude-*[1m]", id=2)], "claude-x[1m]"),
        ([wall("secret"), rule("*", id=2, priority=1)], "secret[1m]"),
    ],
)
def test_a_rule_that_names_the_spelling_or_comes_first_says_where_it_goes(
    rules: list[MappingSpec], name: str
) -> None:
    assert not resolve(name, rules, BACKENDS).rule.local_only


def test_without_a_rule_a_list_of_models_opens_no_wall() -> None:
    lists = {"local/lan": ["Secret", "secret[1m]"]}
    for name in ("Secret", "secret[1m]"):
        assert labels(resolve(name, [wall("secret")], BACKENDS, lists)) == ["local/box:secret"]


def test_practice_is_always_there() -> None:
    assert resolve("practice:429", [wall("*")], BACKENDS).rule.id == 0
    with pytest.raises(PointsmanError):
        resolve("other", [wall("secret")], BACKENDS)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=40))
def test_folding_ends_and_is_stable(name: str) -> None:
    assert len(spellings(name)) <= 24
    once = folded(name)
    assert folded(once.replace("%", "")) == folded(folded(once.replace("%", "")))
