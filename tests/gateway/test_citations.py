"""Where a citation stands in the answer that a client of another protocol gets, streamed and whole."""

from __future__ import annotations

import json
from typing import Any

import openai
import pytest

from pointsman.practice import Reply, ScriptedUpstream
from pointsman.wire.sse import EventSplitter, data_of
from tests.vendor_bodies import chat, messages, responses
from tests.vendor_bodies.wire import encoded, named

from .test_translation import CHAT, CLEAN, JSON, MESSAGES, RESPONSES, SSE, ask, one, stream

PAGE = {
    "type": "web_search_result_location", "url": "https://a.example", "title": "A", "cited_text": "so it is",
    "encrypted_index": "x==",
}  # fmt: skip
TWO = {**PAGE, "url": "https://b.example", "title": "B"}


def cited(*citations: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"type": "citations_delta", "citation": each} for each in citations]


def events(body: bytes) -> list[dict[str, Any]]:
    found = [data_of(event) for event in EventSplitter().feed(body)]
    return [json.loads(data) for data in found if data and data != b"[DONE]"]


def searched() -> bytes:
    """As Anthropic streams it: the citations of a block before its text."""
    text = {"type": "text", "text": ""}
    return named(
        messages.started(),
        *messages.block(0, text, messages.text_delta("Hear: ")),
        *messages.block(1, {**text, "citations": []}, *cited(PAGE, TWO), *map(messages.text_delta, ("the ", "fact"))),
        *messages.block(2, text, messages.text_delta(". And ")),
        *messages.block(3, {**text, "citations": []}, *cited(PAGE), messages.text_delta("more")),
        *messages.ended(),
    )  # fmt: skip


def test_a_citation_that_anthropic_streams_before_its_text_covers_that_text_for_a_chat_client() -> None:
    got = stream(CHAT, MESSAGES, searched())
    deltas = [chunk["choices"][0]["delta"] for chunk in events(got.body) if chunk["choices"]]
    text = "".join(delta.get("content") or "" for delta in deltas)
    told = [one for delta in deltas for one in delta.get("annotations") or ()]
    assert text == "Hear: the fact. And more"
    places = [(each["url_citation"]["start_index"], each["url_citation"]["end_index"]) for each in told]
    assert [text[a:b] for a, b in places] == ["the fact", "the fact", "more"]
    assert [each["url_citation"]["title"] for each in told] == ["A", "B", "A"]


def test_the_sdk_of_openai_collects_every_annotation_of_a_stream() -> None:
    """It joins the lists of all deltas by `index`, and raises where there is none."""
    got = stream(CHAT, MESSAGES, searched())
    with ScriptedUpstream() as server:
        server.always(Reply(200, SSE, body=got.body))
        with openai.OpenAI(base_url=f"{server.url}/v1", api_key="k", max_retries=0, timeout=10) as client:
            asked = [{"role": "user", "content": "x"}]
            with client.chat.completions.stream(model="m", messages=asked) as told:  # type: ignore[arg-type]
                message = told.get_final_completion().choices[0].message
    assert message.annotations is not None
    assert len(message.annotations) == 3


def test_a_citation_that_anthropic_streams_before_its_text_covers_that_text_for_a_responses_client() -> None:
    got = stream(RESPONSES, MESSAGES, searched())
    told = events(got.body)
    added = [each for each in told if each["type"] == "response.output_text.annotation.added"]
    parts = told[-1]["response"]["output"][0]["content"]
    spans = [
        part["text"][each["start_index"] : each["end_index"]]
        for part in parts
        for each in part["annotations"]
    ]
    assert spans == ["the fact", "the fact", "more"]
    assert [each["annotation"] for each in added] == [each for part in parts for each in part["annotations"]]
    for each in added:
        place = [told.index(each), each["output_index"], each["content_index"]]
        done = next(
            at for at, one in enumerate(told)
            if one["type"] == "response.output_text.done" and one["content_index"] == place[2]
        )  # fmt: skip
        assert place[0] < done


@pytest.mark.parametrize("client", [CHAT, RESPONSES])
def test_a_whole_answer_of_anthropic_has_the_same_places(client: str) -> None:
    content = [
        {"type": "text", "text": "Hear: "},
        {"type": "text", "text": "the fact", "citations": [PAGE]},
        {"type": "text", "text": "."},
    ]
    got, _ = one(client, MESSAGES, Reply(200, JSON, body=encoded(messages.whole(content))))
    if client == CHAT:
        message = got.json()["choices"][0]["message"]
        (found,) = [each["url_citation"] for each in message["annotations"]]
        assert message["content"][found["start_index"] : found["end_index"]] == "the fact"
    else:
        part = got.json()["output"][0]["content"][1]
        (found,) = part["annotations"]
        assert part["text"][found["start_index"] : found["end_index"]] == "the fact"


# -- toward Messages: the text is split at the spans

TEXT = "See [a](https://a.example) and [b](https://b.example), both."
SPANS = [(4, 26), (31, 53)]


def notes(nested: bool, spans: list[tuple[int, int]] = SPANS) -> list[dict[str, Any]]:
    plain = [
        {"url": f"https://{name}.example", "title": name.upper(), "start_index": a, "end_index": b}
        for name, (a, b) in zip("ab", spans, strict=True)
    ]
    if nested:
        return [{"type": "url_citation", "url_citation": each} for each in plain]
    return [{"type": "url_citation", **each} for each in plain]


def blocks(body: bytes) -> list[tuple[str, list[str]]]:
    """(text, URLs cited) of each text block of a Messages stream."""
    found: dict[int, tuple[str, list[str]]] = {}
    for event in events(body):
        if event["type"] == "content_block_start":
            found[event["index"]] = ("", [])
        elif event["type"] == "content_block_delta":
            text, urls = found[event["index"]]
            delta = event["delta"]
            if delta["type"] == "citations_delta":
                urls.append(delta["citation"]["url"])
            found[event["index"]] = (text + delta.get("text", ""), urls)
    return [found[index] for index in sorted(found)]


SPLIT = [
    ("See ", []),
    (TEXT[4:26], ["https://a.example"]),
    (" and ", []),
    (TEXT[31:53], ["https://b.example"]),
    (", both.", []),
]


def as_whole(text: str, annotations: list[dict[str, Any]]) -> dict[str, Any]:
    found = responses.message(text)
    found["content"][0]["annotations"] = annotations
    return responses.response([found])


def test_a_whole_answer_of_openai_is_split_at_its_spans() -> None:
    of_chat = encoded(chat.whole({"content": TEXT, "annotations": notes(True)}, "stop"))
    of_responses = encoded(as_whole(TEXT, notes(False)))
    for upstream, body in ((CHAT, of_chat), (RESPONSES, of_responses)):
        got, _ = one(MESSAGES, upstream, Reply(200, JSON, body=body))
        content = got.json()["content"]
        assert [(each["text"], [c["url"] for c in each.get("citations", [])]) for each in content] == SPLIT
        # a backend that ignores `stream` is told the same way
        got, _ = one(MESSAGES, upstream, Reply(200, JSON, body=body), ask(MESSAGES, stream=True))
        assert blocks(got.body) == SPLIT


def test_a_stream_of_responses_is_split_where_its_annotations_come() -> None:
    """As OpenAI streams it: the link in one delta, its annotation right behind."""
    first, second = notes(False)
    search = {
        "id": "ws_1",
        "type": "web_search_call",
        "status": "completed",
        "action": {"type": "search", "query": "x"},
    }
    item = as_whole(TEXT, [first, second])["output"][0]
    inside = {"item_id": "msg_1", "output_index": 1, "content_index": 0}

    def words(text: str) -> dict[str, Any]:
        return responses.event("output_text.delta", **inside, delta=text, logprobs=[])

    def note(value: dict[str, Any], at: int) -> dict[str, Any]:
        return responses.event(
            "output_text.annotation.added", **inside, annotation_index=at, annotation=value
        )

    raw = named(
        responses.event("created", response=responses.response([], "in_progress")),
        responses.event("output_item.done", output_index=0, item=search),
        *responses.opened(1, item),
        *map(words, ("Se", "e ", TEXT[4:26])), note(first, 0), *map(words, (" ", "and ", TEXT[31:53])), note(second, 1),
        *map(words, (",", " both.")),
        *responses.closed(1, item),
        responses.event("completed", response=responses.response([search, item])),
    )  # fmt: skip
    got = stream(MESSAGES, RESPONSES, raw)
    assert [each for each in blocks(got.body) if each[0]] == SPLIT
    assert b"no form for" not in got.body  # the search is shown as the vendor's own two blocks
    assert CLEAN[MESSAGES] in got.body


@pytest.mark.parametrize("client", [MESSAGES, RESPONSES])
def test_annotations_that_come_before_the_text_are_not_lost(client: str) -> None:
    """OpenRouter sends them with the first, empty delta; without a place, or with an empty one."""
    early = [
        {"type": "url_citation", "url_citation": {"url": "https://a.example", "title": "A", "content": "its words"}},
        {"type": "url_citation", "url_citation": {"url": "https://b.example", "start_index": 0, "end_index": 0}},
    ]  # fmt: skip
    raw = chat.stream(
        chat.delta(role="assistant", content="", annotations=early), chat.delta(content="It is "), chat.delta(content="so."),
        chat.delta("stop"),
    )  # fmt: skip
    got = stream(client, CHAT, raw)
    if client == MESSAGES:
        assert blocks(got.body) == [("It is so.", ["https://a.example", "https://b.example"])]
        assert b'"cited_text":"its words"' in got.body
    else:
        (part,) = events(got.body)[-1]["response"]["output"][0]["content"]
        assert [(each["url"], each["start_index"], each["end_index"]) for each in part["annotations"]] == [
            ("https://a.example", 0, 9), ("https://b.example", 0, 9),
        ]  # fmt: skip


def test_annotations_that_come_before_the_text_with_places_split_it() -> None:
    raw = chat.stream(
        chat.delta(role="assistant", annotations=notes(True)), *(chat.delta(content=c) for c in TEXT), chat.delta("stop"),
    )  # fmt: skip
    assert blocks(stream(MESSAGES, CHAT, raw).body) == SPLIT


def test_annotations_in_the_last_chunk_are_not_lost() -> None:
    raw = chat.stream(
        chat.delta(content="<think>hm</think>"), chat.delta(content=TEXT), chat.delta("stop", annotations=notes(True, [(21, 43), (48, 70)]))
    )  # fmt: skip
    got = stream(RESPONSES, CHAT, raw)
    part = events(got.body)[-1]["response"]["output"][-1]["content"][0]
    assert [part["text"][e["start_index"] : e["end_index"]] for e in part["annotations"]] == [
        TEXT[a:b] for a, b in SPANS
    ]
    urls = [url for _, found in blocks(stream(MESSAGES, CHAT, raw).body) for url in found]
    assert urls == ["https://a.example", "https://b.example"]


def test_annotations_behind_a_call_are_not_lost() -> None:
    call = {"index": 0, "id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    raw = chat.stream(
        chat.delta(content=TEXT),
        chat.delta(tool_calls=[call]),
        chat.delta("tool_calls", annotations=notes(True)),
    )
    for client in (MESSAGES, RESPONSES):
        got = stream(client, CHAT, raw)
        assert got.body.count(b"https://a.example") > TEXT.count("https://a.example")
        assert CLEAN[client] in got.body


@pytest.mark.parametrize("upstream", [CHAT, RESPONSES])
def test_annotations_of_odd_shapes_do_no_harm(upstream: str) -> None:
    odd: list[Any] = [
        {"type": "url_citation", "url": 5}, {"type": "url_citation"}, {"type": "file_citation", "file_id": "f"}, 7, None,
        {"type": "url_citation", "url": "https://a.example", "title": 3, "start_index": "4", "end_index": 2.5},
        {"type": "url_citation", "url": "https://b.example", "start_index": 900, "end_index": 901},
        {"type": "url_citation", "url": "https://c.example", "start_index": -5, "end_index": -1},
    ]  # fmt: skip
    body = (
        chat.whole({"content": "hello", "annotations": odd}, "stop")
        if upstream == CHAT
        else as_whole("hello", odd)
    )
    got, _ = one(MESSAGES, upstream, Reply(200, JSON, body=encoded(body)))
    (block,) = got.json()["content"]
    assert block["text"] == "hello"
    assert sorted(each["url"] for each in block["citations"]) == [f"https://{name}.example" for name in "abc"]


PLACE = {
    "type": "char_location", "cited_text": "it is", "document_index": 0, "document_title": "D", "start_char_index": 0,
    "end_char_index": 5, "file_id": None,
}  # fmt: skip


@pytest.mark.parametrize("client", [CHAT, RESPONSES])
def test_a_citation_without_a_form_in_the_clients_protocol_is_told_once(client: str) -> None:
    content = [
        {"type": "text", "text": "so", "citations": [PLACE, PLACE]},
        {"type": "text", "text": "too", "citations": [PLACE, PAGE]},
    ]
    got, _ = one(client, MESSAGES, Reply(200, JSON, body=encoded(messages.whole(content))))
    assert got.headers["x-pointsman-warnings"].split(",").count("dropped:char_location") == 1
    assert "dropped:web_search_result_location" not in got.headers["x-pointsman-warnings"]
    text = {"type": "text", "text": ""}
    raw = named(
        messages.started(), *messages.block(0, text, *cited(PLACE, PLACE, PAGE), messages.text_delta("so")), *messages.ended()
    )  # fmt: skip
    got = stream(client, MESSAGES, raw)
    assert got.body.count(b": the client's protocol has no form for: 'char_location'\n\n") == 1
    assert got.body.count(b"no form for") == 1
    assert CLEAN[client] in got.body


@pytest.mark.parametrize("kind", ["file_citation", "container_file_citation"])
def test_a_file_citation_of_openai_is_told_to_a_messages_client(kind: str) -> None:
    note = {"type": kind, "file_id": "file_1", "filename": "a.txt", "index": 1}
    got, _ = one(MESSAGES, RESPONSES, Reply(200, JSON, body=encoded(as_whole("so", [note]))))
    assert f"dropped:{kind}" in got.headers["x-pointsman-warnings"]
    assert got.json()["content"] == [{"type": "text", "text": "so"}]


def test_citations_that_a_server_repeats_in_every_chunk_are_told_once() -> None:
    one_note = notes(True)[:1]
    raw = chat.stream(
        *(chat.delta(content=TEXT[at : at + 7], annotations=one_note) for at in range(0, len(TEXT), 7)),
        chat.delta("stop", annotations=notes(True)),
    )
    part = events(stream(RESPONSES, CHAT, raw).body)[-1]["response"]["output"][0]["content"][0]
    assert [each["url"] for each in part["annotations"]] == ["https://a.example", "https://b.example"]


@pytest.mark.parametrize(
    "odd",
    [{"start_index": 4.0, "end_index": 26.0}, {"start_index": 4, "end_index": 26}],
    ids=["floats", "one object"],
)
def test_annotations_in_another_shape_are_read(odd: dict[str, Any]) -> None:
    found: Any = {"type": "url_citation", "url_citation": {"url": "https://a.example", "title": "A", **odd}}
    body = chat.whole({"content": TEXT, "annotations": [found] if "4.0" in str(odd) else found}, "stop")
    got, _ = one(MESSAGES, CHAT, Reply(200, JSON, body=encoded(body)))
    assert [each["text"] for each in got.json()["content"] if each.get("citations")] == [TEXT[4:26]]


BESIDE = {
    "search_results": [{"title": "A", "url": "https://a.example", "date": None}],
    "citations": ["https://a.example", "https://b.example"],
}


@pytest.mark.parametrize("client", [MESSAGES, RESPONSES])
@pytest.mark.parametrize("streams", [True, False])
def test_sources_beside_the_answer_are_cited(client: str, streams: bool) -> None:
    """As Perplexity and xAI tell them: all of them, in each chunk or in the last."""
    raw = chat.stream(
        *({**chat.delta(content=word), **BESIDE} for word in ("It ", "is.")), chat.delta("stop")
    )
    whole = {**chat.whole({"content": "It is."}, "stop"), **BESIDE}
    reply = (
        Reply(200, SSE, parts=[raw], framing="chunked") if streams else Reply(200, JSON, body=encoded(whole))
    )
    got, _ = one(client, CHAT, reply, ask(client, stream=streams))
    if streams and client == MESSAGES:
        assert blocks(got.body) == [("It is.", ["https://a.example", "https://b.example"])]
        return
    value = events(got.body)[-1]["response"] if streams else got.json()
    part = value["content"][0] if client == MESSAGES else value["output"][0]["content"][0]
    assert part["text"] == "It is."
    assert [each["url"] for each in part.get("citations") or part["annotations"]] == BESIDE["citations"]


@pytest.mark.parametrize("source", ["https://a.example/doc", "notes/today.txt"])
def test_a_search_result_of_the_clients_own_is_cited_where_it_is_a_page(source: str) -> None:
    place = {
        "type": "search_result_location", "source": source, "title": "A", "cited_text": "so", "search_result_index": 0,
        "start_block_index": 0, "end_block_index": 1,
    }  # fmt: skip
    content = [{"type": "text", "text": "It is."}, {"type": "text", "text": "So.", "citations": [place]}]
    got, _ = one(CHAT, MESSAGES, Reply(200, JSON, body=encoded(messages.whole(content))))
    message = got.json()["choices"][0]["message"]
    if source.startswith("https"):
        (found,) = (each["url_citation"] for each in message["annotations"])
        assert (message["content"][found["start_index"] : found["end_index"]], found["url"]) == (
            "So.",
            source,
        )
    else:
        assert "annotations" not in message
        assert "dropped:search_result_location" in got.headers["x-pointsman-warnings"]
