"""`pointsman top` at a real gateway: one look, and live in a terminal of 80 columns, over a restart of the gateway."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from tests.crowding import within

from .gateway import POINTSMAN, Gateway, clean_environment, run_cli
from .replies import STALL, begins
from .web import post_bytes, raw
from .wires import CHAT

if TYPE_CHECKING:
    from pointsman.practice.scripted import ScriptedUpstream

_STEERING = re.compile(rb"\x1b\[[0-9;?]*[ -/]*[@-~]")


class Terminal:
    """A command in a terminal of 80 x 24."""

    def __init__(self, *words: str) -> None:
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.before = termios.tcgetattr(slave)
        self.slave = slave
        env = clean_environment({"TERM": "xterm"})
        del env["COLUMNS"]
        self.process = subprocess.Popen([POINTSMAN, *words], stdin=slave, stdout=slave, stderr=slave, env=env)
        self.said = b""

    def until(self, what: bytes, seconds: float = 15.0) -> bytes:
        """Reads until it is shown; returns what was shown up to there, less what steers the terminal."""
        begun, start = time.monotonic(), len(self.said)
        while what not in (shown := _STEERING.sub(b"", self.said[start:])):
            assert within(time.monotonic() - begun, seconds), f"{what!r} is not shown in {shown[-3000:]!r}"
            if select.select([self.master], [], [], 0.2)[0]:
                self.said += os.read(self.master, 65536)
        return shown

    def press(self, key: bytes) -> int:
        """Returns the exit code."""
        os.write(self.master, key)
        return self.process.wait(10)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)
        os.close(self.master)
        os.close(self.slave)


def test_top_shows_what_runs_goes_on_over_a_restart_and_ends_at_q(
    own_gateway: Callable[..., Gateway], upstream: Callable[..., ScriptedUpstream]
) -> None:
    gateway, server = own_gateway(), upstream()
    server.always(lambda _: begins(CHAT, STALL, text="some"))
    model, (backend,) = gateway.route("local", server.url)
    gateway.fetch("POST", CHAT.path, CHAT.ask("practice"))
    body = {"model": model, "stream": True, "messages": [{"role": "user", "content": "hi"}]}
    terminal = Terminal("top", "--data-dir", str(gateway.data_dir))
    try:
        terminal.until(b"nothing runs now")
        with raw(gateway.url) as client:
            client.send(post_bytes("/v1/chat/completions", json.dumps(body).encode(), gateway.host))
            shown = terminal.until(model.encode())
            assert f"Pointsman 0.1.0 at {gateway.url}, ready".encode() in shown
            assert backend[:20].encode() in shown
            assert b"nothing left this machine today" in shown
            plain = gateway.cli("top")
            assert model in plain
            assert "\x1b" not in plain
            found = gateway.cli_json("top", "--once")
            (running,) = found["running"]["requests"]
            assert (running["model"], found["backends"][0]["in_flight"]) == (model, 1)
            assert found["today"]["requests"] >= found["minute"]["requests"]
        terminal.until(b"nothing runs now")
        gateway.stop()
        terminal.until(b"No gateway runs on")
        done = run_cli(gateway.data_dir, "top")
        assert (done.returncode, done.stdout) == (1, "")
        assert "pointsman serve" in done.stderr
        gateway.start()
        terminal.until(gateway.url.encode())
        assert terminal.press(b"xq") == 0
        assert b"Traceback" not in terminal.said
        assert termios.tcgetattr(terminal.slave) == terminal.before
    finally:
        terminal.close()
    interrupted = Terminal("top", "--data-dir", str(gateway.data_dir))
    try:
        interrupted.until(gateway.url.encode())
        interrupted.process.send_signal(signal.SIGINT)
        assert interrupted.process.wait(10) == 130
        assert termios.tcgetattr(interrupted.slave) == interrupted.before
    finally:
        interrupted.close()
