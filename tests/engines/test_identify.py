"""Every scripted engine is taken for itself, by its answers alone, in whatever state it is."""

from __future__ import annotations

import pytest

from pointsman.engines.engine import LIST, EngineState, Reply
from pointsman.engines.registry import ENGINES, SIGNS, identify, likely
from pointsman.practice import Reply as Scripted
from pointsman.practice import ScriptedUpstream

from .asking import answers_of, look
from .doubles import Model, double, serving

NAMES = [engine.name for engine in ENGINES]


@pytest.mark.parametrize("name", NAMES)
def test_each_is_taken_for_itself(name: str) -> None:
    with serving(double(name)) as upstream:
        answers = answers_of(upstream.port)
    found = identify(answers)
    assert found is not None
    assert found.name == name
    guess = [one.name for one in likely(answers)]
    assert name in guess or not found.owners
    signs = {path: answers[path] for path in (LIST, *found.signs)}
    narrow = identify(signs)
    assert narrow is not None, "its own signs are enough"
    assert narrow.name == name


@pytest.mark.parametrize("name", [name for name in NAMES if double(name).empty != "never"])
def test_each_that_has_no_model_is_no_other_engine(name: str) -> None:
    scripted = double(name, models=[])
    with serving(scripted) as upstream:
        found = identify(answers_of(upstream.port))
    assert found is not None
    assert found.name == (name if scripted.empty == "itself" else scripted.empty)


def test_a_llama_cpp_that_still_loads_is_known() -> None:
    with serving(double("llama_cpp", state=EngineState.LOADING)) as upstream:
        answers = answers_of(upstream.port)
    found = identify(answers)
    assert found is not None
    assert (found.name, found.state(answers), found.models(answers)) == ("llama_cpp", EngineState.LOADING, [])


def test_an_mlx_lm_without_a_cache_of_downloads_is_known() -> None:
    """It answers its list with a head and nothing else."""
    with serving(double("mlx_lm", cache=False)) as upstream:
        found = identify(answers_of(upstream.port))
    assert found is not None
    assert found.name == "mlx_lm"


def test_an_mlx_lm_whose_thread_has_died_is_dead_and_a_llama_cpp_that_loads_is_not() -> None:
    with serving(double("mlx_lm")) as upstream:
        engine, _, answers = look(upstream.port)
        assert (engine.state(answers), engine.ready_early) == (EngineState.READY, True)
    with serving(double("mlx_lm", state=EngineState.DEAD)) as upstream:
        engine, _, answers = look(upstream.port)
        assert engine.state({engine.health: answers[engine.health]}) is EngineState.DEAD


@pytest.mark.parametrize(
    ("name", "state"),
    [
        ("mlx_host", EngineState.LOADING),
        ("mlx_host", EngineState.DEAD),
        ("vllm", EngineState.DEAD),
        ("sglang", EngineState.LOADING),
        ("local_ai", EngineState.LOADING),
        ("llama_cpp", EngineState.LOADING),
    ],
)
def test_state_is_told_by_the_path_that_the_row_names(name: str, state: EngineState) -> None:
    scripted = double(name)
    with serving(scripted) as upstream:
        engine = next(one for one in ENGINES if one.name == name)
        assert engine.state(answers_of(upstream.port, [engine.health])) is EngineState.READY
        scripted.state = state
        assert engine.state(answers_of(upstream.port, [engine.health])) is state
    assert engine.state({}) is EngineState.DEAD


@pytest.mark.parametrize("name", NAMES)
def test_every_ready_engine_says_so_on_its_health_path(name: str) -> None:
    engine = next(one for one in ENGINES if one.name == name)
    with serving(double(name)) as upstream:
        assert engine.state(answers_of(upstream.port, [engine.health])) is EngineState.READY


ODD: dict[str, Scripted] = {
    "200 with nothing": Scripted(200),
    "200 with an empty object": Scripted(200, {}, b"{}"),
    "200 with text": Scripted(200, {}, b"hello"),
    "a redirect": Scripted(302, {"location": "http://127.0.0.1:9/"}),
    "404": Scripted(404, {}, b"{}"),
    "one page for everything": Scripted(
        200,
        {},
        {"version": "0.17.4", "result": "KoboldCpp", "protected": True, "backends": [], "loaded_models": [],
         "total_slots": 1, "default_generation_settings": {}, "role": "router", "model_path": "x", "pointsman": "1",
         "is_generation": True, "status": "ok", "detail": "Method Not Allowed", "models": [],
         "data": [{"id": "x", "owned_by": "vllm", "state": "loaded", "max_context_length": 9}]},
    ),
    "deep": Scripted(200, {}, b"[" * 900 + b"]" * 900),
}  # fmt: skip


@pytest.mark.parametrize("case", ODD)
def test_a_server_that_answers_alike_to_every_path_is_no_engine(case: str) -> None:
    with ScriptedUpstream() as upstream:
        upstream.always(ODD[case])
        assert identify(answers_of(upstream.port)) is None


def test_who_only_says_that_it_is_koboldcpp_is_not() -> None:
    """TabbyAPI and Aphrodite answer its version page."""
    answers = {
        "/api/extra/version": Reply(200, {}, {"result": "KoboldCpp", "version": "1.63"}),
        LIST: Reply(200, {}, {"object": "list", "data": [{"id": "m", "owned_by": "aphrodite"}]}),
    }
    found = identify(answers)
    assert found is not None
    assert found.name == "compatible"


def test_no_answers_are_no_engine() -> None:
    assert identify({}) is None
    assert identify({path: Reply(0, {}) for path in SIGNS}) is None


def test_the_own_kind_is_marked_and_no_other_is() -> None:
    assert [engine.name for engine in ENGINES if engine.own] == ["pointsman"]
    assert NAMES[0] == "pointsman"
    assert NAMES[-1] == "compatible"
    assert len(set(NAMES)) == len(NAMES)


def test_an_engine_with_many_models_is_told_whole() -> None:
    models = [Model(f"m{number}") for number in range(300)]
    with serving(double("lm_studio", models=models)) as upstream:
        _, found, _ = look(upstream.port)
    assert len(found) == 300
