"""Halves of characters in JSON: what stands where they stood, and what is put together again."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.wire.splice import find_values, peek, replace_model
from pointsman.wire.surrogates import Halves, decode, mended

LONE = st.text(st.characters(codec=None), max_size=30)  # surrogates included


@given(st.dictionaries(LONE, LONE, max_size=4))
def test_what_was_half_is_one_mark_of_the_same_length(value: dict[str, str]) -> None:
    raw = json.dumps({"model": "m", **value}).encode()
    sound = mended(raw)
    assert len(sound) == len(raw)
    wanted = json.loads(raw)
    for key in [key for key in wanted if not _is_text(key)]:
        wanted[_text(key)] = wanted.pop(key)
    assert msgspec.json.decode(sound) == {key: _text(one) for key, one in wanted.items()}
    assert (sound is raw) == (sound == raw)


def _is_text(value: str) -> bool:
    return not any("\ud800" <= c <= "\udfff" for c in value)


def _text(value: str) -> str:
    return "".join("\ufffd" if "\ud800" <= c <= "\udfff" else c for c in value)


@pytest.mark.parametrize(
    "raw", [rb'{"a":"\\ud83d"}', rb'{"a":"\ud83d\ude00"}', rb'{"a":"\\\\"}', b'{"a":"\xed\x95\x9c"}', b"{}"]
)
def test_what_is_no_half_stays(raw: bytes) -> None:
    assert mended(raw) is raw


def test_json_with_halves_decodes_and_other_nonsense_does_not() -> None:
    assert decode(r'{"a": "\ud83d!"}') == {"a": "\ufffd!"}
    assert decode(b'{"a": "\\ude00"}') == {"a": "\ufffd"}
    with pytest.raises(msgspec.DecodeError):
        decode(r'{"a": "\ud83d!"')


@pytest.mark.parametrize(
    "content", [rb"hi \ud83d there", rb"\ude00", rb"cut\ud83d", b"raw \xed\xa0\xbd"], ids=repr
)
def test_a_request_with_half_a_character_is_routed_and_keeps_its_bytes(content: bytes) -> None:
    body = b'{"x":"\\ud800","model":"m","messages":[{"role":"user","content":"%b"}],"stream":true}' % content
    found = peek(body)
    assert (found.model, found.stream) == ("m", True)
    assert replace_model(body, "other") == body.replace(b'"m"', b'"other"')
    ((start, end),) = find_values(body, "stream")
    assert body[start:end] == b"true"


def events(*texts: bytes) -> list[bytes]:
    return [b'{"said":[{"index":0,"text":"%b","other":""}]}' % text for text in texts]


def told(raw: list[bytes], halves: Halves | None = None) -> str:
    halves = halves or Halves()
    found: list[dict[str, Any]] = [msgspec.json.decode(halves.mend(one)) for one in raw]
    return "".join(one["said"][0]["text"] for one in found)


@pytest.mark.parametrize(
    ("texts", "wanted"),
    [
        ([rb"a\ud83d", rb"\ude00b"], "a😀b"),
        ([rb"\ud83d", b"", rb"\ude00"], "😀"),
        ([rb"\ud83d", b"x", rb"\ude00y"], "\ufffdx\ufffdy"),
        ([rb"\ud83d", rb"\ud83d\ude00"], "\ufffd😀"),
        ([b"a\xf0\x9f", b"\x98\x80b"], "a😀b"),
        ([b"\xf0", b"\x9f", b"\x98", b"\x80"], "😀"),
        ([b"\xe4\xb8", b"plain"], "\ufffdplain"),
        ([rb"a\ud83d"], "a"),
        ([rb"\ude00a"], "\ufffda"),
    ],
    ids=repr,
)
def test_a_character_cut_over_two_deltas_is_one_again(texts: list[bytes], wanted: str) -> None:
    assert told(events(*texts)) == wanted


@given(st.text(max_size=20), st.data())
def test_however_a_text_is_cut_it_is_the_same_text(text: str, data: st.DataObject) -> None:
    units = text.encode("utf-16-le")
    places = sorted(data.draw(st.lists(st.integers(0, len(units) // 2), max_size=5)))
    edges = [0, *(2 * at for at in places), len(units)]
    pieces = [units[a:b].decode("utf-16-le", "surrogatepass") for a, b in zip(edges, edges[1:], strict=False)]
    raw = [json.dumps({"said": [{"text": piece}]}).encode() for piece in pieces]
    assert told(raw) == text


def test_texts_that_stream_beside_each_other_keep_their_halves() -> None:
    def event(index: int, text: bytes) -> bytes:
        return b'{"type":"d","output_index":%d,"delta":"%b"}' % (index, text)

    halves = Halves()
    raw = [event(0, rb"\ud83d"), event(1, rb"\ud83e"), event(0, rb"\ude00"), event(1, rb"\udd23")]
    found = [msgspec.json.decode(halves.mend(one)) for one in raw]
    assert [one["delta"] for one in found] == ["", "", "😀", "🤣"]


def test_events_without_halves_are_not_touched() -> None:
    raw = b'{"a": [1, 2.50, {"b": "\\u00e4"}]}'
    assert Halves().mend(raw) is raw
    assert Halves().mend(b"[DONE]") == b"[DONE]"
