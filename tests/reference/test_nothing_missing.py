"""Whatever the source reads of the environment, reads and writes of headers, and counts is on the pages."""

from __future__ import annotations

import re

from pointsman.dialects.headers import meant, private_headers
from pointsman.dialects.registry import session_headers, varying_headers
from pointsman.gateway.client.access import _OUR_NAMES
from pointsman.wire.http1 import NEVER_CLIENT, NEVER_UPSTREAM

from . import headers, metrics, settings
from .pages import PAGES
from .source import texts

_VARIABLE = re.compile(r"\b_?POINTSMAN_[A-Z]+(?:_[A-Z]+)*\b")
_OURS = re.compile(r"\bx-pointsman-[a-z-]*[a-z]\b")
_FAMILY = re.compile(r"\bpointsman_[a-z_]+_(?:total|seconds|bytes|entries)\b")
_ASKED = re.compile(r"""\bget\(b"([a-z0-9%-]+)\"""")
_BYTES = re.compile(r"""\bb"((?:[^"\\\n]|\\.)*)\"""")
_LINE = re.compile(r"(?:^|\\r\\n)([a-z][a-z0-9]*(?:-[a-z0-9]+)*): ")
_WIRE = ("gateway/", "wire/", "upstream/", "translation/", "dialects/")
"""Rooms that read and write heads of requests for models."""
_EVENTS = {"data", "event"}
"""Lines of a stream, not of a head."""


def found(pattern: re.Pattern[str]) -> set[str]:
    return {name for _, text in texts() for name in pattern.findall(text)}


def read_headers() -> set[tuple[str, str]]:
    """(file, name) of what is asked of a head by its name."""
    return {(file, name) for file, text in texts() if file.startswith(_WIRE) for name in _ASKED.findall(text)}


def written_headers() -> set[tuple[str, str]]:
    """(file, name) of what stands as a line of a head in some bytes."""
    pieces = (
        (file, piece) for file, text in texts() if file.startswith(_WIRE) for piece in _BYTES.findall(text)
    )
    return {(file, name) for file, piece in pieces for name in _LINE.findall(piece)}


def test_every_variable_of_the_source_is_on_the_page() -> None:
    page = PAGES["settings.md"]()
    names = found(_VARIABLE)
    assert len(names) > 20
    assert [name for name in sorted(names) if f"`{name}`" not in page] == []


def test_every_name_of_the_page_is_one_of_the_source() -> None:
    """But for limits, which are put together from their fields."""
    limits = {line.split("`")[1] for line in settings._limits()}
    assert set(_VARIABLE.findall(PAGES["settings.md"]())) - found(_VARIABLE) - limits == set()


def test_every_header_of_ours_is_on_the_page_and_no_other() -> None:
    told = {
        name for name in headers.READ | headers.GIVEN | headers.OF_CHANGES if name.startswith("x-pointsman-")
    }
    assert found(_OURS) == told


def test_every_header_that_is_read_is_on_the_page() -> None:
    known = set(headers.READ) | {name.decode() for name in (*session_headers(), *varying_headers())}
    assert {one for one in read_headers() if one[1].replace("%b", "private") not in known} == set()


def test_every_header_line_that_is_written_is_on_the_page() -> None:
    known = {*headers.GIVEN, *headers.SENT, *headers.keys(), *_EVENTS}
    assert {one for one in written_headers() if one[1] not in known} == set()


def test_a_header_that_nobody_told_of_would_be_found() -> None:
    [piece] = _BYTES.findall('lines += b"x-new: %b\\r\\nx-other: 1\\r\\n" % one')
    assert _LINE.findall(piece) == ["x-new", "x-other"]
    assert _ASKED.findall('head.get(b"x-new")') == ["x-new"]
    assert len(read_headers()) > 20
    assert len(written_headers()) > 20


def test_a_page_that_is_let_in_can_read_all_that_an_answer_says() -> None:
    """Where it sends cookies `*` names no header (Fetch standard)."""
    readable = set(_OUR_NAMES.decode().split(", "))
    ours = {name for name in headers.GIVEN if name.startswith("x-pointsman-")}
    assert ours - readable == set()


def test_sets_of_names_are_told_whole() -> None:
    page = PAGES["headers.md"]()
    names = NEVER_UPSTREAM | NEVER_CLIENT | meant() | private_headers()[0]
    assert [name for name in sorted(names) if f"`{name.decode()}`" not in page] == []


def test_every_attribute_that_a_collector_is_sent_is_on_the_page() -> None:
    page = PAGES["metrics.md"]()
    assert [name for name in sorted(metrics.every_attribute()) if f"`{name}`" not in page] == []
    assert len(metrics.histograms()) == 3


def test_every_family_that_is_counted_is_declared() -> None:
    """By its name anywhere in the source: what is written beside the declarations is on no page."""
    page = PAGES["metrics.md"]()
    names = found(_FAMILY)
    assert len(names) > 20
    assert [name for name in sorted(names) if f"`{name}`" not in page] == []
