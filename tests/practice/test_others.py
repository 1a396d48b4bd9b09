"""Completions, embeddings, the list of models, paths and methods."""

from __future__ import annotations

import anthropic
import openai
import pytest

from pointsman.practice import ScriptedUpstream
from pointsman.practice.faults import FAULTS

from .wire import PATHS, ask, exchange, parse, question, request


def test_completions(oa: openai.OpenAI) -> None:
    whole = oa.completions.create(model="practice", prompt="hello there")
    assert '"hello there"' in whole.choices[0].text
    chunks = list(
        oa.completions.create(
            model="practice", prompt="hello there", stream=True, stream_options={"include_usage": True}
        )
    )
    assert "".join(chunk.choices[0].text for chunk in chunks[:-1]) == whole.choices[0].text
    assert chunks[-1].usage == whole.usage
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert oa.completions.create(model="practice", prompt=["a", "b"], max_tokens=2).choices[1].index == 1


def test_embeddings(oa: openai.OpenAI) -> None:
    texts = ["the cat sat", "the cat sat down", "quantum chromodynamics"]
    as_base64 = oa.embeddings.create(model="practice", input=texts).data
    as_floats = oa.embeddings.create(model="practice", input=texts, encoding_format="float").data
    assert [item.embedding for item in as_base64] == [item.embedding for item in as_floats]
    near, far = (
        sum(a * b for a, b in zip(as_floats[0].embedding, other.embedding, strict=True))
        for other in as_floats[1:]
    )
    assert near > 0.7 > far
    assert abs(sum(value * value for value in as_floats[0].embedding) - 1) < 1e-4
    short = oa.embeddings.create(model="practice", input=[1, 2, 3], dimensions=8)
    assert len(short.data[0].embedding) == 8
    assert short.usage.total_tokens == 3
    with pytest.raises(openai.BadRequestError):
        oa.embeddings.create(model="practice", input=[])


def test_models_are_listed_for_both(oa: openai.OpenAI, an: anthropic.Anthropic) -> None:
    expected = {"practice", *(f"practice:{fault}" for fault in FAULTS)}
    assert expected <= {model.id for model in oa.models.list()}
    assert expected <= {model.id for model in an.models.list()}
    assert oa.models.retrieve("practice:429").owned_by == "pointsman"
    assert an.models.retrieve("practice").display_name == "Pointsman practice model"
    with pytest.raises(openai.NotFoundError):
        oa.models.retrieve("gpt-9")
    with pytest.raises(anthropic.NotFoundError):
        an.models.retrieve("gpt-9")


def test_an_unknown_fault_lists_the_known(oa: openai.OpenAI, an: anthropic.Anthropic) -> None:
    said = [{"role": "user", "content": "hi"}]
    with pytest.raises(openai.NotFoundError, match="stall-mid") as refused:
        oa.chat.completions.create(model="practice:nonsense", messages=said)
    assert refused.value.code == "model_not_found"
    with pytest.raises(anthropic.NotFoundError, match="nonsense"):
        an.messages.create(model="practice:nonsense", messages=said, max_tokens=9)


def test_any_other_name_is_answered_under_that_name(oa: openai.OpenAI) -> None:
    reply = oa.chat.completions.create(model="qwen3:8b", messages=[{"role": "user", "content": "hi"}])
    assert reply.model == "qwen3:8b"


@pytest.mark.parametrize("prefix", ["", "/v1", "/v1/v1"])
@pytest.mark.parametrize("protocol", list(PATHS))
def test_paths_with_and_without_the_version(practice: ScriptedUpstream, prefix: str, protocol: str) -> None:
    path = prefix + PATHS[protocol].removeprefix("/v1") + "?beta=true"
    assert parse(exchange(practice, request(path, question(protocol)))).status == 200


def test_wrong_method_path_and_body(practice: ScriptedUpstream) -> None:
    get = parse(exchange(practice, request("/v1/messages", None, "GET")))
    assert (get.status, get.headers["allow"], get.json()["type"]) == (405, "POST", "error")
    assert parse(exchange(practice, request("/v1/models", {}))).headers["allow"] == "GET"
    assert parse(exchange(practice, request("/v1/nothing", {}))).status == 404
    for body in (b"", b"{", b"[]", b"\xff", b"null", b'{"model": 1}'):
        got = parse(exchange(practice, request("/v1/chat/completions", body)))
        assert got.status == 400
        assert got.json()["error"]["message"]


@pytest.mark.parametrize(
    "body",
    [
        {"model": "practice", "messages": [{"role": "user"}], "tools": [{"type": "function"}], "stop": 3},
        {
            "model": "practice",
            "messages": [{}],
            "tools": [{"function": {"name": "x", "parameters": {"type": []}}}],
        },
        {"model": "practice", "messages": [{"content": [1, None, {"text": ["a"]}]}], "stream_options": 1},
        {
            "model": "practice",
            "messages": [{"role": "user", "content": "x"}],
            "tool_choice": [],
            "response_format": 1,
        },
        {
            "model": "practice",
            "messages": [{"role": "user", "content": "use a tool"}],
            "tools": [{"function": {"name": "x", "parameters": {"properties": {"a": 1}, "anyOf": [3]}}}],
        },
    ],
)
def test_odd_shapes_never_break_it(practice: ScriptedUpstream, body: dict[str, object]) -> None:
    assert parse(exchange(practice, request("/v1/chat/completions", body.copy()))).status == 200  # type: ignore[arg-type]


def test_long_answers_and_paces(practice: ScriptedUpstream) -> None:
    long = ask(practice, "chat", "practice:long+fast", stream=True)
    assert len(long.events()) > 300
    assert len(ask(practice, "chat", "practice:1ms", stream=True).events()) > 20
