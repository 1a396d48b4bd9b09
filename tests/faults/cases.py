"""The faults as data: what the backend does, and what must come of it. Rows are those of
docs/reliability-promises.md#verdicts and their kin.

Not here: running a cell (cell.py) and writing the page (__main__.py).
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from dataclasses import dataclass

from pointsman.practice import CUT, RESET, STALL, Pause, Reply
from tests.e2e.replies import JSON, SSE
from tests.e2e.wires import Wire
from tests.vendor_bodies import chat, messages, responses
from tests.vendor_bodies.wire import Call, named, sse

Make = Callable[[Wire, bool], Reply | str]
"""(the backend's protocol, does it stream) -> what it does."""


@dataclass(frozen=True)
class Case:
    """One fault.

    expect: `next REASON`: another target serves, and as the last target the client gets an error of its own protocol;
    `told STATUS`: the backend's answer is the client's, nobody else is asked; `in-band`: the client has seen output, so
    the error comes inside the stream; `serves`: no fault after all. stream, whole: where it can be. special: the backend
    is not a scripted one, or is one of another kind (see cell.py). wires: the backend's protocols that know it, empty for all.
    """

    name: str
    expect: str
    make: Make | None = None
    stream: bool = True
    whole: bool = True
    special: str = ""
    translated: str | None = None  # what is expected when translated, where that differs
    wires: tuple[str, ...] = ()


def status(code: int, message: str = "no", **headers: str) -> Make:
    def make(wire: Wire, stream: bool) -> Reply:
        return Reply(code, {**JSON, **headers}, body=wire.error_body(message))

    return make


def body(raw: bytes, **headers: str) -> Make:
    return lambda wire, stream: Reply(200, {**JSON, **headers}, body=raw)


def parts(
    make: Callable[[Wire], list[bytes | Pause]], *, end: object = None, framing: str = "chunked"
) -> Make:
    def reply(wire: Wire, stream: bool) -> Reply:
        sent = [*make(wire), *([end] if end is not None else [])]
        return Reply(200, SSE, parts=sent, framing=framing)  # type: ignore[arg-type]

    return reply


def half(wire: Wire) -> list[bytes | Pause]:
    return [*wire.start(), wire.piece("half of it")]


def nonsense(wire: Wire) -> list[bytes | Pause]:
    """Three events that cannot be read in the middle of a good stream."""
    first = [*wire.start(), wire.piece("served ")]
    return [*first, *[b"data: {nonsense\n\n"] * 3, *wire.frames("after all")[len(wire.start()) :]]


def says_429(wire: Wire, stream: bool) -> Reply:
    told = wire.error_body("slow down")
    told["error"]["code"] = 429
    return Reply(200, JSON, body=told)


def nearly(wire: Wire) -> list[bytes | Pause]:
    """All but what says that it is whole: a Chat answer is from its finish reason on."""
    return list(wire.frames("nearly all of it")[: -2 if wire.name == "openai_chat" else -1])


def cut_whole(signal: object) -> Make:
    def reply(wire: Wire, stream: bool) -> Reply:
        raw = json.dumps(wire.answer("all of it")).encode()
        head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(raw)
        return Reply(framing="raw", parts=[head + raw[: len(raw) // 2], signal])  # type: ignore[list-item]

    return reply


def raw_head(data: bytes, end: object = CUT) -> Make:
    return lambda wire, stream: Reply(framing="raw", parts=[data, end])  # type: ignore[list-item]


def whole_or_stream(wire: Wire, stream: bool, text: str = "served after all") -> Reply:
    return (
        Reply(200, SSE, parts=wire.frames(text), framing="chunked")
        if stream
        else Reply(200, JSON, body=wire.answer(text))
    )


def zipped(wire: Wire, stream: bool) -> Reply:
    raw = json.dumps(wire.answer("x")).encode()
    return Reply(200, {**JSON, "content-encoding": "gzip"}, body=gzip.compress(raw))


def zipped_cut(wire: Wire, stream: bool) -> Reply:
    raw = b"".join(wire.start()) if stream else json.dumps(wire.answer("x")).encode()
    return Reply(200, {**(SSE if stream else JSON), "content-encoding": "gzip"}, body=gzip.compress(raw)[:-9])


def zipped_strangely(wire: Wire, stream: bool) -> Reply:
    return Reply(200, {**(SSE if stream else JSON), "content-encoding": "dcz"}, body=b"\xff\x00\x01")


def without_framing(wire: Wire, stream: bool) -> Reply:
    told = json.dumps(wire.error_body("it broke")).encode()
    return Reply(200, SSE, parts=[*wire.start(), told], framing="chunked")


CALL = Call("remove", {"path": "/tmp/build", "recursive": False})


def nothing_more(wire: Wire) -> bytes:
    """What a proxy writes in its `finally`: a last line that says nothing about the answer."""
    return named(messages.STOP) if wire.name == "anthropic_messages" else chat.DONE


def half_a_call(wire: Wire) -> list[bytes | Pause]:
    """A call whose arguments end in their middle."""
    if wire.name == "openai_chat":
        return [sse(one) for one in chat.said(CALL, chat.USAGE)[:3]]
    if wire.name == "openai_responses":
        call, begun = responses.items_of(CALL)[-1], responses.response([], "in_progress")
        events = [
            responses.event("created", response=begun),
            *responses.opened(0, call),
            responses.words(0, call)[0],
        ]
        return [named(one) for one in responses.numbered(events)]
    return [named(one) for one in messages.said(CALL, messages.USAGE)[:5]]


def finished_half_call(wire: Wire) -> list[bytes | Pause]:
    """The same, and the backend says that it is whole."""
    begun = half_a_call(wire)
    if wire.name == "openai_chat":
        return [*begun, sse(chat.headed(chat.delta("tool_calls"))), chat.DONE]
    if wire.name == "anthropic_messages":
        return [*begun, named(messages.block(0, {})[1], *messages.ended("tool_use"))]
    item = responses.items_of(CALL)[-1]
    item = {**item, "arguments": item["arguments"][: len(item["arguments"]) // 2]}
    done = responses.event("completed", response=responses.response([item], "completed"))
    return [*begun, *[named({**one, "sequence_number": 9}) for one in (*responses.closed(0, item), done)]]


def one_choice_of_two(wire: Wire) -> list[bytes | Pause]:
    said = [chat.choice(index, content="served")["choices"][0] for index in (0, 1)]
    return [sse(chat.of_choices(*said)), sse(chat.headed(chat.choice(0, "stop"))), chat.DONE]


def only_in_the_last_event(wire: Wire) -> list[bytes | Pause]:
    """A Responses stream whose output stands in `response.completed` alone."""
    begun = responses.response([], "in_progress", id="resp_1")
    done = responses.event("completed", response=wire.answer("served after all"))
    return [named(one) for one in responses.numbered([responses.event("created", response=begun), done])]


def deep(wire: Wire, stream: bool) -> Reply:
    """Nested deeper than any reader can follow."""
    return Reply(200, JSON, body=b'{"a":' + b"[" * 20_000 + b"]" * 20_000 + b"}")


def deep_event(wire: Wire) -> list[bytes | Pause]:
    return [*half(wire), b"data: " + b"[" * 20_000 + b"]" * 20_000 + b"\n\n", *wire.end("")]


def http10(make: Callable[[Wire], list[bytes | Pause]]) -> Make:
    return lambda wire, stream: Reply(200, SSE, framing="close", http10=True, parts=make(wire))


def half_an_event(wire: Wire) -> list[bytes | Pause]:
    """All of a stream, but that the event which says that it is whole ends in its middle."""
    frames = nearly(wire)
    (last, *_) = wire.frames("nearly all of it")[len(frames) :]
    return [*frames, last[: len(last) // 2]]


def without_last_line(wire: Wire) -> list[bytes | Pause]:
    """A Chat stream that has said why it ended, and half of its last line."""
    return [*wire.frames("served after all")[:-1], chat.DONE[:8]]


def a_whole_answer(wire: Wire, stream: bool) -> Reply:
    return Reply(200, JSON, body=wire.answer("served after all"))


def a_long_page(wire: Wire, stream: bool) -> Reply:
    return Reply(200, {"content-type": "text/html"}, body=b"<html>" + b"<p>welcome</p>\n" * 30_000)


CASES = [
    # -- connecting
    Case("connect refused", "next connect", special="closed port"),
    Case("connection swallowed (no answer to SYN)", "next connect", special="swallowing"),
    Case("DNS failure", "next connect", special="no such name"),
    Case("TLS failure (a certificate nobody vouches for)", "next connect", special="bad certificate"),
    Case("closes without a byte", "next connect", lambda w, s: "refuse"),
    Case("resets without a byte", "next connect|upstream_error", lambda w, s: "reset"),
    # -- waiting
    Case("never answers", "next timeout", lambda w, s: "stall"),
    Case("head, then nothing", "next timeout", lambda w, s: Reply(200, SSE if s else JSON, parts=[STALL], framing="chunked")),
    Case("begins, then stalls before output", "next timeout", parts(lambda w: list(w.start()), end=STALL), whole=False),
    Case("stalls after output", "in-band", parts(half, end=STALL), whole=False),
    Case("stalls in a whole body", "next timeout", cut_whole(STALL), stream=False),
    Case("is slow, but sends comments", "serves", lambda w, s: Reply(
        200, SSE, parts=[b": 1\n\n", Pause(0.25), b": 2\n\n", Pause(0.25), b": 3\n\n", *w.frames("served after all")],
        framing="chunked"), whole=False),
    # -- statuses
    *[Case(f"{code}", "next auth", status(code)) for code in (401, 402, 403)],
    *[Case(f"{code}", f"told {code}", status(code)) for code in (400, 404, 409, 413, 422, 501, 505)],
    Case("429 with Retry-After", "next throttled", status(429, **{"retry-after": "2"})),
    Case("429 without Retry-After", "next throttled", status(429)),
    *[Case(f"{code}", "next upstream_error", status(code)) for code in (500, 502, 503, 504, 520, 529)],
    Case("503, loading its model", "next upstream_error", status(503, "Loading model")),
    Case("redirect", "next upstream_error", lambda w, s: Reply(302, {"location": "http://127.0.0.1:9/"}, body=b"")),
    Case("context overflow", "told 400", status(400, "This model's maximum context length is 4096 tokens. However, your"
                                                " messages resulted in 9000 tokens.")),
    Case("context overflow, and the rule goes on", "next upstream_error", status(
        400, "This model's maximum context length is 4096 tokens. However, your messages resulted in 9000 tokens."),
        special="fallback_on context"),
    # -- errors inside a 200
    Case("200 with an error body", "next upstream_error", lambda w, s: Reply(200, JSON, body=w.error_body("it broke"))),
    Case("200 with an error body that says 429", "next throttled", says_429),
    Case("error as the first event", "next upstream_error|throttled", parts(lambda w: [w.error_event("it broke")]), whole=False),
    Case("error before output", "next upstream_error|throttled", parts(lambda w: [*w.start(), w.error_event("it broke")]), whole=False),
    Case("error after output", "in-band", parts(lambda w: [*half(w), w.error_event("it broke")]), whole=False),
    Case("JSON error without event framing", "next empty|upstream_error|malformed", without_framing, whole=False),
    # -- empty and unfinished
    Case("empty body", "next empty", body(b"")),
    Case("empty stream", "next empty", parts(lambda w: []), whole=False),
    Case("only comments", "next empty", parts(lambda w: [b": hi\n\n"]), whole=False),
    Case("finished, but nothing said", "next empty", parts(lambda w: [*w.start(), *w.end("")] if w.name != "openai_responses" else w.start()), whole=False),
    Case("ends after output, unfinished", "in-band", parts(half), whole=False),
    Case("ends after output, unfinished, by closing", "in-band", parts(half, framing="close"), whole=False),
    # -- cut
    Case("cut before output", "next upstream_error|empty", parts(lambda w: list(w.start()), end=CUT), whole=False),
    Case("cut after output", "in-band", parts(half, end=CUT), whole=False),
    Case("reset after output", "in-band", parts(half, end=RESET), whole=False),
    Case("cut just before the last event", "in-band", parts(nearly, end=CUT), whole=False),
    Case("cut in a whole body", "next upstream_error", cut_whole(CUT), stream=False),
    Case("cut in the head", "next upstream_error|malformed", raw_head(b"HTTP/1.1 200 OK\r\ncontent-ty")),
    # -- nonsense
    Case("not HTTP", "next malformed", lambda w, s: "garbage-head"),
    Case("a whole body that is not JSON", "next malformed", body(b'{"this is": not JSON'), stream=False),
    Case("one event that cannot be read", "serves", parts(lambda w: [*w.start(), b"data: {nonsense\n\n", *w.frames("served after all")[len(w.start()):]]), whole=False),
    Case("a stream of nothing but nonsense", "next malformed|empty", parts(lambda w: [b"data: {nonsense\n\n"] * 5), whole=False),
    Case("an HTML page", "next malformed", lambda w, s: Reply(200, {"content-type": "text/html"}, body=b"<html>welcome</html>")),
    Case("endless headers", "next malformed|upstream_error", raw_head(b"HTTP/1.1 200 OK\r\n" + b"x: " + b"y" * 200_000)),
    Case("compressed without being asked", "serves", zipped, stream=False),
    Case("compressed, and cut", "next upstream_error|empty|malformed", zipped_cut),
    Case("compressed in a way that nobody knows", "next malformed", zipped_strangely),
    Case("three events that cannot be read", "serves", parts(nonsense), whole=False, translated="in-band"),
    # -- says that it is whole, and is not
    Case("cut in its middle, then ended like a whole one", "in-band", parts(lambda w: [*half(w), nothing_more(w)]), whole=False),
    Case("a call cut in its arguments", "in-band", parts(half_a_call), whole=False),
    Case("a call cut in its arguments, then ended like a whole one", "in-band",
         parts(lambda w: [*half_a_call(w), nothing_more(w)]), whole=False),
    Case("a call cut in its arguments, and a finish reason", "in-band", parts(finished_half_call), whole=False),
    Case("one choice of two has finished", "in-band", parts(one_choice_of_two), whole=False, wires=("openai_chat",)),
    Case("half an event at the end", "in-band", parts(half_an_event), whole=False),
    Case("HTTP/1.0, cut after output", "in-band", http10(half), whole=False),
    Case("HTTP/1.0, cut in the last event", "in-band", http10(half_an_event), whole=False),
    # -- a 200 that is no answer
    *[Case(f"200 with {words}", "next empty|upstream_error|malformed", body(raw)) for words, raw in (
        ("an empty object", b"{}"), ("a detail", b'{"detail": "Not Found"}'), ("a list", b"[]"), ("null", b"null"),
        ("an error object of vLLM", b'{"object": "error", "message": "it broke", "code": 500}'),
        ("another API's answer", b'{"results": [{"text": "served"}]}'))],
    Case("a long HTML page", "next malformed", a_long_page),
    Case("JSON deeper than can be read", "next malformed", deep),
    Case("an event deeper than can be read", "serves", parts(deep_event), whole=False),
    *[Case(f"{code} instead of 200", "next upstream_error|malformed|empty", lambda w, s, code=code: Reply(
        code, JSON, body=b"" if code == 304 else w.answer("x"))) for code in (206, 304)],
    # -- the end is told, and then it breaks
    Case("a whole stream, and then nothing", "serves", parts(lambda w: w.frames("served after all"), end=STALL), whole=False),
    Case("a whole stream, and then a cut", "serves", parts(lambda w: w.frames("served after all"), end=CUT), whole=False),
    Case("a whole stream, and then a reset", "serves", parts(lambda w: w.frames("served after all"), end=RESET), whole=False),
    *[Case(f"a whole stream, half of its last line{words}", "serves", parts(without_last_line, end=end), whole=False,
           wires=("openai_chat",)) for words, end in (("", None), (", and a cut", CUT), (", and then nothing", STALL))],
    # -- what only some may say
    *[Case(f"{code} of a server that cannot now", "next upstream_error", status(code)) for code in (408, 424, 425)],
    *[Case(f"a local server says {code}: {words}", "next upstream_error|connect", status(code, words), special="local")
      for code, words in (
        (404, "model 'm' not found"), (404, "The model `m` does not exist."), (400, "Model unloaded."),
        (404, "No models loaded. Please load a model in the developer page."), (400, "Failed to load model"),
        (400, "The model has crashed without additional information."))],
    Case("a local server says 500 about the request itself", "next upstream_error", status(500, "image input is not supported - hint: if"
         " this is unexpected, you may need to provide the mmproj"), special="local"),
    Case("429 about money that says when to come back", "next throttled", status(
        429, "You exceeded your current quota, please check your plan and billing details.", **{"retry-after": "2"})),
    # -- no fault after all
    Case("a whole answer where a stream was asked", "serves", a_whole_answer, whole=False),
    Case("output only in the last event", "serves", parts(only_in_the_last_event), whole=False, wires=("openai_responses",)),
    Case("HTTP/1.0, ended by closing", "serves", lambda w, s: Reply(
        200, SSE if s else JSON, framing="close", http10=True,
        parts=w.frames("served after all") if s else [json.dumps(w.answer("served after all")).encode()])),
    Case("nothing is wrong", "serves", whole_or_stream),
]  # fmt: skip
