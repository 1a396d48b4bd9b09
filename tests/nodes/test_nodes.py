"""Three gateways in network namespaces behind nginx, under load, in short: no request fails, no usage row is lost or twice,
all serve by the same rules right after. `make nodes` plays everything, and longer. Not here: a node that is restarted
(tests/deploy/test_first_steps.py)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from . import plays
from .changes import many
from .plays import Played, Trouble
from .site import Site, missing, site

pytestmark = pytest.mark.timeout(400)
"""Three gateways, PostgreSQL and nginx start first: seconds on a quiet machine."""
_REST_SECONDS = 0.1


@pytest.fixture(scope="module")
def played() -> Iterator[Site]:
    if why := missing():
        pytest.skip(f"nodes are not rehearsed: {why}")
    with site(_REST_SECONDS) as found:
        yield found


def kept(seen: Played) -> None:
    assert seen.ok, f"{seen.done}: {seen.seen}"


def test_changes_on_all_nodes_at_once_end_the_same_on_all(played: Site) -> None:
    kept(many(played, 24))


@pytest.mark.parametrize(
    "trouble",
    [plays.database_crashed, plays.node_cut, plays.database_paused, plays.killed_in_a_change],
    ids=lambda trouble: trouble.__name__,
)
def test_no_request_fails_and_nothing_is_lost(played: Site, trouble: Callable[[Site], Trouble]) -> None:
    kept(plays.play(played, trouble(played)))
