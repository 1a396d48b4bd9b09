"""What a person mistyped at the start: one line with the variable's name and exit code 1, before any port is open.
And who speaks TLS to the plain port."""

from __future__ import annotations

import json
import socket
import ssl
import subprocess
import time
from pathlib import Path

import pytest

from .gateway import POINTSMAN, Gateway, clean_environment, run_cli
from .warm import run_warm

WRONG = [
    ("POINTSMAN_BODY_BYTES", "64XB"),
    ("POINTSMAN_BODY_BYTES", ""),
    ("POINTSMAN_QUEUE_SECONDS", "sixty"),
    ("POINTSMAN_QUEUE_SECONDS", "1e400"),
    ("POINTSMAN_DRAIN_SECONDS", "0"),
    ("POINTSMAN_DRAIN_SECONDS", "-5s"),
    ("POINTSMAN_MAX_REQUESTS", "5k"),
    ("POINTSMAN_TOTAL_SECONDS", "nan"),
    ("POINTSMAN_LOG", "loud"),
    ("POINTSMAN_PORT", "http"),
    ("POINTSMAN_PORT", "70000"),
    ("POINTSMAN_WORKERS", "0"),
    ("POINTSMAN_WORKERS", "two"),
    ("POINTSMAN_MEMORY", "lots"),
    ("POINTSMAN_MEMORY", "101%"),
    ("POINTSMAN_HOST", "a" * 300),
]


@pytest.mark.parametrize(("variable", "text"), WRONG, ids=[f"{name}={text[:9]}" for name, text in WRONG])
def test_a_mistyped_variable_is_one_line_and_exit_code_1(variable: str, text: str, tmp_path: Path) -> None:
    """It was a port that took connections, answered none, and could not be stopped."""
    env = {"POINTSMAN_PORT": "0", variable: text}
    done = run_cli(tmp_path / "data", "serve", env=env, timeout=30)
    assert done.returncode == 1, done.stderr
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert variable in line or "cannot listen on" in line
    assert not (tmp_path / "data" / "serve.json").exists()


def test_a_data_folder_in_nobody_s_home_is_one_line(tmp_path: Path) -> None:
    env = clean_environment({"POINTSMAN_DATA_DIR": "~nobody-by-this-name/x"})
    done = subprocess.run(
        [POINTSMAN, "mapping", "list"], capture_output=True, text=True, env=env, check=False
    )
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert "POINTSMAN_DATA_DIR" in done.stderr


@pytest.mark.parametrize(
    ("text", "code"),
    [("nan", 1), ("inf", 1), ("-1", 1), ("1e400", 1), ("5 apples", 2), ("", 2), ("5m30s", 2)],
)
def test_a_mistyped_option_is_told_without_a_traceback(text: str, code: int, tmp_path: Path) -> None:
    done = run_warm(tmp_path / "data", "mapping", "add", "m", "--to", "openai", f"--hedge={text}")
    assert done.returncode == code
    assert "hedge" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_hedge_with_a_unit(tmp_path: Path) -> None:
    done = run_warm(
        tmp_path / "data",
        "mapping",
        "add",
        "m",
        "--to",
        "openai",
        "--fallback",
        "local",
        "--hedge",
        "500ms",
        "--json",
    )
    assert json.loads(done.stdout)["hedge_seconds"] == 0.5


def test_limits_with_units_are_what_is_served_by(tmp_path: Path) -> None:
    env = {
        "POINTSMAN_BODY_BYTES": "2kB",
        "POINTSMAN_QUEUE_SECONDS": "60s",
        "POINTSMAN_DRAIN_SECONDS": "500ms",
    }
    with Gateway(tmp_path / "data", env=env) as gateway:
        body = b'{"model":"practice","messages":[{"role":"user","content":"%s"}]}' % (b"x" * 2000)
        answer = gateway.fetch("POST", "/v1/chat/completions", body=body)
        assert answer.status == 413
        assert b"2000 bytes" in answer.body


def test_an_https_client_on_the_http_port_is_told_at_once(tmp_path: Path) -> None:
    """It waited for 10 s, and the log said nothing."""
    with Gateway(tmp_path / "data") as gateway:
        port = int(gateway.url.rpartition(":")[2])
        for number in range(3):
            started = time.monotonic()
            with socket.create_connection(("127.0.0.1", port), 10) as plain:
                context = ssl.create_default_context()
                with pytest.raises(ssl.SSLError):
                    context.wrap_socket(plain, server_hostname="localhost").close()
            assert time.monotonic() - started < 5.0, number
        with socket.create_connection(("127.0.0.1", port), 10) as plain:
            plain.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
            said = plain.recv(65536)
        assert said.startswith(b"HTTP/1.1 400 ")
        assert b"http://" in said
        log = gateway.read_log()
        assert log.count("a client speaks TLS to this port") == 1


@pytest.mark.parametrize(
    "first", [b"\x00\x01", b"\x80\x2e\x01\x03", b"\x05\x01\x00"], ids=["zero", "ssl2", "socks"]
)
def test_whoever_speaks_another_protocol_is_told_at_once(first: bytes, gateway: Gateway) -> None:
    started = time.monotonic()
    with socket.create_connection(("127.0.0.1", gateway.port), 10) as plain:
        plain.sendall(first)
        assert plain.recv(65536).startswith(b"HTTP/1.1 400 ")
    assert time.monotonic() - started < 5.0


def test_a_root_on_which_no_temporary_file_can_be_written_is_one_line(tmp_path: Path) -> None:
    """A read-only root without TMPDIR. Here no file may grow, which Python's tempfile meets in the same way."""
    env = clean_environment()
    for name in ("TMPDIR", "TEMP", "TMP", "XDG_RUNTIME_DIR"):
        env.pop(name, None)
    done = subprocess.run(
        ["sh", "-c", f'ulimit -f 0; exec "{POINTSMAN}" serve --port 0 --data-dir "{tmp_path / "data"}"'],
        capture_output=True,
        text=True,
        env=env,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1, done.stderr
    (line,) = done.stderr.splitlines()
    assert "TMPDIR" in line
