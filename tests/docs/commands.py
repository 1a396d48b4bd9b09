"""`python -m tests.docs.commands SOCKET`: runs `pointsman` commands without the start of an interpreter for each.

All modules of the commands are imported once; each command is then a process of its own, a copy of this one, with the
words, folder, environment and files of who typed it (`shim` is what is found on the PATH). So what runs is what would run
otherwise, for 20 ms in place of 300.
"""

from __future__ import annotations

import array
import contextlib
import json
import os
import select
import signal
import socket
import sys
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

from pointsman.cli.main import main

from .doubles import KEY

_FILES = 3
_MOST = 1 << 20

SHIM = """#!{python} -IS
import array, json, os, socket, sys
with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as way:
    way.connect({path!r})
    body = json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ)]).encode()
    files = array.array("i", [0, 1, 2])
    way.sendmsg([len(body).to_bytes(4, "big")], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, files)])
    way.sendall(body)
    code = way.recv(1)
sys.exit(code[0] if code else 70)
"""


def shim(path: Path, way: Path) -> None:
    """Writes `pointsman` for the PATH, which asks the server at that socket."""
    path.write_text(SHIM.format(python=sys.executable, path=str(way)))
    path.chmod(0o755)


def _asked(way: socket.socket) -> tuple[list[int], Any]:
    size, ancillary, *_ = way.recvmsg(4, socket.CMSG_SPACE(_FILES * array.array("i").itemsize))
    files = array.array("i")
    files.frombytes(ancillary[0][2])
    body = b""
    while len(body) < int.from_bytes(size, "big"):
        body += way.recv(_MOST)
    return list(files), json.loads(body)


def _typed(words: list[str]) -> int | None:
    """What a person types who is asked for a key, or, on a terminal, whether to go on; None of other commands."""
    if words[:2] == ["credential", "set"] or "--key" in words:
        reading, writing = os.pipe()
        os.write(writing, f"{KEY}\n".encode())
        os.close(writing)
        return reading
    if words[:1] in (["restore"], ["apply"]) or words[:2] == ["config", "import"]:
        person, terminal = os.openpty()
        os.write(person, b"y\n")
        return terminal
    return None


def _command(files: list[int], words: list[str], folder: str, environ: dict[str, str]) -> NoReturn:
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    if os.path.samestat(os.fstat(0), os.stat(os.devnull)) and (typed := _typed(words)) is not None:
        os.dup2(typed, 0)
        os.close(typed)
    os.environ.clear()
    os.environ.update(environ)
    os.chdir(folder)
    code = 1
    try:
        main(words, prog_name="pointsman")
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:  # a person would see it, too
        sys.excepthook(*sys.exc_info())
    with contextlib.suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


def _serve(way: socket.socket) -> NoReturn:
    """One connection: the command, and its exit code when it, or what it became, has ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    files, (words, folder, environ) = _asked(way)
    if (pid := os.fork()) == 0:
        way.close()
        _command(files, words, folder, environ)
    for file in files:
        os.close(file)
    running = os.pidfd_open(pid)
    if running not in select.select([running, way], [], [])[0]:
        os.kill(pid, signal.SIGTERM)  # who typed it has gone, as by Ctrl-C
    _, status = os.waitpid(pid, 0)
    with contextlib.suppress(OSError):
        way.sendall(bytes([os.waitstatus_to_exitcode(status) & 0xFF]))
    os._exit(0)


def run(path: str) -> None:
    """Until it is ended."""
    for name in main.list_commands(None):  # type: ignore[arg-type]
        import_module(f"pointsman.cli.{name.replace('-', '_')}")
    import_module("pointsman.cli.client")
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(path)
        listener.listen(64)
        while True:
            way, _ = listener.accept()
            with way:
                if os.fork() == 0:
                    listener.close()
                    _serve(way)


if __name__ == "__main__":
    run(sys.argv[1])
