"""What discovery found on this computer, beside what is stored: names, and the backends that they become. Pure.

Not here: looking (upstream/discovery.py), and keeping one as a row (routers/discovery.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from ...kinds import BackendType, backend_key
from ...link.messages import FoundServer
from ...providers.catalog import CATALOG
from ...providers.urls import is_loopback, parse_base_url
from ...routing.specs import BackendSpec


class Named(NamedTuple):
    """A found server under the name by which rules, `explain` and `local adopt` know it."""

    name: str
    server: FoundServer

    @property
    def key(self) -> str:
        """`local/ollama`."""
        return backend_key(BackendType.LOCAL, self.name)


def named(servers: Sequence[FoundServer], stored: Mapping[str, str], ours: Iterable[str] = ()) -> list[Named]:
    """Those that nobody has added. ours: addresses of engines that we have started ourselves. stored: name -> base URL
    of every local backend, disabled ones too: what somebody has switched off is not taken up again behind his back. A
    name is the engine's; where it is taken, with the port."""
    known = {*map(_address, stored.values()), *map(_address, ours)}
    taken = set(stored)
    found: list[Named] = []
    for server in servers:
        address = _address(server.base_url)
        if address in known:
            continue
        known.add(address)
        name = server.engine if server.engine not in taken else f"{server.engine}-{address[1]}"
        if name in taken:
            continue
        taken.add(name)
        found.append(Named(name, server))
    return found


def keeper(server: FoundServer, stored: Mapping[str, str]) -> str | None:
    """The name of the stored backend that is this server."""
    address = _address(server.base_url)
    return next((name for name, url in stored.items() if _address(url) == address), None)


def specs(found: Iterable[Named]) -> tuple[BackendSpec, ...]:
    """As backends that names which no rule matches may go to; without those that somebody must adopt first."""
    return tuple(
        BackendSpec(
            key=one.key,
            type=BackendType.LOCAL.value,
            name=one.name,
            base_url=one.server.base_url,
            stream_usage=CATALOG[BackendType.LOCAL].stream_usage,
            found=True,
        )
        for one in found
        if one.server.problem is None
    )


def _address(base_url: str) -> tuple[str, int]:
    """(host, port), loopback by whatever name being one host; a Unix socket is its path."""
    try:
        url = parse_base_url(base_url)
    except ValueError:
        return base_url, 0
    if url.socket:
        return url.socket, 0
    near = url.host == "localhost" or (url.address is not None and is_loopback(url.host))
    return ("" if near else url.host), url.port
