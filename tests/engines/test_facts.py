"""What the rows read of each engine: windows that are true, what is loaded, eyes, tools, and what runs elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from pointsman.engines.engine import Engine, EngineState, Question
from pointsman.engines.registry import ENGINES, FORWARDING, forwarding
from pointsman.kinds import Protocol

from .asking import answers_of, asked, look
from .doubles import Double, Model, double, serving

NAMES = [engine.name for engine in ENGINES]


def telling(what: str) -> list[str]:
    return [name for name in NAMES if what in double(name).tells]


def row(name: str) -> Engine:
    return next(engine for engine in ENGINES if engine.name == name)


@pytest.mark.parametrize("name", NAMES)
def test_a_loaded_model_is_told_as_it_is_loaded(name: str) -> None:
    with serving(double(name, Model("org/tiny", window=5000, made_for=70000))) as upstream:
        _, found, _ = look(upstream.port)
    model = found["org/tiny"]
    tells = double(name).tells
    assert model.window == (5000 if "window" in tells else None)
    assert model.made_for == (70000 if "made_for" in tells else None)
    assert model.images is (False if "images" in tells else None)
    assert model.tools is (True if "tools" in tells else None)
    assert model.elsewhere is None
    assert model.generates


@pytest.mark.parametrize("name", telling("images"))
def test_eyes_are_told(name: str) -> None:
    with serving(double(name, Model("tiny", images=True, tools=False))) as upstream:
        _, found, _ = look(upstream.port)
    assert found["tiny"].images is True
    assert found["tiny"].tools is (False if "tools" in double(name).tells else None)


@pytest.mark.parametrize("name", telling("loaded"))
def test_what_is_not_in_memory_has_no_window_yet(name: str) -> None:
    with serving(double(name, Model("in"), Model("out", loaded=False))) as upstream:
        engine, found, _ = look(upstream.port)
        assert (found["in"].loaded, found["out"].loaded) == (True, False)
        assert found["out"].window is None
        assert found["out"].at_most == found["out"].made_for
        if engine.load is not None and name != "local_ai":
            assert asked(upstream.port, engine.load("out")).status == 200
            assert look(upstream.port)[1]["out"].loaded is True


@pytest.mark.parametrize("name", telling("generates"))
def test_what_only_embeds_does_not_generate(name: str) -> None:
    with serving(double(name, Model("nomic", embedding=True))) as upstream:
        _, found, _ = look(upstream.port)
    assert not found["nomic"].generates


def test_the_window_that_an_ollama_model_sets_itself_counts_before_it_is_loaded() -> None:
    with serving(double("ollama", Model("a:latest", loaded=False), num_ctx=16384)) as upstream:
        assert look(upstream.port)[1]["a:latest"].window == 16384


def test_a_llama_cpp_whose_list_says_nothing_is_read_by_its_props() -> None:
    with serving(double("llama_cpp", Model("tiny", window=512, images=True), says=False)) as upstream:
        model = look(upstream.port)[1]["tiny"]
    assert (model.window, model.images, model.loaded) == (512, True, True)


def test_our_host_tells_its_window_while_it_still_loads() -> None:
    with serving(double("mlx_host", Model("tiny", window=777), state=EngineState.LOADING)) as upstream:
        model = look(upstream.port)[1]["tiny"]
    assert (model.window, model.loaded, model.tools) == (777, False, None)


def test_a_llama_cpp_that_sleeps_is_not_loaded() -> None:
    with serving(double("llama_cpp", sleeps=True)) as upstream:
        assert look(upstream.port)[1]["tiny"].loaded is False


@pytest.mark.parametrize("v1", [True, False])
def test_an_lm_studio_of_either_list(v1: bool) -> None:
    with serving(double("lm_studio", Model("a", window=4096, images=True), v1=v1)) as upstream:
        model = look(upstream.port)[1]["a"]
    assert (model.window, model.images, model.tools) == (4096, True, True)


@pytest.mark.parametrize("name", ["ollama", "pointsman"])
def test_what_runs_in_a_cloud_is_told(name: str) -> None:
    models = Model("here:latest"), Model("far:latest", elsewhere="https://ollama.com:443"), Model("x:cloud")
    with serving(double(name, *models)) as upstream:
        _, found, answers = look(upstream.port)
    assert {key: one.elsewhere for key, one in found.items()} == {
        "here:latest": None, "far:latest": "https://ollama.com:443", "x:cloud": "its cloud",
    }  # fmt: skip
    sender = forwarding(answers)
    assert sender is not None
    assert sender.forwards is not None
    assert sender.forwards.path in answers


def test_a_model_on_a_linked_device_is_told() -> None:
    with serving(double("lm_studio", Model("far", elsewhere="studio-mac"))) as upstream:
        engine, found, answers = look(upstream.port)
    assert found["far"].elsewhere == "the linked device studio-mac"
    assert forwarding(answers) is engine


@pytest.mark.parametrize("name", [engine.name for engine in ENGINES if engine.forwards is None])
def test_others_are_not_asked_what_they_send_on(name: str) -> None:
    with serving(double(name)) as upstream:
        assert forwarding(answers_of(upstream.port)) is None


def test_each_path_that_tells_what_is_sent_on_is_asked_once() -> None:
    paths = [engine.forwards.path for engine in FORWARDING if engine.forwards is not None]
    assert len(paths) == len(set(paths)) == 2


RENDERED: Mapping[str, Any] = {
    "model": "tiny",
    "messages": [{"role": "user", "content": "one two three"}, {"role": "user", "content": "four"}],
    "stream": True,
}


def counted(engine: Engine, port: int) -> int | None:
    assert engine.count is not None
    steps = engine.count(RENDERED)
    question: Question = next(steps)
    while True:
        reply = asked(port, question)
        try:
            question = steps.send(reply.body if reply.status == 200 else None)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    "name", [one.name for one in ENGINES if one.count is not None and one.name != "compatible"]
)
def test_tokens_are_counted_by_the_engines_own_tokenizer(name: str) -> None:
    with serving(double(name)) as upstream:
        assert counted(row(name), upstream.port) == 4


@pytest.mark.parametrize("name", ["llama_cpp", "vllm"])
def test_an_engine_without_the_path_counts_nothing(name: str) -> None:
    with serving(double("compatible")) as upstream:
        assert counted(row(name), upstream.port) is None


def test_protocols_by_version() -> None:
    ollama = row("ollama")
    assert Protocol.ANTHROPIC_MESSAGES not in ollama.dialects("0.13.9")
    assert Protocol.ANTHROPIC_MESSAGES in ollama.dialects("0.14.0")
    assert Protocol.ANTHROPIC_MESSAGES in ollama.dialects("v1.2-rc1")
    assert Protocol.ANTHROPIC_MESSAGES not in ollama.dialects(None)
    assert Protocol.OPENAI_CHAT in ollama.dialects(None)
    assert Protocol.OPENAI_RESPONSES not in row("llama_cpp").dialects(None), (
        "it has a path that is not true to it"
    )
    for odd in ("", "x", "99999999999999999999", "..", "0.14.0-rc"):
        assert Protocol.OPENAI_CHAT in ollama.dialects(odd)


def test_versions_are_told() -> None:
    told = {
        "ollama": "0.17.4",
        "vllm": "0.28.0",
        "llama_cpp": "b11549-7e4c0a9",
        "koboldcpp": "1.113.2",
        "pointsman": "1.0.0",
    }
    for name, version in told.items():
        with serving(double(name)) as upstream:
            engine, _, answers = look(upstream.port)
            assert engine.version(answers) == version


@pytest.mark.parametrize("name", NAMES)
def test_a_scripted_engine_does_with_a_long_input_what_its_row_says(name: str) -> None:
    engine, scripted = row(name), double(name, Model("tiny", window=4))
    body = {"model": "tiny", "messages": [{"role": "user", "content": "one two three four five"}]}
    with serving(scripted) as upstream:
        reply = asked(upstream.port, Question("/v1/chat/completions", body))
    if engine.cuts_silently:
        assert (reply.status, reply.body["usage"]["prompt_tokens"]) == (200, 4)
    if engine.reports_overflow:
        assert reply.status == 400
    assert not (engine.cuts_silently and engine.reports_overflow)


def test_a_scripted_engine_converses() -> None:
    scripted: Double = double("ollama")
    body = {"model": "tiny", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 9}
    with serving(scripted) as upstream:
        for path in ("/v1/chat/completions", "/v1/messages"):
            assert asked(upstream.port, Question(path, body)).status == 200
        assert asked(upstream.port, Question("/v1/chat/completions", {**body, "model": "none"})).status == 404
