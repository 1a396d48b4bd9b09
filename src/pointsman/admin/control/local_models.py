"""Which models the local servers hold, as `explain` needs it: asked all at once, kept for some seconds.

The data plane keeps lists of its own; it serves while this process is away.
"""

from __future__ import annotations

import asyncio
import time

from ...kinds import BackendType
from ...link.messages import BackendSpec, Snapshot

LIST_SECONDS = 2.0
KEEP_SECONDS = 10.0


class ModelLists:
    """Answers from memory while the snapshot is the same and the lists are young."""

    def __init__(self) -> None:
        self._lists: dict[str, list[str]] = {}
        self._version = -1
        self._until = 0.0

    async def of(self, snapshot: Snapshot) -> dict[str, list[str]]:
        """Local backend's key -> its models; one that does not answer in time lists none."""
        if snapshot.version == self._version and time.monotonic() < self._until:
            return self._lists
        specs = [
            spec for spec in snapshot.backends if spec.type == BackendType.LOCAL and spec.problem is None
        ]
        found = await asyncio.gather(*(_listed(spec) for spec in specs))
        self._lists = {spec.key: models for spec, models in zip(specs, found, strict=True)}
        self._version, self._until = snapshot.version, time.monotonic() + KEEP_SECONDS
        return self._lists


async def _listed(spec: BackendSpec) -> list[str]:
    from ...upstream.probe import probe

    try:
        async with asyncio.timeout(LIST_SECONDS):
            return list((await probe(spec)).models)
    except TimeoutError:
        return []
