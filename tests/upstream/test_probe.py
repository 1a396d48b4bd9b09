"""upstream.probe: DNS, TCP, TLS, key and model list told apart, each failure with its fix, and never an exception."""

from __future__ import annotations

import re
import socket
from pathlib import Path
from typing import Any

import pytest
import uvloop

from pointsman.routing.specs import BackendSpec
from pointsman.upstream.probe import ProbeResult, probe

from .certificates import authority_file, server_context
from .raw import OK, Talk, Talker, says, serving, spec_of
from .test_fetch import sized

KEY = "sk-canary"
LIST = sized(b'{"data":[{"id":"a"},{"id":"b"}]}')


def probed(talk: Talk, *, tls: Any = None, **more: Any) -> ProbeResult:
    async def main() -> ProbeResult:
        async with serving(talk, tls=tls) as server:
            spec = spec_of(server.port, **({"api_key": KEY, "auth": "bearer"} | more))
            result = await probe(spec, connect_seconds=1.0, answer_seconds=0.5)
            assert KEY not in repr(result)
            return result

    return uvloop.run(main())


def steps(result: ProbeResult) -> list[tuple[str, bool]]:
    assert result.ok is all(step.ok for step in result.steps)
    assert all(step.ms >= 0 and step.detail for step in result.steps)
    return [(step.name, step.ok) for step in result.steps]


def last(result: ProbeResult) -> str:
    return result.steps[-1].detail


def test_all_is_well() -> None:
    result = probed(says(LIST))
    assert steps(result) == [("dns", True), ("tcp", True), ("auth", True), ("models", True)]
    assert result.models == ["a", "b"]
    assert (result.steps[2].detail, last(result)) == ("accepted", "2 models")


def test_all_is_well_without_a_key() -> None:
    result = probed(says(LIST), api_key=None, auth="none")
    assert result.ok
    assert "no key stored" in result.steps[2].detail


@pytest.mark.parametrize("status", [b"401 Unauthorized", b"403 Forbidden"])
def test_a_refused_key(status: bytes) -> None:
    result = probed(says(sized(b'{"error":"bad key ' + KEY.encode() + b'"}', status)))
    assert steps(result) == [("dns", True), ("tcp", True), ("auth", False)]
    assert status[:3].decode() in last(result)


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (sized(b"", b"404 Not Found"), "404"),
        (sized(b"", b"500 Oops"), "500"),
        (sized(b"", b"302 Found", b"location: http://127.0.0.1:1/\r\n"), "302"),
        (sized(b"<html>"), "not a model list"),
    ],
)
def test_no_model_list(raw: bytes, words: str) -> None:
    result = probed(says(raw))
    assert steps(result) == [("dns", True), ("tcp", True), ("auth", True), ("models", False)]
    assert words in last(result)


@pytest.mark.parametrize("raw", [b"", b"SSH-2.0\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhal"])
def test_an_answer_that_fails(raw: bytes) -> None:
    result = probed(says(raw))
    assert steps(result) == [("dns", True), ("tcp", True), ("models", False)]


def test_no_answer_in_time() -> None:
    async def stalls(talker: Talker) -> None:
        await talker.gone()

    result = probed(stalls)
    assert steps(result) == [("dns", True), ("tcp", True), ("models", False)]
    assert "0.5 s" in last(result)


def test_nobody_listens() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        result = uvloop.run(probe(spec_of(held.getsockname()[1])))
    assert steps(result) == [("dns", True), ("tcp", False)]
    assert "is the server running" in last(result)


def test_a_name_that_does_not_resolve() -> None:
    result = uvloop.run(probe(spec_of(1, host="no-such-host.invalid"), connect_seconds=2.0))
    assert steps(result) == [("dns", False)]
    assert "base URL" in last(result)


def test_a_refused_address() -> None:
    result = uvloop.run(
        probe(
            BackendSpec(
                key="openai", type="openai", name="", base_url="http://169.254.169.254", allow_http=True
            )
        )
    )
    assert steps(result) == [("dns", True), ("tcp", False)]
    assert "metadata" in last(result)


def test_a_row_that_cannot_be_used() -> None:
    result = uvloop.run(probe(BackendSpec(key="openai", type="openai", name="", base_url="nonsense")))
    assert steps(result) == [("dns", False)]
    assert "http" in last(result)


def test_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority_file(tmp_path)))
    good = probed(says(LIST), tls=server_context(tmp_path), scheme="https", host="localhost")
    assert steps(good) == [("dns", True), ("tcp", True), ("tls", True), ("auth", True), ("models", True)]
    assert re.fullmatch(r"certificate accepted, until 2\d{3}-\d\d-\d\d", good.steps[2].detail)
    bad = probed(says(LIST), tls=server_context(tmp_path, signed=False), scheme="https", host="localhost")
    assert steps(bad) == [("dns", True), ("tcp", True), ("tls", False)]
    assert "certificate was refused" in last(bad)


def test_tls_that_never_answers_is_no_tcp_problem() -> None:
    async def silent(talker: Talker) -> None:
        await talker.gone()

    result = probed(silent, scheme="https")
    assert steps(result) == [("dns", True), ("tcp", True), ("tls", False)]
    assert "handshake" in last(result)


def test_a_plain_server_behind_https() -> None:
    result = probed(says(OK), scheme="https")
    assert steps(result)[:2] == [("dns", True), ("tcp", True)]
    assert steps(result)[-1][1] is False


def test_tls_is_timed_by_itself() -> None:
    """A server that takes long for its handshake has connected at once."""

    async def silent(talker: Talker) -> None:
        await talker.gone()

    result = probed(silent, scheme="https")
    assert result.steps[1].ms < 500 < result.steps[2].ms
    assert result.steps[1].word == "Connected"


def test_steps_are_told_as_they_end() -> None:
    heard: list[str] = []

    async def main() -> None:
        async with serving(says(LIST)) as server:
            await probe(spec_of(server.port), heard=lambda step: heard.append(step.name))

    uvloop.run(main())
    assert heard == ["dns", "tcp", "auth", "models"]
