"""The newest snapshot's routing as the data plane compiles it, kept from one question to the next, and the
lists of the local servers' models. For `explain`; nothing is routed by it.

The control plane asks the servers itself: the data plane's lists live in processes of their own.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from functools import cached_property

from ...config import local_host
from ...link.messages import Snapshot
from ...providers.proxies import Proxies
from ...routing.specs import PRACTICE_KEY, practice_spec
from ...routing.table import RoutingTable
from ...upstream.backend import Backend, compile_backends
from ...upstream.egress import Egress
from ...upstream.model_facts import ModelFacts
from ...upstream.model_lists import ModelLists
from ...upstream.pool import Pool

_CONNECT_SECONDS = 5.0


class RoutingView:
    """table and backends are those of the snapshot that `follow` was last called with."""

    def __init__(self) -> None:
        self._snapshot: Snapshot | None = None
        self._running: Mapping[str, str] = {}
        self.table = RoutingTable((), ())
        self.backends: dict[str, Backend] = {}

    @cached_property
    def egress(self) -> Egress:
        """Decides as the data plane's does. Raises PointsmanError where the environment's proxies cannot be read."""
        proxies = Proxies.from_environment(os.environ)
        return Egress(_CONNECT_SECONDS, proxies=proxies, local_host=local_host())

    @cached_property
    def _pool(self) -> Pool:
        return Pool(self.egress)

    @cached_property
    def facts(self) -> ModelFacts:
        """What local servers say of their models, where look_at() has asked them."""
        return ModelFacts(self._pool)

    @cached_property
    def _lists(self) -> ModelLists:
        return ModelLists(self._pool)

    def follow(self, snapshot: Snapshot, running: Mapping[str, str]) -> None:
        """Compile it, unless it is the one that is known. running: engine's name -> where it is now."""
        if snapshot is self._snapshot and running == self._running:
            return
        backends = (*snapshot.backends, practice_spec(""))
        specs, self.backends = compile_backends(backends, self.backends, running)
        self.table = RoutingTable(snapshot.mappings, specs)
        self._snapshot, self._running = snapshot, running

    async def look_at(self, keys: Iterable[str]) -> None:
        """Ask the local ones of these backends what their models are; waits at most `upstream.model_lists.WAIT_SECONDS`."""
        await self.facts.refresh(one for key in keys if (one := self.backends.get(key)) is not None)
        self.facts.close()
        self._pool.close()  # see listed()

    async def listed(self) -> dict[str, frozenset[str]]:
        """Local backend's key -> its models; asks those whose list is not fresh, and waits at most
        `upstream.model_lists.WAIT_SECONDS` for them."""
        # the practice model is in the data plane's processes, and never found by its list
        self._lists.follow({key: one for key, one in self.backends.items() if key != PRACTICE_KEY})
        await self._lists.refresh()
        self._pool.close()  # the next question may come in another event loop
        return self._lists.known
