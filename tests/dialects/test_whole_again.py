"""A whole answer that is told without being decoded is one that would have been told after it was: the same usage, and an
answer."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.conversation.usage import TokenUsage
from pointsman.dialects.anthropic_messages.seen import MessagesSeen
from pointsman.dialects.base import Seen
from pointsman.dialects.openai_chat.seen import ChatSeen
from pointsman.dialects.openai_responses.seen import ResponsesSeen
from pointsman.dialects.think import FIRSTS
from pointsman.dialects.whole_again import SPEAKS, WholeAgain
from pointsman.gateway.attempt.meaning import ANSWERED, meaning
from tests.vendor_bodies import chat, messages, responses

KINDS = [ChatSeen, MessagesSeen, ResponsesSeen]
TEXTS = st.sampled_from(
    [
        "Hello, and welcome.",
        "word",
        '{"a": 1}',
        "- a\n- b",
        "é ✓",
        'say "content": "x"',
        "a\\b",
        "ends with \\",
        "",
        " ",
        "<think>hm</think>word",
        "x</think>word",
        "\ud800",
        "\x7f",
    ]
) | st.text(st.sampled_from('ab "\\:,}é\n\ud800</think>'), max_size=8)
COUNTS = st.sampled_from([0, 1, 7, 12, 100, 24_000, 2**53, 10**16, None, 1.0, "9", -1, True])


def chat_answer(text: Any, one: Any, asked: Any, made: Any, cached: Any, thought: Any) -> dict[str, Any]:
    total = asked + made if type(asked) is int and type(made) is int else 3
    usage = {"prompt_tokens": asked, "completion_tokens": made, "total_tokens": total}
    if cached is not None or thought is not None:
        usage["prompt_tokens_details"] = {"cached_tokens": cached, "audio_tokens": 0}
        usage["completion_tokens_details"] = {"reasoning_tokens": thought}
    head = {"id": f"chatcmpl-{one}", "created": one, "service_tier": "default"}
    return chat.whole({"content": text, "refusal": None}, "stop", usage, **head)


def messages_answer(text: Any, one: Any, asked: Any, made: Any, cached: Any, written: Any) -> dict[str, Any]:
    usage = {"input_tokens": asked, "cache_creation_input_tokens": written, "output_tokens": made}
    if cached is not None:
        usage["cache_read_input_tokens"] = cached
    usage["service_tier"] = "standard"
    return messages.whole([{"type": "text", "text": text}], "end_turn", usage, id=f"msg_{one}")


def responses_answer(text: Any, one: Any, asked: Any, made: Any, cached: Any, thought: Any) -> dict[str, Any]:
    """As the vendor writes it: what was asked is told again, with `text` in it, and each item has an id."""
    total = asked + made if type(asked) is int and type(made) is int else 3
    usage = {
        "input_tokens": asked,
        "input_tokens_details": {"cached_tokens": cached},
        "output_tokens": made,
        "output_tokens_details": {"reasoning_tokens": thought},
        "total_tokens": total,
    }
    told = {"instructions": 'Be brief.\nSay "text": "x".', "text": {"format": {"type": "text"}}}
    head = {"id": f"resp_{one}", "created_at": one, "completed_at": one, "service_tier": "default"}
    return responses.response([responses.message(text, id=f"msg_{one}")], usage=usage, **told, **head)


MAKING = {ChatSeen: chat_answer, MessagesSeen: messages_answer, ResponsesSeen: responses_answer}


def known(kind: type[Seen]) -> WholeAgain:
    assert kind.alike is not None
    return WholeAgain(kind.alike, lambda body: kind().whole_text(body), kind.counts_of)


def read(kind: type[Seen], body: bytes) -> tuple[bool, TokenUsage | None]:
    """As the full way does: (is it an answer, its usage)."""
    seen = kind()
    seen.whole(body)
    return meaning(seen, (), True) is ANSWERED, seen.usage


def take(kind: type[Seen], again: WholeAgain, body: bytes) -> bool:
    """As a lane does, and compared with the full way. Was it told without being decoded?"""
    answered, usage = read(kind, body)
    found = again.usage(body)
    if found is not None:
        assert answered, body
        assert found == usage, body
    elif answered and usage is not None:
        again.learn(body, usage)
    return found is not None


def written(value: dict[str, Any], ascii: bool = True, indent: int | None = None) -> bytes:
    text = json.dumps(value, ensure_ascii=ascii, indent=indent, separators=None if indent else (",", ":"))
    return text.encode("utf-8", "surrogatepass")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("indent", [None, 2])
def test_answers_of_one_model_are_not_decoded_once_they_are_known(
    kind: type[Seen], indent: int | None
) -> None:
    again, told = known(kind), 0
    texts = ["Hello, and welcome.", "好的\n- b", '{"a": "\\"b\\""}', "é ✓", "word"]
    for number in range(40):
        usage = (100 + number, 9 + number % 7, number % 3, 0)
        value = MAKING[kind](texts[number % 5] + str(number), 1_790_000_000 + number // 4, *usage)
        told += take(kind, again, written(value, False, indent))
    assert told >= 34  # but for the first, and those with which something varies for the first time


@pytest.mark.parametrize("kind", KINDS)
@given(
    st.lists(
        st.tuples(TEXTS, st.integers(0, 20), COUNTS, COUNTS, COUNTS, COUNTS, st.booleans()),
        min_size=3,
        max_size=12,
    )
)
@settings(max_examples=150, deadline=None)
def test_what_is_told_without_being_decoded_is_what_decoding_tells(
    kind: type[Seen], answers: list[Any]
) -> None:
    again = known(kind)
    plain = ("word", 1, 10, 5, 2, 0)
    for number, (*values, ascii) in enumerate(answers):
        take(kind, again, written(MAKING[kind](*plain[:1], number, *plain[2:])))
        take(kind, again, written(MAKING[kind](*values), ascii))


def compare(kind: type[Seen], others: list[dict[str, Any]]) -> None:
    """Others alone, after answers that are known, and in turns with them."""
    plain = MAKING[kind]("word", 1, 10, 5, 2, 0)
    for other in others:
        for answers in ([other] * 8, [plain] * 4 + [other] * 8, [plain, other] * 4):
            again = known(kind)
            for number, value in enumerate(answers):
                body = written(value | {"id": f"x{number}"})
                for name in (b'"cached_tokens":', b'"cache_read_input_tokens":'):
                    body = body.replace(name + b"2", name + b"%d" % (number % 3))
                for name in (b'"completion_tokens":', b'"output_tokens":'):
                    body = body.replace(name + b"5", name + b"%d" % (number % 4))
                body = body.replace(b'"total_tokens":15', b'"total_tokens":%d' % (10 + number % 4))
                take(kind, again, body.replace(b'"word"', b'"word %d"' % number))


def test_a_chat_answer_that_says_more_is_read_in_full_whatever_was_known() -> None:
    base = chat_answer("word", 1, 10, 5, 2, 0)
    (choice,) = base["choices"]
    said = choice["message"]
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{"}}
    others = [
        {"message": said | {"tool_calls": [call]}},
        {"message": said | {"refusal": "no"}},
        {"message": said | {"reasoning_content": "hm"}},
        {"message": said | {"reasoning": {"content": "word"}, "content": None}},
        {"message": said | {"content": [{"type": "text", "text": "word"}]}},
        {"message": said | {"function_call": {"name": "f", "arguments": "{}"}}},
        {"delta": {"content": "word"}},
        {"finish_reason": "content_filter"},
        {"finish_reason": "error"},
        {"finish_reason": None},
        {"finish_reason": "length"},
        {"error": {"message": "broke"}},
        {"usage": {"prompt_tokens": 3, "completion_tokens": 4}},
        {"usage": {"input_tokens": 3, "output_tokens": 4}},
    ]
    found = [base | {"choices": [choice | other]} for other in others]
    found.append(base | {"choices": [choice, choice | {"index": 1}]})
    found.append(base | {"service_tier": "priority"})
    found.append(base | {"error": {"message": "it broke"}})
    found.append(base | {"x_groq": {"usage": {"prompt_tokens": 3, "completion_tokens": 4}}})
    found.append(base | {"usage": base["usage"] | {"prompt_cache_hit_tokens": 7}})
    found.append(base | {"usage": {"input_tokens": 3, "output_tokens": 4}, "timings": {"cached_tokens": 5}})
    compare(ChatSeen, found)


def test_a_messages_answer_that_says_more_is_read_in_full_whatever_was_known() -> None:
    base = messages_answer("word", 1, 10, 5, 2, 0)
    call = {"type": "tool_use", "id": "t", "name": "f", "input": {"text": "word"}}
    cited = {"type": "text", "text": "word", "citations": [{"type": "char_location", "cited_text": "x"}]}
    compare(
        MessagesSeen,
        [
            base | {"content": [*base["content"], call]},
            base | {"content": [{"type": "thinking", "thinking": "hm", "signature": "s"}, *base["content"]]},
            base | {"content": [cited]},
            base | {"content": []},
            base | {"content": [{"type": "new", "text": "word"}]},
            base | {"stop_reason": "refusal"},
            base | {"stop_reason": None},
            base | {"type": "error", "error": {"type": "overloaded_error", "message": "busy"}},
            base | {"usage": base["usage"] | {"server_tool_use": {"web_search_requests": 1}}},
            base | {"usage": base["usage"] | {"cache_creation": {"ephemeral_1h_input_tokens": 5}}},
            base | {"usage": None},
            {"error": {"message": "broke"}} | base,
        ],
    )


def test_a_response_that_says_more_is_read_in_full_whatever_was_known() -> None:
    base = responses_answer("word", 1, 10, 5, 2, 0)
    (item,) = base["output"]
    (part,) = item["content"]
    thought = {"id": "rs_1", "type": "reasoning", "summary": [{"type": "summary_text", "text": "word"}]}
    call = {"id": "fc_1", "type": "function_call", "call_id": "c", "name": "f", "arguments": "{"}
    search = {"id": "ws_1", "type": "web_search_call", "status": "completed"}
    ran = {"id": "ci_1", "type": "code_interpreter_call", "status": "completed"}
    note = {"type": "url_citation", "url": "https://a.example", "start_index": 0, "end_index": 1}
    outputs: list[list[Any]] = [[item, item], [thought, item], [search, item], [ran, item], [item, call]]
    outputs += [
        [call],
        [thought],
        [],
        ["word"],
        [item, "word"],
        [{"type": "new", "content": [part]}],
        [{"content": [part]}],
    ]
    contents: list[Any] = [[], [part, part], [part | {"annotations": [note]}], [part | {"text": None}], part]
    contents += [[part | {"type": "text"}], [{"type": "refusal", "refusal": "word"}], [part, "word"]]
    others = [base | {"output": output} for output in outputs]
    others += [base | {"output": [item | {"content": content}]} for content in contents]
    others += [
        base | {"status": one} for one in ("incomplete", "failed", "in_progress", "queued", "new", None)
    ]
    others.append(base | {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}})
    others += [base | {"error": {"message": "broke"}}, {"error": {"message": "broke"}}]
    others += [base | {"usage": None}, base | {"usage": {"prompt_tokens": 3, "completion_tokens": 4}}]
    assert ResponsesSeen().whole_text(written(base)) == "word"
    assert [ResponsesSeen().whole_text(written(one)) for one in others] == [""] * len(others)
    usage, details = base["usage"], "input_tokens_details"
    others += [base | {"service_tier": "priority"}, base | {"output_text": "word"}]
    others += [
        base | {"usage": usage | {details: {"cached_tokens": 2, "cache_write_tokens": n}}} for n in (0, 4)
    ]
    others.append(base | {"metadata": {"text": "word"}})
    others.append(base | {"metadata": {"input_tokens": 10}})
    compare(ResponsesSeen, others)


@pytest.mark.parametrize("name", [b'"te\\u0078t":', b'"text" :', b'"text":  '], ids=str)
def test_a_text_that_is_not_surely_the_answers_is_not_known(name: bytes) -> None:
    """Another string of that name says the same, and this one is written in another way. Nothing is learnt where that shows."""
    again = known(ResponsesSeen)
    for number in range(6):
        text = f"word {number}"
        value = responses_answer(text, number, 10, 5, 2, 0)
        body = written(value).replace(b'"text":"' + text.encode(), name + b'"' + text.encode())
        body = body.replace(b'"metadata":{}', b'"metadata":{"text":"%b"}' % text.encode())
        assert json.loads(body)["output"][0]["content"][0]["text"] == text
        assert not take(ResponsesSeen, again, body)
        if name != b'"text" :':
            assert not take(ResponsesSeen, again, body)


def test_a_response_whose_backend_counts_what_it_wrote_to_a_cache_is_known() -> None:
    again, told = known(ResponsesSeen), 0
    for number in range(12):
        value = responses_answer(f"word {number}", number, 10, 5, 2, 0)
        value["usage"]["input_tokens_details"]["cache_write_tokens"] = 0
        told += take(ResponsesSeen, again, written(value))
    assert told >= 9


@pytest.mark.parametrize("kind", KINDS)
def test_no_byte_that_is_another_is_overlooked(kind: type[Seen]) -> None:
    """5,000 answers that differ by a byte or a few from those that are known."""
    varied = random.Random(7)
    again, told = known(kind), 0
    known_ones = [written(MAKING[kind](f"word {n}", n, 10 + n, 5, n % 3, 0)) for n in range(12)]
    for one in known_ones:
        take(kind, again, one)
    bits = [
        b'"',
        b"\\",
        b"}",
        b",",
        b"0",
        b"7",
        b"x",
        b"",
        b"\n",
        b" ",
        b'"content":"x",',
        b"\xff",
        b"null",
        b":",
        b"<",
    ]
    for _ in range(5_000):
        body = bytearray(varied.choice(known_ones))
        for _ in range(varied.randint(1, 2)):
            at = varied.randrange(len(body))
            body[at : at + varied.randint(0, 2)] = varied.choice(bits)
        if (found := again.usage(bytes(body))) is not None:
            told += 1
            assert (True, found) == read(kind, bytes(body)), body
    assert told > 50  # some are answers still


def test_a_text_that_begins_like_white_space_or_a_tag_is_read_in_full() -> None:
    odd = [char for char in map(chr, range(0xD800)) if char.isspace() or char in FIRSTS or char in '"\\']
    assert not any(SPEAKS[char.encode()[0]] for char in odd)
    assert all(SPEAKS[char.encode()[0]] for char in "wé{#-1好한П")


@pytest.mark.parametrize("kind", KINDS)
def test_a_backend_whose_answers_are_never_alike_is_not_learnt_each_time(kind: type[Seen]) -> None:
    assert kind.alike is not None
    reading, asked = Counted(kind), 0
    again = WholeAgain(kind.alike, reading, kind.counts_of)
    for number in range(650):
        body = written(MAKING[kind]("word", 1, 10, 5, 2, 0) | {f"new{number}": number})
        asked += take(kind, again, body)
    assert not asked
    assert reading.calls < 20


class Counted:
    """Counts how often an answer is read to be learnt."""

    def __init__(self, kind: type[Seen]) -> None:
        self._kind = kind
        self.calls = 0

    def __call__(self, body: bytes) -> str:
        self.calls += 1
        return self._kind().whole_text(body)
