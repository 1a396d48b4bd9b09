"""Network namespaces of a rehearsal's own: computers with an address each on one bridge, which may be cut off.

A thread steps into one; what it starts or connects there belongs to that computer for good. Unix sockets and files are
everybody's. Not here: what runs on them (site.py).
"""

from __future__ import annotations

import ctypes
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.bench.tools import find

_CLONE_NEWNET = 0x40000000
_HOME = Path("/proc/thread-self/ns/net")
_NAMED = Path("/run/netns")
_NETWORK = "10.77.0"
_FIRST = 11
"""The last number of the first one's address; the bridge has none."""
_NETNS_SECONDS = 20


def missing() -> str | None:
    """Why there can be none here."""
    absent = [tool for tool in ("ip", "nft") if find(tool) is None]
    if absent:
        return f"not installed: {', '.join(absent)} (apt-get install iproute2 nftables)"
    if not hasattr(ctypes.CDLL(None), "setns"):
        return "this system has no network namespaces"
    probe = f"pm-probe-{os.getpid()}"
    if _ip("netns", "add", probe, check=False):
        return "this user may not make network namespaces"
    _ip("netns", "delete", probe)
    return None


class Computers:
    """`with Computers("db", "n1") as computers:` the bridge is in the first one. addresses: by name."""

    def __init__(self, *names: str) -> None:
        self._mark = f"pm{os.getpid()}"
        self._names = names
        self.addresses = {name: f"{_NETWORK}.{_FIRST + at}" for at, name in enumerate(names)}

    def __enter__(self) -> Computers:
        _remove_left()
        try:
            for name in self._names:
                _ip("netns", "add", self._full(name))
            first = self._names[0]
            self.run(first, "ip", "link", "add", "bridge", "type", "bridge")
            self.run(first, "ip", "link", "set", "bridge", "up")
            for name in self._names:
                self._join(name, first)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for name in self._names:
            _ip("netns", "delete", self._full(name), check=False)

    def run(self, name: str, *words: str) -> None:
        """A command of the system's, there."""
        _run("ip", "netns", "exec", self._full(name), *words)

    @contextmanager
    def on(self, name: str) -> Iterator[None]:
        """This thread is on that computer until the block ends: what it starts and connects is there."""
        with _HOME.open() as home, (_NAMED / self._full(name)).open() as there:
            _enter(there.fileno())
            try:
                yield
            finally:
                _enter(home.fileno())

    def cut(self, name: str, other: str) -> None:
        """Not one packet between the two any longer, and nobody is told: as a cable that was pulled."""
        far = self.addresses[other]
        self.run(name, "nft", "add", "table", "ip", "cut")
        for hook, side in (("input", "saddr"), ("output", "daddr")):
            self.run(
                name,
                "nft",
                f"add chain ip cut {hook} {{ type filter hook {hook} priority 0; policy accept; }}",
            )
            self.run(name, "nft", f"add rule ip cut {hook} ip {side} {far} drop")

    def mend(self, name: str) -> None:
        self.run(name, "nft", "delete", "table", "ip", "cut")

    def _join(self, name: str, first: str) -> None:
        here, there = f"b{name}", self._full(first)
        _ip("-n", self._full(name), "link", "set", "lo", "up")
        _ip(
            "-n", self._full(name), "link", "add", "eth", "type", "veth", "peer", "name", here, "netns", there
        )
        _ip("-n", self._full(name), "address", "add", f"{self.addresses[name]}/24", "dev", "eth")
        _ip("-n", self._full(name), "link", "set", "eth", "up")
        _ip("-n", there, "link", "set", here, "master", "bridge")
        _ip("-n", there, "link", "set", here, "up")

    def _full(self, name: str) -> str:
        return f"{self._mark}-{name}"


def _remove_left() -> None:
    """Of rehearsals that were killed."""
    for path in _NAMED.glob("pm[0-9]*-*") if _NAMED.is_dir() else ():
        owner = path.name[2:].partition("-")[0]
        if owner.isdecimal() and not Path("/proc", owner).exists():
            _ip("netns", "delete", path.name, check=False)


_libc = ctypes.CDLL(None, use_errno=True)


def _enter(descriptor: int) -> None:
    if _libc.setns(descriptor, _CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _ip(*words: str, check: bool = True) -> int:
    return _run("ip", *words, check=check)


def _run(*words: str, check: bool = True) -> int:
    found = find(words[0])
    done = subprocess.run(
        [found or words[0], *words[1:]], capture_output=True, text=True, check=False, timeout=_NETNS_SECONDS
    )
    if check and done.returncode:
        raise RuntimeError(f"{' '.join(words)}: {done.stderr.strip()}")
    return done.returncode
