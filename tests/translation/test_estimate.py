"""The estimate of docs/protocols/counting.md#the-estimate: its numbers, images and PDFs by their
own bytes, and never a failure."""

from __future__ import annotations

import base64
import math
import struct
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.conversation.parts import (
    Audio,
    Document,
    Foreign,
    Image,
    Part,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)
from pointsman.conversation.request import Message, OutputFormat, Request, Role, ServerTool, Tool
from pointsman.translation.estimate import estimate_tokens

CAP = 4784


def request(*parts: Part, **more: object) -> Request:
    messages = [Message(Role.USER, list(parts))] if parts else []
    return Request(model="m", messages=messages, **more)  # type: ignore[arg-type]


def of(part: Part) -> int:
    """Tokens of one part, without its message's."""
    return estimate_tokens(request(part)) - 4


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def png(width: int, height: int) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + head
    return (
        b"\x89PNG\r\n\x1a\n"
        + struct.pack(">I", 13)
        + chunk
        + struct.pack(">I", zlib.crc32(chunk))
        + b"\0" * 40
    )


def gif(width: int, height: int) -> bytes:
    return b"GIF89a" + struct.pack("<HH", width, height) + b"\0" * 20


def jpeg(width: int, height: int, metadata: int = 0) -> bytes:
    exif = b""
    while metadata > 0:
        size = min(metadata, 60_000)
        exif += b"\xff\xe1" + struct.pack(">H", size + 2) + b"\0" * size
        metadata -= size
    frame = struct.pack(">BHHB", 8, height, width, 3) + b"\0" * 9
    tables = (
        b"\xff\xc4" + struct.pack(">H", 6) + b"abcd"
    )  # DHT lies in the range of frame headers and is none
    return (
        b"\xff\xd8"
        + exif
        + b"\xff"
        + tables
        + b"\xff\xc2"
        + struct.pack(">H", len(frame) + 2)
        + frame
        + b"\xff\xd9"
    )


def webp(kind: str, width: int, height: int) -> bytes:
    if kind == "VP8X":
        body = b"\0\0\0\0" + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    elif kind == "VP8L":
        body = b"\x2f" + struct.pack("<I", (width - 1) | (height - 1) << 14)
    else:
        body = b"\0\0\0\x9d\x01\x2a" + struct.pack("<HH", width, height)
    chunk = kind.ljust(4).encode() + struct.pack("<I", len(body)) + body + b"\0" * 16
    return b"RIFF" + struct.pack("<I", len(chunk) + 4) + b"WEBP" + chunk


# -- texts


def test_prose_code_and_other_scripts() -> None:
    prose = "The quick brown fox jumps over the lazy dog, again and again. " * 20
    assert of(Text(prose)) == math.ceil(len(prose) / 3.6)
    code = 'if (a[i] == "x") { return f(a, b); }\n' * 20
    assert of(Text(code)) == math.ceil(len(code) / 3.0)
    greek = "αβγδε" * 30
    assert of(Text(greek)) == math.ceil(len(greek.encode()) / 3.6)


def test_messages_system_and_tools_have_their_own_share() -> None:
    assert estimate_tokens(request()) == 1
    one = Request(model="m", messages=[Message(Role.USER, [Text("a")])])
    two = Request(model="m", messages=[Message(Role.USER, [Text("a")]), Message(Role.ASSISTANT, [Text("a")])])
    assert estimate_tokens(one) == math.ceil(4 + 1 / 3.6)
    assert estimate_tokens(two) == math.ceil(8 + 2 / 3.6)
    assert estimate_tokens(request(Text("a"), system=[Text("b"), Text("c")])) == math.ceil(8 + 3 / 3.6)
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    tool = Tool("get", "Gets it", schema)
    json = len('{"type":"object","properties":{"a":{"type":"string"}}}')
    assert estimate_tokens(request(tools=[tool])) == math.ceil(12 + 3 / 3.6 + 7 / 3.6 + json / 3)
    assert estimate_tokens(request(format=OutputFormat("json_schema", schema=schema))) == math.ceil(json / 3)
    server = ServerTool(
        "anthropic_messages", "web_search_20250305", "web_search", {"type": "web_search_20250305"}
    )
    assert estimate_tokens(request(server_tools=[server])) >= 12


def test_calls_and_results() -> None:
    call = ToolCall("id", "get", '{"a":1}')
    assert of(call) == math.ceil(4 + 3 / 3.6 + 7 / 3)
    result = ToolResult("id", (Text("a" * 36), Image(data=b64(png(28, 28)))))
    assert of(result) == 4 + 10 + 1
    assert of(Thinking("a" * 36)) == 10
    assert of(Refusal("a" * 36)) == 10
    assert of(Foreign("anthropic_messages", "x", {"a": "b"})) == math.ceil(9 / 3)
    assert of(Audio(b64(b"\0" * 15_000), "mp3")) == 10


# -- images


@pytest.mark.parametrize(
    "make",
    [
        png,
        gif,
        jpeg,
        lambda w, h: jpeg(w, h, metadata=65_000),
        lambda w, h: webp("VP8X", w, h),
        lambda w, h: webp("VP8L", w, h),
        lambda w, h: webp("VP8 ", w, h),
    ],
)
def test_images_by_their_own_header(make: object) -> None:
    for width, height in ((1, 1), (28, 28), (29, 28), (1092, 1092), (1920, 1080), (8000, 8000)):
        data = b64(make(width, height))  # type: ignore[operator]
        expected = min(CAP, math.ceil(width / 28) * math.ceil(height / 28))
        assert of(Image(media_type="image/x", data=data)) == expected


def test_images_that_cannot_be_measured_count_in_full() -> None:
    for image in (
        Image(url="https://example.com/a.png"),
        Image(file_id="file_1", file_of="openai"),
        Image(data=b64(b"BM not one of the four")),
        Image(data=""),
        Image(data="!!! no base64"),
        Image(data=b64(png(9, 9)[:18])),
        Image(data=b64(png(0, 9))),
        Image(data=b64(jpeg(9, 9, metadata=500_000))),
        Image(data=b64(b"\xff\xd8\xff\xe1\x00\x00")),
        Image(data=b64(b"RIFF\0\0\0\0WEBPVP8X")),
    ):
        assert of(image) == CAP


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(
        [b"", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"\xff\xd8\xff", b"RIFF\0\0\0\0WEBPVP8 ", b"%PDF-1.7\n"]
    ),
    st.binary(max_size=80),
    st.text(max_size=5),
)
def test_bytes_of_any_kind_are_an_estimate_never_a_failure(head: bytes, rest: bytes, dirt: str) -> None:
    data = b64(head + rest) + dirt
    assert 1 <= of(Image(data=data)) <= CAP
    assert 2000 <= of(Document(media_type="application/pdf", data=data)) <= 600 * 2000


# -- documents


def test_pdfs_by_their_pages() -> None:
    pages = b"".join(b"%d 0 obj <</Type /Page /Parent 2 0 R>> endobj\n" % i for i in range(7))
    plain = b"%PDF-1.4\n<</Type /Pages /Count 7>>\n" + pages
    assert of(Document(media_type="application/pdf", data=b64(plain))) == 14_000
    tight = plain.replace(b"/Type /Page", b"/Type/Page")
    assert of(Document(media_type="application/pdf", data=b64(tight))) == 14_000
    tree_only = b"%PDF-1.5\n<</Type /Pages /Count 12>>\n"
    assert of(Document(media_type="application/pdf", data=b64(tree_only))) == 24_000
    compressed = b"%PDF-1.7\n" + bytes(range(128, 256)) * 1200
    assert of(Document(media_type="application/pdf", data=b64(compressed))) == 2000 * math.ceil(
        len(compressed) / 60_000
    )
    assert of(Document(media_type="application/pdf", data=b64(b"%PDF"))) == 2000
    assert of(Document(url="https://example.com/a.pdf")) == 2000


def test_a_large_pdf_is_judged_by_its_beginning() -> None:
    page = b"<</Type /Page>>" + b"x" * 10_000
    assert of(Document(media_type="application/pdf", data=b64(page * 900))) == 600 * 2000
    few = b"<</Type /Page>>" + b"x" * 100_000
    tokens = of(Document(media_type="application/pdf", data=b64(few * 60)))
    assert 55 * 2000 <= tokens <= 65 * 2000


def test_texts_as_documents() -> None:
    assert of(Document(text="a" * 36, title="t" * 36, context="c" * 36)) == 30
    assert of(Document(parts=(Text("a" * 36), Image(data=b64(png(28, 28)))))) == 11
    assert of(Document(media_type="text/plain", data=b64(b"a" * 36))) == 10


def test_more_is_never_less() -> None:
    small = request(Text("words " * 50))
    large = request(Text("words " * 51), tools=[Tool("t")])
    assert estimate_tokens(large) > estimate_tokens(small)
