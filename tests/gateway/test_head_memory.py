"""A connection's next head is read out of the last one where it differs in a few values: to what parsing it anew would give."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.gateway.client.head_memory import HeadMemory
from pointsman.wire.http1 import BadHead, RequestHead, parse_head

HEAD = (
    b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer pm-x\r\nTraceparent: %b\r\n"
    b"content-length: %b\r\nUser-Agent: a/1\r\nx-request-id: %b\r\n%b\r\n"
)


def facts(head: RequestHead) -> dict[str, Any]:
    names = ("method", "path", "query", "http11", "keep_alive", "content_length", "chunked", "host")
    headers = [one for one in head.headers if one[0] != b"content-length"]  # known by its number alone
    return {name: getattr(head, name) for name in names} | {"headers": headers}


VALUES = st.one_of(
    st.binary(min_size=0, max_size=12),
    st.text("abc09-_:/ ,\t", max_size=12).map(str.encode),
    st.sampled_from([b"00-1-2-3", b"7", b"0", b" 12", b"12 ", b"+1", b"1_0", b"", b"pm-key"]),
)


@given(
    st.lists(
        st.tuples(VALUES, VALUES, VALUES, st.sampled_from([b"", b"x-more: 1\r\n"])), min_size=1, max_size=4
    )
)
def test_is_what_parsing_it_gives(varied: list[tuple[bytes, bytes, bytes, bytes]]) -> None:
    memory = HeadMemory()
    first = HEAD % (b"00-a", b"12", b"r1", b"")
    memory.remember(parse_head(first, 100), first)
    for values in varied:
        raw = HEAD % values
        recalled = memory.recall(raw)
        if recalled is not None:
            assert facts(recalled) == facts(parse_head(raw, 100))
            assert recalled.get(b"traceparent") == values[0].strip(b" \t")


def test_a_head_that_varies_in_its_ids_and_length_is_not_parsed_anew() -> None:
    memory = HeadMemory()
    first = HEAD % (b"00-a", b"12", b"r1", b"")
    memory.remember(parse_head(first, 100), first)
    for number in range(3):
        head = memory.recall(HEAD % (b"00-%d" % number, b"%d" % number, b"r%d" % number, b""))
        assert head is not None
        assert (head.content_length, head.get(b"x-request-id")) == (number, b"r%d" % number)
        assert set(head.varying) == {b"traceparent", b"x-request-id"}


@pytest.mark.parametrize(
    "more", [b"x-request-id: 2\r\n", b"connection: traceparent\r\n"], ids=["twice", "hop by hop"]
)
def test_what_is_not_plain_is_not_remembered(more: bytes) -> None:
    memory = HeadMemory()
    first = HEAD % (b"00-a", b"12", b"r1", more)
    memory.remember(parse_head(first, 100), first)
    assert memory.recall(first) is None


def test_a_head_without_a_length_is_not_remembered() -> None:
    memory = HeadMemory()
    raw = b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n"
    memory.remember(parse_head(raw, 100), raw)
    assert memory.recall(raw) is None
    with pytest.raises(BadHead):
        parse_head(raw[:-2], 0)
