"""An engine of a few lines, run as `python -I -S engine.py`: loads, answers /health, and misbehaves as it is told."""

import contextlib
import os
import signal
import socket
import sys
import threading
import time


def option(name: str, default: str = "") -> str:
    for text in sys.argv[1:]:
        if text.startswith(f"--{name}="):
            return text.partition("=")[2]
    return "yes" if f"--{name}" in sys.argv else default


def listener() -> socket.socket:
    if option("socket"):
        made = socket.socket(socket.AF_UNIX)
        made.bind(option("socket"))
    else:
        made = socket.socket()
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(("127.0.0.1", int(option("port"))))
    made.listen(64)
    return made


def answer(status: int, body: bytes) -> bytes:
    return b"HTTP/1.0 %d x\r\nContent-Length: %d\r\n\r\n" % (status, len(body)) + body


def serve(made: socket.socket) -> None:
    begun = time.monotonic()
    load, small = float(option("load", "0")), 0
    while True:
        connection, _ = made.accept()
        try:
            connection.settimeout(5)
            head = connection.recv(65536)
        except OSError:
            continue
        with contextlib.suppress(OSError):  # who asked may be gone: a stranger that had the port before
            small = told(connection, head, time.monotonic() - begun >= load, small)
        connection.close()


def told(connection: socket.socket, head: bytes, loaded: bool, small: int) -> int:
    """How many small requests there were, with this one."""
    if b"POST" in head:  # the first small request of an engine that says 200 too soon
        small += 1
        connection.sendall(answer(200 if loaded and small > 1 else 500, b"{}"))
    elif option("dead-file") and os.path.exists(option("dead-file")):
        connection.sendall(answer(500, b"dead"))
    elif loaded or option("honest") == "no":
        connection.sendall(answer(200, b'{"status": "ok", "pid": %d}' % os.getpid()))
    else:
        connection.sendall(answer(503, b'{"status": "loading"}'))
    return small


def main() -> None:
    print("engine begins", os.getpid(), flush=True)
    ballast = b"x" * int(option("ballast", "0"))
    if option("ignore-term"):
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
    if option("exit"):
        print("no such model file", flush=True)
        sys.exit(int(option("exit")))
    if option("hang"):
        time.sleep(3600)
    if option("spin"):  # works for so long without a word
        end = time.monotonic() + float(option("spin"))
        while time.monotonic() < end:
            pass
    if option("grow"):  # reads slowly
        grown = []
        for _ in range(int(option("grow"))):
            grown.append(b"x" * 2**20)
            time.sleep(0.1)
    made = listener()
    for _ in range(int(option("fork", "0"))):
        if os.fork() == 0:  # holds the port as well
            time.sleep(3600)
    if option("daemon") and os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            time.sleep(3600)
        os._exit(0)
    if option("chatter"):
        threading.Thread(target=chatter, daemon=True).start()
    if option("die-loading"):
        threading.Timer(float(option("die-loading")), lambda: os._exit(7)).start()
    serve(made)
    del ballast


def chatter() -> None:
    while True:
        print("x" * 1000, flush=True)


main()
