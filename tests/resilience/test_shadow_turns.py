"""A shadow takes no more of an engine than its share, whatever it takes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pointsman.resilience.shadow_turns import ShadowTurns


@given(st.lists(st.floats(0.001, 300), min_size=1, max_size=20), st.sampled_from([0.01, 0.2, 0.5, 1.0]))
def test_those_that_are_over_took_their_share_until_the_next_may_begin(
    each: list[float], share: float
) -> None:
    turns, now, busy = ShadowTurns(), 0.0, 0.0
    for took in each:
        assert turns.begin("here", now)
        assert not turns.begin("here", now + took), "one at a time"
        assert turns.begin("there", now)
        turns.end("there", now, 1.0)
        now += took
        busy += took
        turns.end("here", now, share)
        wait = took / share - took
        if wait > 0.01:
            assert not turns.begin("here", now + wait * 0.99)
        now += wait * 1.000001 + 1e-6
        assert busy <= share * now * 1.001
