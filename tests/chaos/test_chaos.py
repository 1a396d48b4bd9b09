"""`pointsman chaos`: each fault as a raw client sees it, bytes that pass unchanged, the command, and its page."""

from __future__ import annotations

import gzip
import json
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.chaos import FAULTS, BadFault, ChaosProxy, Fault, FaultPlan, parse_fault
from pointsman.chaos.acts import Changed
from pointsman.practice import Reply, ScriptedUpstream
from pointsman.practice.faults import FAULTS as PRACTICE_FAULTS
from tests.agents.model import CHAT, JSON, MESSAGES, SSE, STREAM, WHOLE
from tests.children import child

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "faults.md"
BODY = b'{"model":"m","stream":true}'
ANSWER = STREAM[CHAT]("one two three four five six")


@pytest.fixture(scope="module")
def upstream() -> Iterator[ScriptedUpstream]:
    with ScriptedUpstream() as server:
        yield server


@pytest.fixture(scope="module")
def proxy(upstream: ScriptedUpstream) -> Iterator[ChaosProxy]:
    with ChaosProxy(upstream.url) as found:
        yield found


def ask(
    url: str, path: str = "/v1/chat/completions", body: bytes = BODY, seconds: float = 2.0
) -> bytes | str:
    """All that came back; "refused", "reset" or "stalled" with what came before it."""
    host, port = url.removeprefix("http://").split(":")
    data = b""
    try:
        with socket.create_connection((host, int(port)), timeout=seconds) as sock:
            sock.sendall(
                b"POST %b HTTP/1.1\r\nHost: me\r\nContent-Length: %d\r\n\r\n" % (path.encode(), len(body))
                + body
            )
            while piece := sock.recv(65536):
                data += piece
    except ConnectionRefusedError:
        return "refused"
    except ConnectionResetError:
        return "reset " + data.decode("latin-1")
    except TimeoutError:
        return "stalled " + data.decode("latin-1")
    return data


def test_without_faults_it_passes_and_the_backend_is_called_by_its_own_name(
    upstream: ScriptedUpstream, proxy: ChaosProxy
) -> None:
    upstream.always(Reply(200, SSE, parts=[ANSWER], framing="close"))
    proxy.play()
    answer = ask(proxy.url)
    assert isinstance(answer, bytes)
    assert answer.partition(b"\r\n\r\n")[2] == ANSWER
    assert upstream.requests[-1].headers["host"] == upstream.url.removeprefix("http://")
    assert upstream.requests[-1].body == BODY


def chunked(answer: bytes | str) -> bytes:
    assert isinstance(answer, bytes)
    rest, body = answer.partition(b"\r\n\r\n")[2], b""
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        body, rest = body + rest[: int(size, 16)], rest[int(size, 16) + 2 :]
    return body


SEEN = {
    "refuse": lambda a: a == "refused",
    "reset": lambda a: isinstance(a, str) and a.startswith("reset"),
    "black-hole": lambda a: a == "stalled ",
    "delay=100": lambda a: a.endswith(ANSWER),
    "trickle=20000": lambda a: a.endswith(ANSWER),
    "cut-at=400": lambda a: len(a) == 400,
    "reset-at=400": lambda a: a.startswith("reset"),
    "stall-at=400": lambda a: a.startswith("stalled HTTP/1.1 200") and len(a) == 408,
    "401": lambda a: a.startswith(b"HTTP/1.1 401") and b'"invalid_api_key"' in a,
    "404": lambda a: a.startswith(b"HTTP/1.1 404") and b"model_not_found" in a,
    "429=7": lambda a: a.startswith(b"HTTP/1.1 429") and b"retry-after: 7\r\n" in a,
    "500": lambda a: a.startswith(b"HTTP/1.1 500"),
    "503": lambda a: a.startswith(b"HTTP/1.1 503") and b"retry-after: 1\r\n" in a,
    "529": lambda a: a.startswith(b"HTTP/1.1 529"),
    "loading": lambda a: a.startswith(b"HTTP/1.1 503") and b"Loading model" in a,
    "too-long": lambda a: a.startswith(b"HTTP/1.1 400") and b"context_length_exceeded" in a,
    "error-body": lambda a: a.startswith(b"HTTP/1.1 200") and b'"error"' in a,
    "redirect": lambda a: a.startswith(b"HTTP/1.1 302") and b"location:" in a,
    "empty": lambda a: a.endswith(b"content-length: 0\r\n\r\n"),
    "garbage": lambda a: b"not JSON" in a,
    "gzip": lambda a: gzip.decompress(chunked(a)) == ANSWER,
    "error-event=2": lambda a: chunked(a).count(b"\n\n") == 3 and b'"error"' in chunked(a),
    "garbage-event=2": lambda a: b"not JSON" in chunked(a) and chunked(a).endswith(ANSWER[-12:]),
    "cut-event=2": lambda a: a.count(b"data:") == 2 and not a.endswith(b"0\r\n\r\n"),
    "stall-event=2": lambda a: a.startswith("stalled") and a.count("data:") == 2,
    "no-end": lambda a: b"[DONE]" not in chunked(a) and a.endswith(b"0\r\n\r\n"),
}


def test_every_fault_is_shown_here() -> None:
    assert {word.partition("=")[0] for word in SEEN} == set(FAULTS)


@pytest.mark.parametrize("word", SEEN)
def test_a_client_sees(word: str, upstream: ScriptedUpstream, proxy: ChaosProxy) -> None:
    upstream.always(
        Reply(200, SSE, parts=[ANSWER], framing="chunked" if "event" in word or word == "no-end" else "close")
    )
    proxy.play(parse_fault(word))
    seconds = 0.3 if "stall" in word or word == "black-hole" else 3.0
    answer = ask(proxy.url, seconds=seconds)
    assert SEEN[word](answer), answer
    proxy.play()
    assert isinstance(ask(proxy.url), bytes), "it heals"


def test_errors_are_in_the_wording_of_the_path(proxy: ChaosProxy) -> None:
    proxy.play(Fault("529"))
    answer = ask(proxy.url, "/v1/messages")
    assert isinstance(answer, bytes)
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["type"] == "overloaded_error"


@pytest.mark.parametrize("protocol", [CHAT, MESSAGES])
def test_a_stream_without_its_end_has_everything_else(protocol: str) -> None:
    change = Changed(Fault("no-end"), "/")
    out = b"".join(
        p for p in [*change.feed(STREAM[protocol]("hello")), *change.end()] if isinstance(p, bytes)
    )
    assert out
    whole = STREAM[protocol]("hello").split(b"\n\n")
    assert [event for event in whole if event in out.split(b"\n\n")] == out.split(b"\n\n")
    assert not re.search(rb"DONE|message_stop|finish_reason\": ?\"", out)


def test_shares_turns_and_a_late_start() -> None:
    plan = FaultPlan([Fault("500"), Fault("503")], after=2)
    assert [str(plan.next()) for _ in range(5)] == ["None", "None", "500", "503=0", "500"]
    half = FaultPlan([Fault("500")], share=50, seed=7)
    played = [half.next() is not None for _ in range(1000)]
    assert 400 < sum(played) < 600
    again = FaultPlan([Fault("500")], share=50, seed=7)
    assert [again.next() is not None for _ in range(1000)] == played


@pytest.mark.parametrize("text", ["boom", "500=3", "cut-at=x", "cut-at=", "cut-at=-1", ""])
def test_a_word_that_is_no_fault_is_refused_with_what_there_is(text: str) -> None:
    with pytest.raises(BadFault):
        parse_fault(text)


@settings(max_examples=40, deadline=None)
@given(data=st.binary(min_size=1, max_size=5000), cuts=st.lists(st.integers(1, 4999), max_size=6))
def test_any_bytes_pass_unchanged_in_any_pieces(data: bytes, cuts: list[int]) -> None:
    places = sorted({0, len(data), *[c for c in cuts if c < len(data)]})
    parts = [data[a:b] for a, b in zip(places, places[1:], strict=False)]
    server, through = _shared()
    server.always(Reply(200, JSON, parts=parts, framing="close"))
    answer = ask(through.url, body=data)
    assert isinstance(answer, bytes)
    assert answer.partition(b"\r\n\r\n")[2] == data
    assert server.requests[-1].body == data


_made: list[tuple[ScriptedUpstream, ChaosProxy]] = []


def _shared() -> tuple[ScriptedUpstream, ChaosProxy]:
    if not _made:
        server = ScriptedUpstream().__enter__()
        _made.append((server, ChaosProxy(server.url).__enter__()))
    return _made[0]


def teardown_module() -> None:
    for server, through in _made:
        through.__exit__(None, None, None)
        server.__exit__(None, None, None)
    _made.clear()


# -- the command


def command(*words: str) -> list[str]:
    return [str(Path(sys.executable).with_name("pointsman")), "chaos", *words]


def test_the_command_plays_changes_by_a_line_and_ends_in_good_order(upstream: ScriptedUpstream) -> None:
    upstream.always(Reply(200, JSON, body=WHOLE[CHAT]("hello")))
    words = command(upstream.url, "--fault", "500", "--json")
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with child(words, **pipes, text=True, bufsize=1) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        url = json.loads(process.stdout.readline())["url"]
        assert ask(url)[:12] == b"HTTP/1.1 500"
        process.stdin.write("nonsense\n")
        assert "is no fault" in process.stderr.readline()
        process.stdin.write("clear\n")
        assert "everything passes" in process.stderr.readline()
        end = time.monotonic() + 5
        while (answer := ask(url)[:12]) != b"HTTP/1.1 200":
            assert time.monotonic() < end, answer
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=10)
        assert process.returncode == 0
        assert json.loads(out)["counts"]["500"] == 1
        assert "Traceback" not in err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["http://127.0.0.1:1", "--fault", "boom"], "is no fault"),
        (["ftp://x"], "is no URL of a backend"),
        (["http://127.0.0.1:1", "--listen", "nowhere"], "write HOST:PORT"),
        ([], "Missing argument"),
    ],
)
def test_a_wrong_call_is_told(words: list[str], says: str) -> None:
    done = subprocess.run(command(*words), capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 2
    assert says in done.stderr


def test_the_list_of_faults_is_complete() -> None:
    done = subprocess.run(command("--list"), capture_output=True, text=True, timeout=30, check=True)
    assert [line.split()[0].partition("=")[0] for line in done.stdout.splitlines()] == list(FAULTS)


def test_the_page_names_every_fault_of_both_and_no_other() -> None:
    text = PAGE.read_text()
    chaos, practice = text.partition("## Faults of the practice model")[::2]
    rows = re.compile(r"^\| `([^`=]+)(?:=\d+)?` \|", re.MULTILINE)
    assert rows.findall(chaos) == list(FAULTS)
    assert rows.findall(practice) == list(PRACTICE_FAULTS)
