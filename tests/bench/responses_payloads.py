"""What is measured of Responses: a small request, and what a backend answers.

Not here: an agent's turn of 100 KB (translated_payloads.py), the other protocols (payloads.py).
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

from tests.vendor_bodies import responses
from tests.vendor_bodies.wire import named

from .payloads import EVENTS, VARIANTS, Workload, _json
from .translated_payloads import RESPONSES

_MODEL = {"model": "bench-small"}


def asked(
    *, stream: bool = False, store: bool | None = False, model: str = "small", events: int = EVENTS
) -> Workload:
    """A short chat. store: None where the client does not say it, as the official libraries do not."""
    more: dict[str, Any] = {"stream": True} if stream else {}
    more |= {} if store is None else {"store": store}

    def body(number: int) -> bytes:
        said = {"type": "input_text", "text": "Say hello in one short sentence" + "." * number}
        made = responses.ask(f"bench-{model}", instructions="Be brief.", **more)
        return _json(made | {"input": [{"type": "message", "role": "user", "content": [said]}]})

    name = f"responses {'stream' if stream else 'small'}"
    return Workload(name, RESPONSES, tuple(map(body, range(VARIANTS))), stream=stream, events=events)


def stream(pace_ms: int, events: int = EVENTS) -> Workload:
    """The mock's stream of a Responses backend, asked for by a client of Responses."""
    model = f"items-{pace_ms}-{events}"
    return replace(asked(stream=True, model=model, events=events), name=model)


def translated() -> Workload:
    """The short chat for a backend of Chat."""
    return replace(asked(), name="translated responses", translated=True)


def reply(number: int = 0) -> bytes:
    """A whole answer. number: of several, which have other ids, times, counts and words."""
    text = "Hello, and welcome to the bench." + "." * (number % 4)
    made = 9 + number % 5
    usage = responses.USAGE | {
        "input_tokens": 17 + number,
        "output_tokens": made,
        "total_tokens": 17 + number + made,
    }
    item = responses.message(text, id=f"msg_bench{number:016}")
    head = {"id": f"resp_bench{number:016}", "created_at": 1790000000 + number // 3, **_MODEL}
    return _json(responses.response([item], usage=usage, **head))


@cache
def events(count: int = EVENTS) -> list[bytes]:
    """A stream of so many events and the closing one, each with the number that the vendor gives it."""
    pieces = count + 1 - len(responses.said("", responses.USAGE))
    text = " wonder" * pieces
    item = responses.message(text, id="msg_bench0000000000000000")
    begun = responses.response([], "in_progress", id="resp_bench0000000000000000", **_MODEL)
    end = responses.response([item], id="resp_bench0000000000000000", **_MODEL)
    told = [responses.event("created", response=begun), responses.event("in_progress", response=begun)]
    told += responses.opened(0, item) + responses.words(0, item, pieces)
    told += [*responses.closed(0, item), responses.event("completed", response=end)]
    return [named(event) for event in responses.numbered(told)]
