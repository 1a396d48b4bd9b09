"""Record and replay as a whole program: the official SDKs' own calls recorded with `pointsman record`, told again by another
gateway that has nothing but the exported file; a rotation, restarts and a crash; and no word of it unsealed in any file."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anthropic
import httpx
import httpx2
import openai
import pytest

from pointsman.practice import ScriptedUpstream
from tests.agents.model import CHAT, WHOLE
from tests.gateway.test_recovered_calls import saying

from .gateway import POINTSMAN, Gateway, clean_environment, run_cli, wait_until
from .test_cache import has

Make = Callable[..., Gateway]
PROMPT, SAID = "canary-prompt-93f1", "canary-answer-41bc"
MODEL = "practice"
USER: Any = [{"role": "user", "content": PROMPT}]
SCHEMA: Any = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


def hearing(library: Any, bodies: list[bytes]) -> Any:
    """An SDK's own client, which keeps the bytes that come. library: the one that it asks by."""

    class Heard(library.Client):  # type: ignore[misc]
        def send(self, request: Any, **more: Any) -> Any:
            found = super().send(request, **more)
            bodies.append(found.read())
            return found

    return Heard()


def calls(url: str) -> list[bytes]:
    """What both SDKs ask, each in all its protocols, whole and streamed, with a tool and without; the bytes that came."""
    bodies: list[bytes] = []
    heard = hearing(httpx, bodies)
    with openai.OpenAI(base_url=f"{url}/v1", api_key="x", http_client=heard, max_retries=0) as first:
        tool: Any = {"type": "function", "function": {"name": "weather", "parameters": SCHEMA}}
        chat = first.chat.completions.create
        assert PROMPT in str(chat(model=MODEL, messages=USER).choices[0].message.content)
        told = [one.choices[0].delta.content for one in chat(model=MODEL, messages=USER, stream=True)]
        assert PROMPT in "".join(one or "" for one in told)
        called = chat(model=MODEL, messages=USER, tools=[tool], tool_choice="required").choices[0].message
        assert called.tool_calls
        asks = first.responses.create
        assert PROMPT in asks(model=MODEL, input=PROMPT).output_text
        events = [one.type for one in asks(model=MODEL, input=PROMPT, stream=True)]
        assert events[-1] == "response.completed"
    heard = hearing(httpx2, bodies)
    with anthropic.Anthropic(base_url=url, api_key="x", http_client=heard, max_retries=0) as second:
        said = second.messages.create(model=MODEL, max_tokens=90, messages=USER).content[0]
        assert PROMPT in getattr(said, "text", "")
        with second.messages.stream(model=MODEL, max_tokens=90, messages=USER) as stream:
            assert PROMPT in stream.get_final_text()
        tools: Any = [{"name": "weather", "input_schema": SCHEMA}]
        used = second.messages.create(
            model=MODEL, max_tokens=90, messages=USER, tools=tools, tool_choice={"type": "any"}
        )
        assert used.stop_reason == "tool_use"
    return bodies


class Recording:
    """`pointsman record` while it runs."""

    def __init__(self, gateway: Gateway, *words: str) -> None:
        self.process = subprocess.Popen(
            [POINTSMAN, "record", *words, "--json", "--data-dir", str(gateway.data_dir)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=clean_environment(),
            preexec_fn=lambda: signal.signal(
                signal.SIGINT, signal.default_int_handler
            ),  # also in the background
        )
        assert self.process.stderr is not None
        self.first = self.process.stderr.readline()

    def end(self) -> tuple[dict[str, Any], str]:
        """By Ctrl-C: what it counted, and what else it said."""
        self.process.send_signal(signal.SIGINT)
        out, err = self.process.communicate(timeout=60)
        assert self.process.returncode == 0, err
        return json.loads(out), err


@pytest.fixture
def recording() -> Iterator[Callable[..., Recording]]:
    made: list[Recording] = []

    def make(gateway: Gateway, *words: str) -> Recording:
        made.append(Recording(gateway, *words))
        return made[-1]

    yield make
    for one in made:
        if one.process.poll() is None:
            one.process.kill()
            one.process.communicate(timeout=30)


def test_the_sdks_calls_are_told_again_by_a_gateway_that_has_only_the_file(
    own_gateway: Make, recording: Callable[..., Recording], tmp_path: Path
) -> None:
    gateway = own_gateway()
    made = recording(gateway, "demo")
    assert made.first == "recording demo; Ctrl-C ends it\n"
    then = calls(gateway.url)
    counts, err = made.end()
    assert (counts["new"], counts["renewed"], sum(counts[one] for one in ("failed", "unfit", "lost"))) == (
        8,
        0,
        0,
    )
    assert "warning" not in err
    assert has(gateway.data_dir, PROMPT) == [], "what is recorded is sealed"
    shown = gateway.cli_json("recording", "show", "demo")
    assert [one["number"] for one in shown["requests"]] == list(range(1, 9))
    assert {one["target"] for one in shown["requests"]} == {"local/practice:practice"}
    file = tmp_path / "demo.json"
    gateway.cli("recording", "export", "demo", str(file))
    assert PROMPT in file.read_text(), "the file is in clear, on purpose"

    other = tmp_path / "other"
    assert run_cli(other, "recording", "import", str(file)).returncode == 0
    rule = run_cli(other, "mapping", "add", MODEL, "--to", "replay/demo", "--local-only")
    assert rule.returncode == 0, rule.stderr
    with Gateway(other) as alone:
        assert calls(alone.url) == then
        assert calls(alone.url) == then, "twice the same bytes"
        rows = alone.cli_json("usage")
        assert {one["target"] for one in rows} == {"replay/demo:practice"}
        assert {one["cost"] for one in rows} == {0}
        again = alone.cli("recording", "export", "demo")
        assert json.loads(again) == json.loads(file.read_text())
        refused = run_cli(other, "recording", "delete", "demo", "--yes")
        assert (refused.returncode, "Rule 1 answers out of this recording" in refused.stderr) == (1, True)
        refused = run_cli(other, "mapping", "update", "1", "--to", "replay/nope")
        assert (refused.returncode, "There is no recording 'nope'" in refused.stderr) == (1, True)
    assert has(other, PROMPT) == []


def test_a_recording_outlives_a_rotation_and_a_restart(own_gateway: Make, upstream: Any) -> None:
    gateway = own_gateway("--workers", "2")
    server: ScriptedUpstream = upstream()
    server.always(saying(CHAT, SAID))
    name = gateway.fresh()
    number = gateway.rule(name, gateway.backend("openai", server.url))["id"]
    script = (
        "import os, httpx; "
        f"httpx.post(os.environ['OPENAI_BASE_URL'] + '/chat/completions', json={{'model': '{name}', 'messages': "
        f"[{{'role': 'user', 'content': '{PROMPT}'}}]}}).raise_for_status(); raise SystemExit(3)"
    )
    words = ["kept", "--model", f"{name}*", "--data-dir", str(gateway.data_dir)]
    done = subprocess.run(
        [POINTSMAN, "record", *words, "--", sys.executable, "-c", script],
        capture_output=True,
        text=True,
        timeout=60,
        env=clean_environment(),
        check=False,
    )
    assert (done.returncode, "1 recorded in kept" in done.stderr) == (3, True), (
        "its exit code is the command's"
    )
    gateway.cli("mapping", "update", str(number), "--to", "replay/kept")
    gateway.cli("secrets", "rotate")
    assert SAID in _ask(gateway, name).text
    gateway.stop()
    gateway.start()
    assert SAID in _ask(gateway, name).text
    assert len(server.requests) == 1
    assert has(gateway.data_dir, PROMPT) == has(gateway.data_dir, SAID) == []
    assert "told again out of the recording" in gateway.cli("explain", name)
    known: Any = {"model": name, "messages": [{"role": "user", "content": PROMPT}]}
    told = gateway.cli("explain", name, "--request", "-", stdin=json.dumps(known))
    assert f"replay/kept:{name}  would be asked" in told
    told = gateway.cli("explain", name, "--request", "-", stdin=json.dumps(known | {"seed": 1}))
    assert "the nearest of its 1 differs at seed" in told


def _ask(gateway: Gateway, model: str, text: str = PROMPT) -> httpx.Response:
    body = {"model": model, "messages": [{"role": "user", "content": text}]}
    return httpx.post(f"{gateway.url}/v1/chat/completions", json=body, timeout=30)


def test_what_is_lost_while_processes_die_is_told_and_the_rest_is_there(
    own_gateway: Make, recording: Callable[..., Recording]
) -> None:
    """Every answer that a client got is in the recording, or the command says that some may not be."""
    gateway = own_gateway("--workers", "2")
    made = recording(gateway, "live", "--model", "practice")
    served: list[str] = []
    over = threading.Event()

    def go_on() -> None:
        for number in range(10_000):
            if over.is_set():
                return
            try:
                if _ask(gateway, MODEL, f"question {number}").status_code == 200:
                    served.append(f"question {number}")
            except httpx.HTTPError:
                pass  # its process was killed: it got no answer
            time.sleep(0.01)

    asker = threading.Thread(target=go_on)
    asker.start()

    def more(what: str) -> int:
        before = len(served)
        wait_until(what, lambda: len(served) > before + 15, 60)
        return len(served)

    def there() -> set[str]:
        file = gateway.api("GET", "/api/recordings/live/file")
        return {one["request"]["messages"][0]["content"] for one in file["answers"]}

    try:
        more("some are served")
        os.kill(gateway.pids("pointsman.gateway")[0], signal.SIGTERM)
        until = more("more are, while a process is replaced")
        wait_until("they are there", lambda: there() >= set(served[:until]), 60)
        os.kill(gateway.pids("pointsman.admin")[0], signal.SIGKILL)
        more("more are, without a control plane")
        assert made.process.stderr is not None
        assert "the control plane was away" in made.process.stderr.readline(), "it is made again"
        wait_until("all follow it", lambda: len(gateway.api("GET", "/api/status")["workers"]) == 2, 60)
        again = len(served)
        more("more are, recorded again")
    finally:
        over.set()
        asker.join()
    wait_until("these are there, too", lambda: there() >= set(served[again + 1 :]), 60)
    assert there() >= set(served[:until]), "and nothing is gone"
    counts, _ = made.end()
    assert 0 < counts["new"] <= len(there()) <= len(served)


PAGE = Path(__file__).parents[2] / "docs" / "replay.md"
ASKS = """
import openai

def test_it():
    answer = openai.OpenAI().chat.completions.create(model="m", messages=[{"role": "user", "content": "Hi"}])
    assert answer.choices[0].message.content == "canary"
"""


def test_the_example_of_the_page_runs_as_it_stands_there(tmp_path: Path) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    said = WHOLE[CHAT]("canary").decode()
    request = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
    answer = {"path": "/v1/chat/completions", "request": request, "answer": said.split("\n")}
    (tmp_path / "demo.json").write_text(json.dumps({"name": "demo", "answers": [answer]}))
    (tmp_path / "conftest.py").write_text(example)
    (tmp_path / "test_it.py").write_text(ASKS)
    path = f"{Path(POINTSMAN).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            f"--basetemp={tmp_path}/t",
            str(tmp_path),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        env=clean_environment({"PATH": path}),
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
