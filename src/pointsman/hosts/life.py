"""How a host begins and ends: its listener, its life line, its last words. Whoever started it reads exit code and log.

Not here: stopping with patience, which is the business of whoever started it.
"""

from __future__ import annotations

import argparse
import os
import select
import signal
import socket
import sys
from typing import NoReturn

from . import wire

NO_MODEL = 3
DIED = 4
NO_LISTENER = 5
"""Exit codes: the model cannot be loaded, what makes the answers has died, the port or socket cannot be had. 2: wrong
usage (argparse). Told to end, it ends by the signal; a socket that is left is replaced by the next one."""


def add_listener(parser: argparse.ArgumentParser) -> None:
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--port", type=int, help="listen on 127.0.0.1; 0 picks a free port")
    where.add_argument("--socket", metavar="PATH", help="listen on a Unix socket")
    parser.add_argument(
        "--end-with-stdin", action="store_true", help="end when standard input does: a life line"
    )


def hold_life_line(options: argparse.Namespace) -> None:
    """To be called first, before there are threads. With --end-with-stdin a small process beside this one kills it when
    standard input ends: nothing in this one would be sure to run then, since llama.cpp holds the interpreter while it
    loads a model. Signals end this process as the system has it, for the same reason."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if not options.end_with_stdin:
        return
    ours, held = os.pipe()  # the other end is never closed: its end tells that this process is gone
    host = os.getpid()
    if os.fork():
        os.close(ours)
        return
    os.close(held)
    try:
        _watch(ours, host)
    finally:
        os._exit(0)


def _watch(ours: int, host: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 1)  # whoever reads the log of the host waits for nobody else
    os.dup2(nowhere, 2)
    while True:
        ready, _, _ = select.select([0, ours], [], [])
        if ours in ready:
            return
        if not os.read(0, 4096):
            os.kill(host, signal.SIGKILL)
            return


def listen(options: argparse.Namespace) -> socket.socket:
    """Its listener; ends the process where it cannot be had."""
    try:
        return wire.listen_on_socket(options.socket) if options.socket else wire.listen_on_port(options.port)
    except (OSError, OverflowError) as error:
        where = options.socket or f"port {options.port}"
        fatal(NO_LISTENER, f"cannot listen on {where}: {getattr(error, 'strerror', None) or error}")


def say_listening(url: str) -> None:
    sys.stdout.write(f"listening on {url}\n")
    sys.stdout.flush()


def url_of(listener: socket.socket) -> str:
    name = listener.getsockname()
    return f"unix://{name}" if listener.family == socket.AF_UNIX else f"http://{name[0]}:{name[1]}"


def note(text: str) -> None:
    """A line of the log."""
    sys.stderr.write(f"pointsman-host: {text}\n")
    sys.stderr.flush()


def fatal(code: int, reason: str) -> NoReturn:
    """The last line, and the end: at once, for engines have threads of their own that wait for nobody."""
    note(f"fatal: {' '.join(reason.split()) or 'no reason was given'}")
    os._exit(code)
