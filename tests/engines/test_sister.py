"""A look around takes neither this gateway nor a sister for an engine: as a real one answers."""

from __future__ import annotations

import asyncio

import pytest
import uvloop

from pointsman.engines.engine import EngineState
from pointsman.engines.registry import SIGNS, identify
from tests.gateway.plane import plane, rule

from .asking import answers_of


@pytest.mark.parametrize("keys_required", [False, True])
def test_this_gateway_is_known(keys_required: bool) -> None:
    async def main() -> None:
        async with plane() as found:
            found.rules(rule("*", "local/practice"), backends=[], keys_required=keys_required)
            answers = await asyncio.to_thread(answers_of, found.port, SIGNS)
            engine = identify(answers)
            assert engine is not None
            assert engine.own
            health = await asyncio.to_thread(answers_of, found.port, [engine.health])
            assert engine.state(health) is EngineState.READY
            if not keys_required:
                assert engine.version(answers)
                assert [one.name for one in engine.models(answers)] == ["practice"]

    uvloop.run(main())
