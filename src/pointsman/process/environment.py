"""A secret that came by the environment is taken out of it, and reaches the one child that needs it by a pipe: an
environment is inherited by every child, and `/proc/PID/environ` shows it as it was at the start.

Not here: what the secret is for (admin/vault.py).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

from ..secret import Secret

_MAX = 4096
"""Bytes of all secrets; a pipe takes so many without a reader."""


def take(name: str) -> Secret | None:
    """The variable's value, which from now on stands neither in `os.environ` nor, on Linux, in `/proc/PID/environ`. None
    where it is not set."""
    value = os.environ.pop(name, None)
    if value is None:
        return None
    with suppress(
        OSError, ValueError
    ):  # no such file, or none that may be written: then it stands there, for its owner
        _overwrite(f"{name}={value}".encode("utf-8", "surrogateescape"), len(name) + 1)
    return Secret(value)


def _overwrite(entry: bytes, keep: int) -> None:
    """In the memory that the kernel shows: from field 50 to field 51 of proc(5)'s `stat`. keep: of the entry."""
    with open("/proc/self/stat", "rb") as stat:
        fields = stat.read().rpartition(b")")[2].split()  # the second field, before it, may hold spaces
    start, end = int(fields[47]), int(fields[48])
    with open("/proc/self/mem", "r+b", buffering=0) as memory:
        memory.seek(start)
        shown = b"\0" + memory.read(end - start)
        at = shown.find(b"\0" + entry + b"\0")
        if at >= 0:
            memory.seek(start + at + keep)
            memory.write(b"*" * (len(entry) - keep))


@contextmanager
def piped(secrets: Mapping[str, Secret]) -> Iterator[tuple[list[str], tuple[int, ...]]]:
    """(arguments, descriptors) for a child that reads them with from_pipe; none where there is no secret. secrets: by the
    variables' names."""
    if not secrets:
        yield [], ()
        return
    read, write = os.pipe()
    try:
        text = "\0".join(f"{name}={secret.reveal()}" for name, secret in secrets.items())
        os.write(write, text.encode("utf-8", "surrogateescape")[:_MAX])
        os.close(write)
        yield ["--key-fd", str(read)], (read,)
    finally:
        os.close(read)


def from_pipe(descriptor: int) -> dict[str, Secret]:
    """What the parent wrote there. Closes it."""
    with os.fdopen(descriptor, "rb") as pipe:
        text = pipe.read().decode("utf-8", "surrogateescape")
    pairs = (entry.partition("=") for entry in text.split("\0"))
    return {name: Secret(value) for name, _, value in pairs}
