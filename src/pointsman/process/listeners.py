"""What the gateway listens on: a port, a Unix socket, or both. Opened once, by the supervisor; the data plane's processes
inherit them, each its own of a port where there are several: Linux then spreads connections over them (SO_REUSEPORT,
socket(7)). They stay this process's, too: no connection is lost that waits while one of those is replaced.

Not here: who may speak on them (gateway/client/access.py).
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import socket
import stat
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..errors import PointsmanError
from ..kinds import ErrorKind
from .private_files import private_socket

EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}
"""What means all of this computer's addresses, and is none that a program can ask; with the one to ask here."""
_QUEUE = 1024
_LOCK_SECONDS = 2.0


class Listeners:
    """At least one of tcp() and unix() is called. Both raise PointsmanError: one sentence with what to do."""

    def __init__(self) -> None:
        self._ports: list[socket.socket] = []
        self._sockets: list[socket.socket] = []
        self._port: int | None = None
        self._path: Path | None = None
        self._made: tuple[int, int] | None = None  # the socket's file, so that nobody else's is removed

    def tcp(self, host: str, port: int, patience: float, workers: int = 1, *, waiting: bool = True) -> None:
        """workers: how many processes will listen. patience: seconds to wait for a port or socket that somebody has, as
        a killed gateway's processes do for a moment. waiting: clients may connect from now on, and wait until one of those
        serves; otherwise they are refused until then."""
        listener = _tcp(host, port, patience)
        self._port = listener.getsockname()[1]
        self._ports = [listener]
        if workers > 1 and sys.platform == "linux":  # others have the option, and do not spread by it
            self._ports = _spread(listener, workers)
        for one in self._ports if waiting else ():
            _listen(one, f"{host}:{port}")

    def unix(self, path: Path, group: str | None, patience: float) -> None:
        """For this user alone, under any umask, or for a group, too. A socket that nobody listens on any more is taken
        over."""
        try:
            listener = _unix(path, group, patience)
            found = path.lstat()
        except PointsmanError:
            self.close()
            raise
        self._sockets.append(listener)
        self._path, self._made = path, (found.st_dev, found.st_ino)

    def url(self, host: str) -> str:
        """Where the gateway is, for a program on this computer: `http://HOST:PORT`, or `unix:///PATH` where there is no
        port."""
        if self._port is None:
            return f"unix://{self._path}"
        host = EVERYWHERE.get(host, host)
        return f"http://[{host}]:{self._port}" if ":" in host else f"http://{host}:{self._port}"

    @property
    def descriptors(self) -> tuple[int, ...]:
        """All of them."""
        return tuple(one.fileno() for one in (*self._ports, *self._sockets))

    def of_worker(self, slot: int) -> tuple[int, ...]:
        """What the process of that slot inherits. slot: from 0."""
        ports = self._ports[slot % len(self._ports) :][:1] if self._ports else []
        return tuple(one.fileno() for one in (*ports, *self._sockets))

    def close(self) -> None:
        """Ours; and the socket's file goes."""
        for one in (*self._ports, *self._sockets):
            one.close()
        if self._path is not None:
            with suppress(OSError):
                found = self._path.lstat()
                if (found.st_dev, found.st_ino) == self._made:
                    self._path.unlink()
            self._path = None


def _tcp(host: str, port: int, patience: float) -> socket.socket:
    """patience: seconds to wait for a port that somebody has, as a killed gateway's processes do for a moment."""
    until = time.monotonic() + patience
    while patience and time.monotonic() < until:
        with suppress(PointsmanError):
            return _tcp(host, port, 0.0)
        time.sleep(0.05)
    try:
        info = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        listener = socket.socket(info[0], socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(info[4])
        listener.setblocking(False)
    except UnicodeError:
        raise PointsmanError(
            ErrorKind.UNAVAILABLE, f"cannot listen on {host[:80]!r}: no host is so named"
        ) from None
    except OSError as error:
        raise _not_listening(f"{host}:{port}", error) from None
    return listener


def _listen(listener: socket.socket, said: str) -> None:
    """Two that start at once may both have bound the address: only one of them gets to listen."""
    try:
        listener.listen(_QUEUE)
    except OSError as error:
        raise _not_listening(said, error) from None


def _not_listening(where: str, error: OSError) -> PointsmanError:
    text = f"cannot listen on {where}: {error.strerror}"
    if error.errno == errno.EADDRINUSE:
        text += "; something else has the port: choose another with --port, or --port 0 for a free one"
    return PointsmanError(ErrorKind.UNAVAILABLE, text)


def _spread(first: socket.socket, workers: int) -> list[socket.socket]:
    """As many sockets on the address of `first`, which was bound without the option: so it found that nobody else listens
    there, which one with it does not find out."""
    address = first.getsockname()
    listeners = []
    first.close()
    try:
        for _ in range(workers):
            listener = socket.socket(first.family, socket.SOCK_STREAM)
            listeners.append(listener)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            listener.bind(address)
            listener.setblocking(False)
    except OSError as error:
        for listener in listeners:
            listener.close()
        text = f"cannot listen on {address[0]}:{address[1]} with several processes: {error.strerror}"
        raise PointsmanError(ErrorKind.UNAVAILABLE, text) from None
    return listeners


def _unix(path: Path, group: str | None, patience: float) -> socket.socket:
    until = time.monotonic() + patience
    while True:
        with _alone(path.parent):
            if not _lives(path):
                return _bound(path, group)
        if time.monotonic() >= until:
            text = f"cannot listen on {path}: somebody else listens there; stop that, or choose another with --unix"
            raise PointsmanError(ErrorKind.UNAVAILABLE, text)
        time.sleep(0.05)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Gateways that start at once take a socket over one after the other: until it listens it looks like one that was left
    behind. Where the folder cannot be locked, or somebody keeps it locked, they take their chance."""
    try:
        lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:  # binding says what is wrong with it
        yield
        return
    try:
        until = time.monotonic() + _LOCK_SECONDS
        while time.monotonic() < until:
            with suppress(OSError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            time.sleep(0.01)
        yield
    finally:
        os.close(lock)


def _bound(path: Path, group: str | None) -> socket.socket:
    try:
        listener = private_socket(str(path))
    except OSError as error:
        why = (
            str(error) if error.strerror is None else error.strerror
        )  # a path that is too long has no number
        if error.errno == errno.EADDRINUSE:
            why = (
                "it is a folder; name a file in it"
                if path.is_dir()
                else "there is a file that is no socket; remove it, or choose another path"
            )
        raise _refused(path, why.lower()) from None
    try:
        if group is not None:
            shutil.chown(path, group=int(group) if group.isdigit() else group)
            path.chmod(0o660)
        listener.listen(_QUEUE)
    except (OSError, LookupError, OverflowError) as error:
        listener.close()
        path.unlink(missing_ok=True)
        why = (error.strerror or "").lower() if isinstance(error, OSError) else "there is no such group"
        raise _refused(path, f"for the group {group}: {why}") from None
    return listener


def _refused(path: Path, why: str) -> PointsmanError:
    return PointsmanError(ErrorKind.UNAVAILABLE, f"cannot listen on {path}: {why}")


def _lives(path: Path) -> bool:
    """Does somebody listen there?"""
    try:
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            return False
    except OSError:
        return False
    with socket.socket(socket.AF_UNIX) as probe:
        probe.setblocking(False)
        try:
            probe.connect(str(path))
        except BlockingIOError:  # its queue is full
            return True
        except OSError:
            return False
    return True
