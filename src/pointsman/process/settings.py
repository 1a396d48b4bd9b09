"""What a start is told by its environment, read once: limits, Hosts and web origins let in, a first client key; what other
processes read again (proxies, the log) is looked at. All that is mistyped is said in one line. Not here: options
(cli/serve.py), the master key (admin/vault.py).
"""

from __future__ import annotations

import errno
import os
import re
import select
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar

from .. import config
from ..errors import PointsmanError
from ..kinds import ErrorKind
from ..providers.proxies import Proxies
from ..secret import Secret
from ..wire.authority import parse_host
from ..wire.origins import parse_origin
from .environment import take

Value = TypeVar("Value")

_FILE_BYTES = 4096
_FILE_SECONDS = 10.0
"""For a pipe, as `<(command)` is."""
_SHORTEST, _LONGEST = 32, 256
_FEWEST = 9
"""Different characters; of 32 random hex digits fewer come once in 10,000 times."""
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*", re.ASCII).fullmatch  # token68 of RFC 9110: what a bearer may be
_REPEATED = re.compile(r"(.{1,32}?)\1+(.{0,31})", re.ASCII).fullmatch
_MAKE_ONE = "make one with: openssl rand -hex 32"


@dataclass(frozen=True, slots=True)
class Settings:
    """client_key: a key that clients may send from the first moment on, None = none was given."""

    limits: config.Limits
    hosts: tuple[str, ...]
    origins: tuple[str, ...]
    client_key: Secret | None


def read_settings() -> Settings:
    """Raises PointsmanError with everything that is wrong. Takes the client key out of the environment."""
    problems: list[str] = []

    def read(what: Callable[[], Value], instead: Value) -> Value:
        try:
            return what()
        except PointsmanError as error:
            problems.append(error.public)
            return instead

    settings = Settings(
        limits=read(config.Limits.from_environment, config.Limits()),
        hosts=read(lambda: config.listed(config.HOSTS_VARIABLE, parse_host), ()),
        origins=read(lambda: config.listed(config.ORIGINS_VARIABLE, parse_origin), ()),
        client_key=read(_client_key, None),
    )
    read(config.log_wishes, config.LogWishes())  # which other processes use, and cannot tell of
    read(config.local_host, "")  # likewise
    read(config.otel_url, "")
    read(lambda: Proxies.from_environment(os.environ), Proxies())
    if problems:
        raise PointsmanError(ErrorKind.INVALID, "; ".join(problems))
    return settings


def _client_key() -> Secret | None:
    given, path = take(config.CLIENT_KEY_VARIABLE), os.environ.get(config.CLIENT_KEY_FILE_VARIABLE)
    if given is not None and path is not None:
        raise _wrong(
            f"{config.CLIENT_KEY_VARIABLE} and {config.CLIENT_KEY_FILE_VARIABLE} are both set; take one"
        )
    if given is not None:
        return _checked(config.CLIENT_KEY_VARIABLE, given.reveal())
    return None if path is None else _checked(config.CLIENT_KEY_FILE_VARIABLE, _read(path))


def _read(path: str) -> str:
    """A file of one line. Its mode is its owner's business: Docker mounts secrets 0444, Kubernetes 0644."""
    try:
        return _bytes_of(path).decode("utf-8-sig", "replace")
    except (OSError, ValueError) as error:
        said = getattr(error, "strerror", None) or "no such path can be"
        raise _wrong(f"{config.CLIENT_KEY_FILE_VARIABLE}={path[:100]!r} cannot be read ({said})") from None


def _bytes_of(path: str) -> bytes:
    """Raises OSError, also for what does not end: a pipe that nobody writes into would hold the start up for ever, and
    without a word. Raises ValueError for what can be no path."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    until = time.monotonic() + _FILE_SECONDS
    found = b""
    try:
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        while len(found) <= _FILE_BYTES:
            if not poll.poll(max(0.0, until - time.monotonic()) * 1000):
                raise TimeoutError(errno.ETIMEDOUT, f"its end did not come within {_FILE_SECONDS:g} s")
            piece = os.read(descriptor, _FILE_BYTES)
            if not piece:
                return found
            found += piece
    finally:
        os.close(descriptor)
    raise OSError(errno.EFBIG, f"it holds more than {_FILE_BYTES} bytes")


def _checked(variable: str, text: str) -> Secret:
    """The key less the line's end. Raises PointsmanError that does not show it."""
    key = text.strip()
    if not key:
        raise _wrong(f"{variable} holds no key; {_MAKE_ONE}")
    if not _TOKEN(key):
        raise _wrong(
            f"{variable} holds what cannot stand in a header: a key has letters, digits and . _ ~ + / - only; {_MAKE_ONE}"
        )
    if not _SHORTEST <= len(key) <= _LONGEST:
        raise _wrong(
            f"{variable} holds a key of {len(key)} characters; it needs {_SHORTEST} to {_LONGEST}; {_MAKE_ONE}"
        )
    if _is_guessable(key):
        raise _wrong(f"{variable} holds a key that can be guessed; {_MAKE_ONE}")
    return Secret(key)


def _is_guessable(key: str) -> bool:
    """Few different characters, something repeated, or a run such as `abcd...`."""
    repeated = _REPEATED(key)
    steps = [ord(after) - ord(before) for before, after in pairwise(key)]
    return (
        len(set(key)) < _FEWEST
        or (repeated is not None and repeated[1].startswith(repeated[2]))
        or sum(abs(step) <= 1 for step in steps) > len(steps) // 2
    )


def _wrong(text: str) -> PointsmanError:
    return PointsmanError(ErrorKind.INVALID, text)
