"""What a vendor's own tools did, in the answers that clients of other protocols get, and in their next turns
(docs/protocols/messages.md#blocks-without-a-form-in-an-answer, tools.md#code-that-a-server-runs)."""

from __future__ import annotations

import json
from typing import Any

import anthropic
import openai
import pytest

from pointsman.practice import Reply, ScriptedUpstream
from tests.vendor_bodies import chat, messages, responses
from tests.vendor_bodies.wire import encoded, named

from .test_citations import cited, events
from .test_server_tools import OWN_TOOL, conversation, messages_again, vendor
from .test_translation import CHAT, CLEAN, JSON, MESSAGES, RESPONSES, SSE, ask, one, stream

DRAWN = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAAB"
PLOT = f"data:image/png;base64,{DRAWN}"
CODE = {
    "id": "ci_1", "type": "code_interpreter_call", "status": "completed", "container_id": "cntr_1", "code": "print(7)",
    "outputs": [{"type": "logs", "logs": "seven\n"}, {"type": "image", "url": PLOT}],
}  # fmt: skip
MADE = {
    "id": "ig_1", "type": "image_generation_call", "status": "completed", "result": DRAWN, "revised_prompt": "a red cat",
    "output_format": "png",
}  # fmt: skip
CALLED = {
    "id": "mcp_1", "type": "mcp_call", "status": "completed", "name": "look", "server_label": "wiki",
    "arguments": '{"q": 1}', "output": "it says so", "error": None,
}  # fmt: skip
RUN = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "code_execution", "input": {"code": "print(7)"}}
GAVE = {
    "type": "code_execution_tool_result", "tool_use_id": "srvtoolu_1",
    "content": {"type": "code_execution_result", "stdout": "seven\n", "stderr": "", "return_code": 0, "content": []},
}  # fmt: skip
SHELL = {
    "type": "server_tool_use",
    "id": "srvtoolu_2",
    "name": "bash_code_execution",
    "input": {"command": "ls -l"},
}
LISTED = {
    "type": "bash_code_execution_tool_result", "tool_use_id": "srvtoolu_2",
    "content": {"type": "bash_code_execution_result", "stdout": "", "stderr": "no ``` such", "return_code": 2, "content": []},
}  # fmt: skip
IMAGE = {"type": "image_url", "image_url": {"url": PLOT}}
streamed = pytest.mark.parametrize("streams", [True, False], ids=["streamed", "whole"])


def answered(client: str, upstream: str, parts: list[dict[str, Any]], streams: bool, **more: Any) -> Any:
    """The answer as the client's SDK reads it, and the bytes. parts: items or blocks of the backend's, then words."""
    if upstream == RESPONSES:
        output = [*parts, responses.message("Done.")]
        raw, whole = named(*responses.told(output)), responses.response(output)
    elif upstream == MESSAGES:
        said = messages.block(len(parts), {"type": "text", "text": ""}, messages.text_delta("Done."))
        blocks = [event for at, part in enumerate(parts) for event in messages.block(at, part)]
        raw = named(messages.started(), *blocks, *said, *messages.ended())
        whole = messages.whole([*parts, {"type": "text", "text": "Done."}])
    else:
        deltas = [
            chat.delta(role="assistant", content="See: "),
            chat.delta(images=parts),
            chat.delta(content="Done."),
        ]
        raw = chat.stream(*deltas, chat.delta("stop"))
        whole = chat.whole({"content": "See: Done.", "images": parts}, "stop")
    reply = (
        Reply(200, SSE, parts=[raw], framing="chunked") if streams else Reply(200, JSON, body=encoded(whole))
    )
    got, _ = one(client, upstream, reply, ask(client, stream=streams, **more))
    assert got.status == 200, got.body
    assert not streams or CLEAN[client] in got.body
    return read(client, got.body, streams), got


def read(client: str, body: bytes, streams: bool) -> Any:
    with ScriptedUpstream() as server:
        server.always(Reply(200, SSE if streams else JSON, body=body))
        asked: Any = {"model": "m", "messages": [{"role": "user", "content": "x"}]}
        if client == MESSAGES:
            with anthropic.Anthropic(base_url=server.url, api_key="k", max_retries=0) as own:
                if not streams:
                    return own.messages.create(max_tokens=9, **asked).to_dict()["content"]
                with own.messages.stream(max_tokens=9, **asked) as told:
                    return told.get_final_message().to_dict()["content"]
        with openai.OpenAI(base_url=f"{server.url}/v1", api_key="k", max_retries=0) as other:
            if client == RESPONSES:
                if not streams:
                    return other.responses.create(model="m", input="x").to_dict()["output"]
                with other.responses.stream(model="m", input="x") as events_told:
                    return events_told.get_final_response().to_dict()["output"]
            if not streams:
                return other.chat.completions.create(**asked).to_dict()["choices"][0]["message"]
            with other.chat.completions.stream(**asked) as chunks:
                return chunks.get_final_completion().to_dict()["choices"][0]["message"]


# -- what OpenAI's model ran


@streamed
def test_the_code_that_openai_ran_is_shown_to_a_chat_client_with_its_plot(streams: bool) -> None:
    message, got = answered(CHAT, RESPONSES, [CODE], streams)
    assert message["content"].split() == ["```python", "print(7)", "```", "```", "seven", "```", "Done."]
    assert [one["image_url"]["url"] for one in message["images"]] == [PLOT]
    assert b"no form for" not in got.body
    assert "dropped" not in got.headers.get("x-pointsman-warnings", "")


@streamed
def test_the_code_that_openai_ran_is_a_code_execution_to_a_messages_client(streams: bool) -> None:
    content, got = answered(MESSAGES, RESPONSES, [CODE], streams)
    call, result, *texts = content
    assert (call["type"], call["name"], call["input"]["code"]) == (
        "server_tool_use",
        "code_execution",
        "print(7)",
    )
    assert result["tool_use_id"] == call["id"]
    assert result["content"]["stdout"] == "seven\n"
    assert [text["text"] for text in texts] == ["Made a picture.", "Done."]
    told = got.body if streams else got.headers["x-pointsman-warnings"].encode()
    assert b"code_interpreter_call" in told  # its plot has no form there


@streamed
def test_a_picture_that_openai_made_is_shown_to_a_chat_client(streams: bool) -> None:
    message, got = answered(CHAT, RESPONSES, [MADE, {**MADE, "id": "ig_2"}], streams)
    assert [one["image_url"]["url"] for one in message["images"]] == [PLOT, PLOT]
    assert message["content"] == "Done."
    assert b"no form for" not in got.body


@streamed
def test_a_picture_has_no_form_in_messages_and_its_client_is_told_in_words(streams: bool) -> None:
    content, got = answered(MESSAGES, RESPONSES, [MADE], streams)
    assert [block["text"] for block in content] == ["Made a picture: a red cat", "Done."]
    told = got.body if streams else got.headers["x-pointsman-warnings"].encode()
    assert b"image_generation_call" in told


@pytest.mark.parametrize("client", [CHAT, MESSAGES])
@streamed
def test_what_an_mcp_tool_said_is_shown(client: str, streams: bool) -> None:
    _, got = answered(client, RESPONSES, [CALLED], streams)
    assert b"Called look of wiki" in got.body
    assert b"it says so" in got.body
    assert b"no form for" not in got.body


@streamed
def test_an_answer_that_is_to_be_json_stays_json(streams: bool) -> None:
    message, got = answered(CHAT, RESPONSES, [CODE], streams, response_format={"type": "json_object"})
    assert message["content"] == "Done."
    told = got.body if streams else got.headers["x-pointsman-warnings"].encode()
    assert b"code_interpreter_call" in told


# -- what Anthropic's model ran


@pytest.mark.parametrize("client", [CHAT, RESPONSES])
@streamed
def test_the_code_that_anthropic_ran_is_shown_to_a_client_of_openai(client: str, streams: bool) -> None:
    found, got = answered(client, MESSAGES, [RUN, GAVE, SHELL, LISTED], streams)
    text = found["content"] if client == CHAT else "".join(part["text"] for part in found[0]["content"])
    words = text.split()
    assert words[:6] == ["```python", "print(7)", "```", "```", "seven", "```"]
    assert words[6:10] == ["```sh", "ls", "-l", "```"]
    assert words[10:] == ["````", "no", "```", "such", "return", "code", "2", "````", "Done."]
    assert b"no form for" not in got.body


def test_places_of_citations_count_the_code_that_stands_before_them() -> None:
    web = {"type": "web_search_result_location", "url": "https://a.example", "title": "A", "cited_text": "c", "encrypted_index": "x"}  # fmt: skip
    text = {"type": "text", "text": ""}
    raw = named(
        messages.started(), *messages.block(0, RUN), *messages.block(1, GAVE),
        *messages.block(2, text, *cited(web), messages.text_delta("the fact")), *messages.ended(),
    )  # fmt: skip
    deltas = [
        chunk["choices"][0]["delta"] for chunk in events(stream(CHAT, MESSAGES, raw).body) if chunk["choices"]
    ]
    said = "".join(delta.get("content") or "" for delta in deltas)
    ((found,),) = [delta["annotations"] for delta in deltas if delta.get("annotations")]
    place = found["url_citation"]
    assert said[place["start_index"] : place["end_index"]] == "the fact"


# -- pictures of Chat's backends


@streamed
def test_a_picture_of_a_chat_backend_is_an_item_of_responses(streams: bool) -> None:
    output, got = answered(RESPONSES, CHAT, [IMAGE], streams)
    made = [item for item in output if item["type"] == "image_generation_call"]
    assert [(item["result"], item["status"]) for item in made] == [(DRAWN, "completed")]
    assert b"no form for" not in got.body


@streamed
def test_a_picture_beside_the_words_of_a_chat_backend_is_told_to_a_messages_client(streams: bool) -> None:
    content, got = answered(MESSAGES, CHAT, [IMAGE], streams)
    assert "Made a picture." in [block["text"] for block in content]
    told = got.body if streams else got.headers["x-pointsman-warnings"].encode()
    assert b"images" in told


def test_a_picture_alone_is_an_answer() -> None:
    raw = chat.stream(chat.delta(role="assistant", images=[IMAGE]), chat.delta("stop"))
    got = stream(RESPONSES, CHAT, raw)
    assert DRAWN.encode() in got.body
    assert CLEAN[RESPONSES] in got.body


@pytest.mark.parametrize("upstream", [MESSAGES, RESPONSES])
def test_pictures_of_an_earlier_answer_are_shown_to_the_next_model(upstream: str) -> None:
    turns: list[Any] = [
        {"role": "user", "content": "draw"},
        {"role": "assistant", "content": "Here.", "images": [{**IMAGE, "index": 0}]},
        {"role": "user", "content": "bigger"},
    ]
    body = (
        messages.whole([{"type": "text", "text": "ok"}]) if upstream == MESSAGES else responses.whole_of("ok")
    )
    got, received = one(
        CHAT, upstream, Reply(200, JSON, body=encoded(body)), {"model": "m", "messages": turns}
    )
    assert got.status == 200
    text = received[0].body.decode()
    assert DRAWN in text
    assert "Made a picture." in text


# -- asked for


def test_code_execution_of_messages_is_code_interpreter_of_openai() -> None:
    tool = {"type": "code_execution_20250825", "name": "code_execution"}
    more = {"tools": [OWN_TOOL, tool], "tool_choice": {"type": "tool", "name": "code_execution"}}
    got, sent = vendor("openai", MESSAGES, "gpt-5.6", more)
    ((protocol, body),) = sent
    assert protocol == RESPONSES
    assert body["tools"][1] == {"type": "code_interpreter", "container": {"type": "auto"}}
    assert body["tool_choice"] == {"type": "code_interpreter"}
    assert "code_interpreter_call.outputs" in body["include"]
    assert "x-pointsman-warnings" not in got.headers


def test_code_interpreter_of_responses_is_code_execution_of_anthropic() -> None:
    tool = {"type": "code_interpreter", "container": {"type": "auto", "memory_limit": "4g"}}
    choice = {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "code_interpreter"}]}
    flat = {
        "type": "function",
        "name": "f",
        "parameters": {"type": "object", "properties": {}},
        "strict": False,
    }
    got, sent = vendor(
        "anthropic", RESPONSES, "claude-sonnet-4-6", {"tools": [flat, tool], "tool_choice": choice}
    )
    assert sent[0][1]["tools"] == [{"type": "code_execution_20250825", "name": "code_execution"}]
    told = got.headers["x-pointsman-warnings"].split(",")
    assert told == ["dropped:tools[1].container.memory_limit", "emulated:tool_choice"]


@pytest.mark.parametrize(
    ("container", "path"),
    [
        ("cntr_1", "tools[0].container"),
        ({"type": "auto", "file_ids": ["file_1"]}, "tools[0].container.file_ids"),
    ],
)
def test_a_container_that_only_its_vendor_has_is_a_400(container: Any, path: str) -> None:
    tool = {"type": "code_interpreter", "container": container}
    got, sent = vendor("anthropic", RESPONSES, "claude-sonnet-4-6", {"tools": [tool]})
    assert (got.status, got.json()["error"]["param"], sent) == (400, path, [])


# -- and back


THOUGHT = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "enc1"}


@streamed
def test_the_run_comes_back_to_openai_as_its_item_with_its_reasoning(streams: bool) -> None:
    logs = {**CODE, "outputs": CODE["outputs"][:1]}  # type: ignore[index]
    answer = responses.response([THOUGHT, logs, responses.message("Done.")])
    body = conversation(MESSAGES, streams, answer, messages_again)
    assert [item.get("type") for item in body["input"]][1:4] == [
        "reasoning",
        "code_interpreter_call",
        "message",
    ]
    assert body["input"][2] == logs
    alone = conversation(MESSAGES, streams, answer, lambda first: messages_again(first, ("thinking",)))
    assert "code_interpreter_call" not in [item.get("type") for item in alone["input"]]
    assert "print(7)" in json.dumps(alone["input"])


def test_two_answers_of_a_backend_that_counts_its_calls_anew_have_calls_of_their_own() -> None:
    ids = {answered(MESSAGES, RESPONSES, [CODE], False)[0][0]["id"] for _ in range(2)}
    assert len(ids) == 2


def test_what_was_run_for_another_model_is_told_to_anthropic_in_words() -> None:
    content, _ = answered(MESSAGES, RESPONSES, [CODE], False)
    turns = [
        {"role": "user", "content": "x"},
        {"role": "assistant", "content": content},
        {"role": "user", "content": "y"},
    ]
    got, sent = vendor("anthropic", MESSAGES, "claude-sonnet-4-6", {"messages": turns})
    assert got.status == 200
    blocks = sent[0][1]["messages"][1]["content"]
    assert {block["type"] for block in blocks} == {"text"}
    assert [word in json.dumps(blocks) for word in ("print(7)", "seven", "srvtoolu_pm_")] == [
        True,
        True,
        False,
    ]
