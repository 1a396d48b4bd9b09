"""A data plane whose backends are played in memory: what it asks servers of itself (lists, facts) finds nobody there."""

from __future__ import annotations

from typing import Any, cast

from pointsman.gateway.data_plane import DataPlane
from pointsman.upstream.failures import ConnectFailed
from pointsman.upstream.model_facts import ModelFacts
from pointsman.upstream.model_lists import ModelLists
from pointsman.upstream.pool import Pool


class Nobody:
    """Egress to where nobody is."""

    async def open(self, backend: object, closed: Any, *, local_only: bool = False) -> Any:
        raise ConnectFailed("tcp", "nobody is there")


def asks_nobody(plane: DataPlane) -> DataPlane:
    """The same plane; call it before rules are applied."""
    pool = Pool(cast(Any, Nobody()))
    plane.lists, plane.facts = ModelLists(pool), ModelFacts(pool, changed=plane.know_more)
    return plane
