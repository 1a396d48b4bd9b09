"""Forms: the model's value is found where every reader finds it, and nothing else is ever touched."""

from __future__ import annotations

import email.parser
import email.policy
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.errors import PointsmanError
from pointsman.wire.multipart import boundary_of, peek_form, with_model

B = b"XbX"
KIND = b"multipart/form-data; boundary=XbX"


def part(disposition: str, value: bytes, *headers: str, nl: bytes = b"\r\n") -> bytes:
    lines = [f"Content-Disposition: form-data; {disposition}".encode(), *(one.encode() for one in headers)]
    return b"--" + B + nl + nl.join(lines) + nl + nl + value + nl


def form(*parts: bytes, before: bytes = b"", after: bytes = b"\r\n", nl: bytes = b"\r\n") -> bytes:
    return before + b"".join(parts) + b"--" + B + b"--" + after


def field(value: bytes, *headers: str, nl: bytes = b"\r\n") -> bytes:
    return part('name="model"', value, *headers, nl=nl)


MODEL = field(b"whisper-1")
FILE = part('name="file"; filename="a.wav"', b"RIFF\0\x01\xff" * 50, "Content-Type: audio/wav")

WHOLE = {
    "before the file": form(MODEL, FILE),
    "behind it": form(FILE, MODEL),
    "alone": form(MODEL),
    "no last line end": form(FILE, MODEL, after=b""),
    "preamble and epilogue": form(
        MODEL, FILE, before=b"preamble --XbX\r\n", after=b"\r\nepilogue\r\n" + field(b"other") + b"--XbX--"
    ),
    "empty line first": form(MODEL, FILE, before=b"\r\n"),
    "padding": form(MODEL, FILE).replace(b"--XbX\r\n", b"--XbX \t \r\n"),
    "LF only": form(part('name="file"; filename="a"', b"x\r\ny", nl=b"\n"), field(b"whisper-1", nl=b"\n"), after=b"\n"),
    "charset": form(FILE, field(b"whisper-1", 'Content-Type: text/plain; charset="UTF-8"')),
    "Java's charset": form(
        field(b"whisper-1", "Content-Type: text/plain; charset=ISO-8859-1", "Content-Transfer-Encoding: 8bit"), FILE
    ),
    "name not quoted": form(part("name=model", b"whisper-1"), FILE),
    "odd case and order": form(
        b'--XbX\r\ncontent-length: 9\r\nCONTENT-DISPOSITION:form-data;NAME="model"\r\n\r\nwhisper-1\r\n', FILE
    ),
    "folded header": form(b'--XbX\r\nContent-Disposition: form-data;\r\n  name="model"\r\n\r\nwhisper-1\r\n', FILE),
    "a file that is named so": form(part('name="file"; filename="; name=model"', b"x"), MODEL),
    "escaped quotes in a file's name": form(part('filename="a\\"; name=\\"model\\"b"; name="file"', b"x"), MODEL),
    "a file that holds a form": form(
        part('name="file"; filename="a"', b'\n--XbX\ndata --XbX\r\n--XbXY\r\nx\r\n--XbX-\r\n--XbX--x\r\nname="model"'), MODEL
    ),
    "an empty field before": form(part('name="prompt"', b""), MODEL),
    "a part without headers": form(b"--XbX\r\n\r\nnobody's\r\n", MODEL),
}  # fmt: skip


@pytest.mark.parametrize("name", list(WHOLE))
def test_the_model_is_found_and_nothing_else_touched(name: str) -> None:
    body = WHOLE[name]
    found = peek_form(body, B)
    assert (found.model, body[found.start : found.end]) == ("whisper-1", b"whisper-1")
    name = "large-v3" if found.ascii else "grün/large-v3"
    changed = with_model(body, found, name)
    assert changed == body[: found.start] + name.encode() + body[found.end :]
    assert peek_form(changed, B).model == name


def test_a_name_that_the_fields_charset_has_not_is_refused() -> None:
    body = WHOLE["Java's charset"]
    with pytest.raises(PointsmanError, match="must be UTF-8"):
        with_model(body, peek_form(body, B), "grün")


ODD = {
    "missing": (form(FILE), "no field 'model'"),
    "twice": (form(MODEL, FILE, MODEL), "twice"),
    "a file": (form(part('name="model"; filename="m"', b"x"), FILE), "as a file"),
    "a file by filename*": (form(part("name=\"model\"; filename*=utf-8''m", b"x"), FILE), "as a file"),
    "base64": (form(field(b"d2hpc3Blci0x", "Content-Transfer-Encoding: base64")), "Content-Transfer-Encoding"),
    "quoted-printable": (form(field(b"a=3D", "content-transfer-encoding:Quoted-Printable")), "Content-Transfer"),
    "UTF-16": (form(field("w".encode("utf-16"), "Content-Type: text/plain; charset=utf-16")), "not UTF-8"),
    "not ASCII in Latin-1": (form(field("ü".encode(), "Content-Type: text/plain; charset=latin1")), "not UTF-8"),
    "not UTF-8": (form(field(b"\xff")), "not UTF-8"),
    "empty": (form(field(b"")), "is empty"),
    "long": (form(field(b"x" * 1025)), "longer than 1024"),
    "very long": (form(field(b"x" * 50_000)), "longer than 1024"),
    "two names": (form(part('name="file"; name="model"', b"x"), MODEL), "written twice"),
    "name*": (form(part("name*=utf-8''model", b"x"), MODEL), "name*="),
    "two dispositions": (
        form(b'--XbX\r\nContent-Disposition: form-data; name="a"\r\nContent-Disposition: form-data; name="model"\r\n\r\nx\r\n'),
        "two Content-Disposition",
    ),
    "cut": (form(MODEL, FILE)[:-40], "is cut"),
    "cut in the headers": (MODEL + b"--XbX\r\nContent-Dis", "do not end"),
    "no last boundary": (MODEL + FILE, "is cut"),
    "another boundary": (form(MODEL).replace(b"XbX", b"YbY"), "no part with that boundary"),
    "no form": (b'{"model":"whisper-1"}', "no part with that boundary"),
    "empty body": (b"", "no part with that boundary"),
    "no parts": (b"--XbX--\r\n", "no part with that boundary"),
    "too many parts": (form(MODEL, *[part('name="a"', b"")] * 1001), "more than 1000"),
}  # fmt: skip


@pytest.mark.parametrize("name", list(ODD))
def test_what_could_be_read_in_two_ways_is_refused(name: str) -> None:
    body, said = ODD[name]
    with pytest.raises(PointsmanError, match=said.replace("*", "\\*")) as caught:
        peek_form(body, B)
    assert caught.value.status == 400


@pytest.mark.parametrize(
    ("kind", "boundary"),
    [
        (b"multipart/form-data; boundary=abc", b"abc"),
        (b'Multipart/Form-Data;charset=utf-8;  Boundary="a b\'()+_,-./:=?c"', b"a b'()+_,-./:=?c"),
        (b"multipart/form-data; boundary=----=_Part_1_2.3", b"----=_Part_1_2.3"),
        (b'multipart/form-data; boundary="a\\"b"; x=y', b'a"b'),
        (b"application/json", None),
        (b"multipart/mixed; boundary=abc", None),
        (None, None),
    ],
)
def test_boundaries(kind: bytes | None, boundary: bytes | None) -> None:
    assert boundary_of(kind) == boundary


@pytest.mark.parametrize(
    "kind",
    [
        b"multipart/form-data",
        b"multipart/form-data; boundary=",
        b'multipart/form-data; boundary=""',
        b"multipart/form-data; boundary=a; boundary=b",
        b"multipart/form-data; boundary=" + b"a" * 201,
    ],
)
def test_a_form_must_say_its_boundary_once(kind: bytes) -> None:
    with pytest.raises(PointsmanError, match="boundary"):
        boundary_of(kind)


@pytest.mark.parametrize(
    ("text", "stream"), [("true", True), ("True", True), ("1", True), ("false", False), ("", False)]
)
def test_stream_is_read_as_the_sdk_writes_it(text: str, stream: bool) -> None:
    assert peek_form(form(MODEL, part('name="stream"', text.encode()), FILE), B).stream is stream


@settings(max_examples=60, deadline=None)
@given(
    data=st.lists(st.sampled_from([b"\r\n", b"--", b"XbX", b"-", b"\n", b"a", b"\0", b" "]), max_size=30).map(b"".join),
    model=st.text(st.characters(min_codepoint=0x20, max_codepoint=0x17F, exclude_characters="\x7f"), min_size=1, max_size=9),
    last=st.booleans(),
)  # fmt: skip
def test_the_standard_library_reads_the_same_model(data: bytes, model: str, last: bool) -> None:
    """Python's own MIME parser as the other reader, wherever the file's bytes do not look like an end themselves."""
    if b"\n--XbX" in b"\n" + data or model != model.strip():
        return
    pieces = [
        part('name="file"; filename="a"', data, "Content-Transfer-Encoding: binary"),
        field(model.encode()),
    ]
    body = form(*(pieces if last else pieces[::-1]))
    read = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(
        b"Content-Type: " + KIND + b"\r\n\r\n" + body
    )
    values = {
        one.get_param("name", header="content-disposition"): one.get_payload(decode=True)
        for one in read.get_payload()
    }
    found = peek_form(body, B)
    assert (found.model, found.model.encode()) == (model, values["model"])


def test_a_large_file_full_of_what_looks_like_a_boundary_costs_little() -> None:
    body = form(part('name="file"; filename="a"', b"\r\n--XbX \t-" * 2_000_000), MODEL)
    began = time.process_time()
    assert peek_form(body, B).model == "whisper-1"
    assert time.process_time() - began < 5
