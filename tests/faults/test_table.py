"""A slice of the fault table (`make faults` runs every cell): no hang, no clean end after a cut, every error in the
client's own shape."""

from __future__ import annotations

import pytest
import uvloop

from .cell import Cell, run, slice_of


@pytest.mark.parametrize("cell", slice_of(), ids=str)
def test_a_fault_ends_as_the_table_says(cell: Cell) -> None:
    outcome = uvloop.run(run(cell))
    assert outcome.problem is None, outcome
