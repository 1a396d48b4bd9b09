"""The newest snapshot's routing as the data plane compiles it, kept from one question to the next, and the
lists of the local servers' models. For `explain`; nothing is routed by it.

The control plane asks the servers itself: the data plane's lists live in processes of their own.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property

from ...config import local_host
from ...link.messages import Snapshot
from ...providers.proxies import Proxies
from ...routing.specs import practice_spec
from ...routing.table import RoutingTable
from ...upstream.backend import Backend, compile_backends
from ...upstream.egress import Egress
from ...upstream.model_facts import ModelFacts
from ...upstream.model_lists import ModelLists, ProviderLists, has_list
from ...upstream.pool import Pool

_CONNECT_SECONDS = 5.0

Listed = dict[str, frozenset[str]]
Listing = tuple[int, Listed, Listed]


class RoutingView:
    """table and backends are those of the snapshot that `follow` was last called with."""

    def __init__(self) -> None:
        self._snapshot: Snapshot | None = None
        self._running: Mapping[str, str] = {}
        self.table = RoutingTable((), ())
        self.backends: dict[str, Backend] = {}
        self._looking: asyncio.Task[None] | None = None
        self._silent: list[str] = []

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

    @cached_property
    def _provider_lists(self) -> ProviderLists:
        return ProviderLists(self._pool)

    def _follow_lists(self) -> None:
        # the practice model is in the data plane's processes, and never found by its list
        self._lists.follow({key: one for key, one in self.backends.items() if not one.spec.built_in})

    def follow(self, snapshot: Snapshot, running: Mapping[str, str]) -> None:
        """Compile it, unless it is the one that is known. running: engine's name -> where it is now."""
        if snapshot is self._snapshot and running == self._running:
            return
        backends = (*snapshot.backends, practice_spec(""))
        specs, self.backends = compile_backends(backends, self.backends, running)
        self.table = RoutingTable(snapshot.mappings, specs)
        self._snapshot, self._running = snapshot, running

    async def look_around(self, seconds: float, changed: Callable[[], None]) -> None:
        """Ask every local server, and the providers to which rules send names as they come, for their models, where that
        was not done lately; returns after so many seconds at the latest, and the rest comes behind. changed: called when
        it has."""
        before = self.listing
        if self._looking is None or self._looking.done():
            self._follow_lists()
            self._looking = asyncio.get_running_loop().create_task(self._look())
        task = self._looking
        await asyncio.wait([task], timeout=seconds)
        if not task.done():
            task.add_done_callback(lambda _: changed() if self.listing != before else None)

    async def _look(self) -> None:
        open_to = (self.backends.get(key) for key in self.table.open_backends())
        providers = [one for one in open_to if one is not None and has_list(one)]
        near = [one for one in self.backends.values() if one.local and one.spec.problem is None]
        await asyncio.gather(
            self._lists.refresh(), self._provider_lists.refresh(providers), self.facts.refresh(near)
        )
        self._silent = [one.spec.key for one in (*near, *providers) if self._has_not_told(one)]
        self._pool.close()  # see listed()

    def _has_not_told(self, backend: Backend) -> bool:
        known = self._lists.known if backend.local else self._provider_lists.known
        return backend.spec.key not in known and not backend.spec.built_in

    @property
    def asking(self) -> bool:
        """Has not everybody answered yet who was asked last?"""
        return self._looking is not None and not self._looking.done()

    @property
    def silent(self) -> list[str]:
        """Backends that have not told their models when they were asked last."""
        return [key for key in self._silent if key in self.backends]

    @property
    def listing(self) -> Listing:
        """What names follow from: the rules, and who lists what, local servers and providers."""
        version = 0 if self._snapshot is None else self._snapshot.version
        return version, dict(self._lists.known), dict(self._provider_lists.known)

    async def look_at(self, keys: Iterable[str]) -> None:
        """Ask the local ones of these backends what their models are; waits at most `upstream.model_lists.WAIT_SECONDS`."""
        await self.facts.refresh(one for key in keys if (one := self.backends.get(key)) is not None)
        self.facts.close()
        self._pool.close()  # see listed()

    async def listed(self) -> dict[str, frozenset[str]]:
        """Local backend's key -> its models; asks those whose list is not fresh, and waits at most
        `upstream.model_lists.WAIT_SECONDS` for them."""
        self._follow_lists()
        await self._lists.refresh()
        self._pool.close()  # the next question may come in another event loop
        return self._lists.known
