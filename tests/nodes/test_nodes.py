"""Three gateways in network namespaces behind nginx, under load, in short: no request fails, no usage row is lost or twice,
limits hold, all serve by the same rules right after. `make nodes` plays everything, and longer. Not here: a node that is
restarted (tests/deploy/test_first_steps.py)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from . import troubles
from .changes import many
from .plays import Played, play
from .site import Site, missing, site

pytestmark = pytest.mark.timeout(400)
"""Three gateways, PostgreSQL and nginx start first: seconds on a quiet machine."""
_REST_SECONDS = 0.2
_BUDGET = 12_000


@pytest.fixture(scope="module")
def played() -> Iterator[Site]:
    if why := missing():
        pytest.skip(f"nodes are not rehearsed: {why}")
    with site(_REST_SECONDS) as found:
        yield found


def kept(seen: Played) -> None:
    assert seen.ok, f"{seen.done}: {seen.seen}"


def test_changes_on_all_nodes_at_once_end_the_same_on_all(played: Site) -> None:
    kept(many(played, 12))


def test_no_request_fails_and_nothing_is_lost_while_a_node_is_killed_and_another_one_cut_off(
    played: Site,
) -> None:
    killed = troubles.killed_in_a_change(played)
    kept(play(played, troubles.both(killed, troubles.node_cut(played, seconds=1.0)), _BUDGET))
