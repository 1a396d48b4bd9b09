"""Our hosts, asked directly: what both engines must do alike."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.e2e.web import fetch

from .answers import events, told, two_turns
from .engines import ENDLESS, FINE, SUNNY, WEATHER, Engine

BOTH = pytest.mark.parametrize("name", ["mlx", "llama"])
STREAMED = pytest.mark.parametrize("streamed", [False, True])
ASKED: dict[str, Any] = {"messages": [{"role": "user", "content": WEATHER}]}


@pytest.fixture
def engine(name: str, request: pytest.FixtureRequest) -> Engine:
    found: Engine = request.getfixturevalue(name)
    return found


@BOTH
@STREAMED
def test_the_text_is_exact(engine: Engine, streamed: bool) -> None:
    text, calls, reason, usage = told(engine, streamed, **ASKED)
    assert (text, calls, reason) == (SUNNY, [], "stop")
    assert (usage["prompt_tokens"], usage["completion_tokens"]) == (15, 11)


@BOTH
@STREAMED
def test_a_tool_loop_of_two_turns(engine: Engine, streamed: bool) -> None:
    calls, reason, text = two_turns(engine, streamed)
    assert calls[0]["function"]["name"] == "get_weather"
    assert json.loads(calls[0]["function"]["arguments"]) == {"city": "Paris"}
    assert (reason, text) == ("tool_calls", FINE)


@BOTH
def test_what_was_read_before_is_told_as_cached(engine: Engine) -> None:
    system = {"role": "system", "content": "You are a helpful assistant. " * 40}
    body = {"messages": [system, {"role": "user", "content": WEATHER}], "max_tokens": 4}
    engine.ask(body)
    usage = engine.ask({**body, "messages": [system, {"role": "user", "content": "hello"}]}).json()["usage"]
    cached = usage["prompt_tokens_details"]["cached_tokens"]
    assert usage["prompt_tokens"] > cached > 100


@BOTH
@STREAMED
@pytest.mark.parametrize("stop", ["nny and", " warm", "y", "Paris is sunny and warm today."])
def test_nothing_of_a_stop_string_is_seen(engine: Engine, streamed: bool, stop: str) -> None:
    """Also one that begins and ends inside tokens."""
    text, _, reason, _ = told(engine, streamed, **ASKED, stop=[stop, "never"])
    assert (text, reason) == (SUNNY[: SUNNY.index(stop)], "stop")


@BOTH
@STREAMED
def test_a_stop_string_that_does_not_come_takes_nothing(engine: Engine, streamed: bool) -> None:
    text, *_ = told(engine, streamed, **ASKED, stop=["today.!", "The weather in London"])
    assert text == SUNNY


@BOTH
def test_an_answer_is_cut_at_the_asked_length_and_says_so(engine: Engine) -> None:
    text, _, reason, usage = told(
        engine, False, messages=[{"role": "user", "content": "count"}], max_tokens=9
    )
    assert (text, reason, usage["completion_tokens"]) == ("1 2 3 4 5 6 7 8 9", "length", 9)


@BOTH
@STREAMED
def test_work_ends_when_the_client_leaves(engine: Engine, streamed: bool) -> None:
    """Shown by the CPU time of the process: it counts, nobody listens any more, it does not count on."""
    begun = engine.ticks()
    body = {"messages": [{"role": "user", "content": "count"}], "stream": streamed, **ENDLESS}
    engine.leave_during(body, lambda _: engine.ticks() - begun > 0.4)
    engine.idle()
    assert told(engine, False, **ASKED)[0] == SUNNY


@BOTH
@STREAMED
def test_work_ends_when_the_client_leaves_while_its_input_is_read(engine: Engine, streamed: bool) -> None:
    begun = engine.ticks()
    body = {"messages": [{"role": "user", "content": "count " * 10_000}], "stream": streamed}
    got = engine.leave_during(body, lambda _: engine.ticks() - begun > 0.4)
    assert b'"content":"1' not in got.replace(b" ", b"")
    engine.idle()
    assert told(engine, False, **ASKED)[0] == SUNNY


@BOTH
def test_an_input_that_is_too_long_is_refused_with_its_numbers(engine: Engine) -> None:
    answer = engine.ask({"messages": [{"role": "user", "content": "count " * 12_000}]})
    assert answer.status == 400
    assert "36007" in answer.json()["error"]["message"]
    assert "32768" in answer.json()["error"]["message"]


@BOTH
def test_the_window_is_told(engine: Engine) -> None:
    card = fetch(engine.url, "GET", "/v1/models").json()["data"][0]
    assert card["id"] == "tiny"
    assert card.get("max_model_len", card.get("meta", {}).get("n_ctx")) == 32_768


@BOTH
def test_several_at_once_each_have_their_own_answer(engine: Engine) -> None:
    asked = [(WEATHER, SUNNY), ("count", "1 2 3 4 5 6 7 8 9 0 1 2")] * 4
    with ThreadPoolExecutor(8) as pool:
        found = list(
            pool.map(
                lambda pair: engine.chat(pair[0], max_tokens=12)["choices"][0]["message"]["content"], asked
            )
        )
    assert found == [text for _, text in asked]


@BOTH
def test_comments_come_while_a_long_input_is_read(engine: Engine, name: str) -> None:
    if name == "llama":
        pytest.skip("llama.cpp's come every 30 s, none for an input of this size")
    answer = engine.ask(
        {"messages": [{"role": "user", "content": "again " * 900}], "stream": True, "max_tokens": 2}
    )
    before = answer.body.partition(b'"content": "1"')[0]
    assert before.count(b"\n: read ") > 3
    assert events(answer.body)


@pytest.mark.parametrize("seed", [None, 7])
def test_a_seed_changes_nothing_at_temperature_zero(mlx: Engine, seed: int | None) -> None:
    """With a seed mlx-lm serves a request alone, by other code than without."""
    begun = mlx.ticks()
    assert told(mlx, False, **ASKED, seed=seed, stop="nny and")[0] == SUNNY[: SUNNY.index("nny and")]
    body = {"messages": [{"role": "user", "content": "count " * 10_000}], "seed": seed}
    mlx.leave_during(body, lambda _: mlx.ticks() - begun > 0.8)
    mlx.idle()
    assert told(mlx, False, **ASKED, seed=seed)[0] == SUNNY
