"""A slice of the fuzz targets: 2,000 inputs each, the same every time. `make fuzz` runs as many as you like."""

from __future__ import annotations

import random

import pytest

from .targets import TARGETS

INPUTS = 2000


@pytest.mark.parametrize("name", TARGETS)
def test_holds_for_every_input(name: str) -> None:
    for number in range(INPUTS):
        try:
            TARGETS[name](random.Random(f"{name} 1 {number}"))
        except Exception as error:
            raise AssertionError(
                f"make fuzz ARGS='--target {name} --seed 1 --first {number} --inputs 1'"
            ) from error
