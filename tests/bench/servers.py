"""What is started for a run: the mock upstreams, nginx as the yardstick, and the gateway under test.

Each is pinned: what is measured on one core, everything else on another. Not here: any load.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import random
import select
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from . import headers, payloads, responses_payloads
from .machine import BenchError, Running, cores, on_cores, own_environment, start
from .payloads import Workload

HOST = "127.0.0.1"


@dataclass
class Subject:
    """Something that forwards, or the mock itself. Streams and plain answers may have ports of their own."""

    name: str
    plain_port: int
    stream_port: int
    running: list[Running]
    real_port: int = 0  # whose answers carry a provider's headers; 0: the gateway, one port for all
    fields: Callable[[Workload], bytes] = lambda workload: b""  # header lines that its clients have to send

    def port(self, workload: Workload) -> int:
        if workload.real and self.real_port:
            return self.real_port
        return self.stream_port if workload.stream else self.plain_port

    @property
    def pids(self) -> list[int]:
        return [running.pid for running in self.running]


def fetch(subject: Subject, workload: Workload) -> tuple[int, bytes, dict[str, str]]:
    """The answer to its first body: status, body, header fields."""
    connection = http.client.HTTPConnection(HOST, subject.port(workload), timeout=30)
    try:
        headers = {"content-type": "application/json", "authorization": f"Bearer {workload.key}"}
        headers |= dict(line.split(": ", 1) for line in workload.fields.decode().splitlines())
        connection.request("POST", workload.path, workload.bodies[0], headers)
        answer = connection.getresponse()
        return answer.status, answer.read(), {name.lower(): value for name, value in answer.getheaders()}
    finally:
        connection.close()


def free_port() -> int:
    """Not one that the kernel gives away: others on this machine must not get it before its server has started."""
    given_away = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    while True:
        port = random.randrange(min(10_000, given_away // 2), given_away)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind((HOST, port))
            return port


def wait_for(ready: Callable[[], bool], running: Running, seconds: float = 15) -> None:
    until = time.monotonic() + seconds
    while not ready():
        if not running.alive():
            raise BenchError(f"{running.name} ended at start:\n{running.log_tail()}")
        if time.monotonic() > until:
            raise BenchError(f"{running.name} did not answer within {seconds:.0f} s:\n{running.log_tail()}")
        time.sleep(0.01)


def listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


_NGINX = """
worker_processes 1; daemon off; pid {folder}/nginx.pid; error_log stderr warn; {user}
worker_rlimit_nofile {files};
events {{ worker_connections {connections}; }}
http {{
  access_log off; default_type application/json; server_tokens off;
  keepalive_requests 1000000000; keepalive_timeout 3600;
  client_max_body_size 64m; client_body_buffer_size 1m;
  client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
{servers}
}}
"""

_ANSWERS = """
  server {{ listen 127.0.0.1:{port} backlog=4096; {fields}
    location / {{ return 200 '{chat}'; }}
    location /v1/messages {{ return 200 '{message}'; }}
    location /v1/responses {{ return 200 '{response}'; }}
    location /v1/models {{ return 200 '{models}'; }}
    location /v1/embeddings {{ error_page 405 =200 /vectors; return 405; }}
    location /vectors {{ alias {folder}/vectors; internal; }}
    location /refusing {{ return 429 '{refusal}'; }}
    location /count {{ stub_status; }}
  }}
"""

_FORWARDS = """
  upstream up_{port} {{ server 127.0.0.1:{upstream}; keepalive 2048; keepalive_requests 1000000000; }}
  server {{ listen 127.0.0.1:{port} backlog=4096;
    location / {{
      proxy_pass http://up_{port}; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_buffering off; proxy_read_timeout 600;
    }}
  }}
"""


def _nginx(name: str, binary: str, folder: Path, servers: str, ports: list[int], wanted: set[int]) -> Running:
    folder = folder.with_name(folder.name.replace(" ", "-"))  # a path in its config must be one word
    folder.mkdir()
    user = "user root;" if os.geteuid() == 0 else ""  # else its worker could not enter our folder
    config = folder / "nginx.conf"
    files = os.sysconf("SC_OPEN_MAX")
    text = _NGINX.format(folder=folder, servers=servers, user=user, files=files, connections=files // 2)
    config.write_text(text)
    command = [binary, "-p", str(folder), "-e", "stderr", "-c", str(config)]
    running = start(name, command, wanted, folder / "log")
    try:
        for port in ports:
            wait_for(lambda port=port: listening(port), running)  # type: ignore[misc]
    except BenchError:
        running.stop()
        raise
    return running


def start_mock(binary: str, folder: Path) -> Subject:
    """nginx `return 200` for plain answers, our own program for streams: the direct figure."""
    _, load_cores = cores()
    plain, streams, real = free_port(), free_port(), free_port()
    said = {"chat": payloads.chat_reply(), "message": payloads.message_reply()}
    said |= {"response": responses_payloads.reply()}
    said |= {"models": payloads.models_reply(), "refusal": payloads.refusal()}
    texts = {name: body.decode() for name, body in said.items()} | {"folder": str(folder)}
    (folder / "vectors").write_bytes(payloads.vectors())  # too long for a word of the configuration
    own = [field for field in headers.PROVIDER if field[0] not in headers.FROM_NGINX]
    fields = " ".join(f"add_header {name} '{value}';" for name, value in own)
    answers = _ANSWERS.format(port=plain, fields="", **texts) + _ANSWERS.format(
        port=real, fields=fields, **texts
    )
    first = _nginx("mock", binary, folder / "mock", answers, [plain, real], load_cores)
    command = [sys.executable, "-m", "tests.bench.mock", str(streams)]
    second = start("streaming mock", command, load_cores, folder / "mock-streams.log")
    wait_for(lambda: listening(streams), second)
    return Subject("direct", plain, streams, [first, second], real)


def start_nginx(binary: str, folder: Path, mock: Subject, name: str = "nginx") -> Subject:
    """The yardstick: proxy_pass, one worker, kept upstream connections, nothing buffered or logged."""
    subject_cores, _ = cores()
    upstreams = {free_port(): up for up in (mock.plain_port, mock.stream_port, mock.real_port)}
    forwards = "".join(_FORWARDS.format(port=port, upstream=up) for port, up in upstreams.items())
    running = _nginx(name, binary, folder / name, forwards, list(upstreams), subject_cores)
    plain, streams, real = upstreams
    return Subject(name, plain, streams, [running], real)


def pointsman(*arguments: str) -> list[str]:
    """The installed command of this interpreter's environment."""
    script = Path(sys.executable).parent / "pointsman"
    if not script.exists():
        raise BenchError("the `pointsman` command is not installed beside this Python; run `make bench`")
    return [str(script), *arguments]


def _rules(mock: Subject) -> tuple[tuple[str, ...], ...]:
    """Backends, a client key and the rules for the benchmark's models, as a user would type them."""

    def local(name: str, at: str | int, dialect: str, *more: str) -> tuple[str, ...]:
        return ("local", "add", name, "--url", f"http://{HOST}:{at}", "--dialect", dialect, *more)

    def rule(pattern: str, to: str, *more: str) -> tuple[str, ...]:
        return ("mapping", "add", pattern, "--to", f"local/{to}", *more)

    chat, turns, items = "openai_chat", "anthropic_messages", "openai_responses"
    return (
        local("box", mock.plain_port, chat),
        local("streams", mock.stream_port, chat),
        local("limited", mock.stream_port, chat, "--max-in-flight", "4000"),
        local("turns", mock.plain_port, turns),
        local("turn-streams", mock.stream_port, turns),
        local("items", mock.plain_port, items),
        local("item-streams", mock.stream_port, items),
        local("real", mock.real_port, chat),
        local("vectors", mock.plain_port, "embeddings"),
        local("refusing", f"{mock.plain_port}/refusing", chat),
        ("key", "create", "--name", "bench"),
        rule("bench*", "box"),
        rule("bench-vectors", "vectors", "--priority", "1"),
        rule("bench-refused", "refusing", "--fallback", "local/box", "--priority", "1"),
        rule("bench-real", "real", "--priority", "1"),
        rule("bench-large", "turns", "--priority", "1"),
        rule("bench-turns*", "turn-streams", "--priority", "1"),
        rule("bench-responses", "items", "--priority", "1"),
        rule("bench-items*", "item-streams", "--priority", "1"),
        *(
            rule(f"bench-{kind}*", "streams", "--priority", "1")
            for kind in ("stream", "varied", "told", "hold")
        ),
        rule("bench-armed*", "limited", "--fallback", "local/streams", "--priority", "1"),
    )


def set_up_gateway(data_dir: Path, mock: Subject) -> str:
    """What the rules need, by the commands of the gateway. Returns the client key."""
    secret = ""
    for arguments in _rules(mock):
        command = pointsman(*arguments, "--data-dir", str(data_dir), "--json")
        environment = own_environment()
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=60, env=environment, check=False
        )
        if done.returncode:
            told = (done.stderr or done.stdout).strip()[-2000:]
            raise BenchError(f"`pointsman {' '.join(arguments)}` failed ({done.returncode}):\n{told}")
        if arguments[0] == "key":
            secret = json.loads(done.stdout)["secret"]
    return secret


def start_gateway(data_dir: Path, log: Path, *, model: str, key: str = "none") -> tuple[Subject, float]:
    """`pointsman serve` with its defaults; also the seconds from its start to its first answer."""
    subject_cores, _ = cores()
    began = time.perf_counter()
    command = pointsman("serve", "--port", "0", "--json", "--data-dir", str(data_dir))
    running = start("pointsman serve", command, subject_cores, log, read_stdout=True)
    try:
        port = _announced_port(running)
        body = json.dumps({"model": model, "messages": [{"role": "user", "content": "hello"}]})
        _first_answer(port, body, running, key)
    except BaseException:
        running.stop()
        raise
    return Subject("pointsman", port, port, [running]), time.perf_counter() - began


def _announced_port(running: Running, seconds: float = 30) -> int:
    out = running.process.stdout
    assert out is not None
    if not select.select([out], [], [], seconds)[0]:
        raise BenchError(f"{running.name} said nothing within {seconds:.0f} s:\n{running.log_tail()}")
    line = out.readline()
    try:
        return int(json.loads(line)["url"].rstrip("/").rpartition(":")[2])
    except (ValueError, KeyError, TypeError):
        raise BenchError(f"{running.name} did not start: {line!r}\n{running.log_tail()}") from None


def _first_answer(port: int, body: str, running: Running, key: str) -> None:
    last = ""

    def answered() -> bool:
        nonlocal last
        connection = http.client.HTTPConnection(HOST, port, timeout=10)
        try:
            fields = {"content-type": "application/json", "authorization": f"Bearer {key}"}
            connection.request("POST", "/v1/chat/completions", body, fields)
            answer = connection.getresponse()
            last = f"{answer.status} {answer.read()[:300]!r}"
            return answer.status == 200
        except (OSError, http.client.HTTPException) as error:
            last = repr(error)
            return False
        finally:
            connection.close()

    try:
        wait_for(answered, running)
    except BenchError as error:
        raise BenchError(f"{error}\nlast answer: {last}") from None


def command_seconds(arguments: list[str], repeats: int) -> list[float]:
    """Wall time of a whole command, on the measured core."""
    subject_cores, _ = cores()
    taken = []
    with on_cores(subject_cores):
        for _ in range(repeats):
            began = time.perf_counter()
            subprocess.run(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
            taken.append(time.perf_counter() - began)
    return taken
