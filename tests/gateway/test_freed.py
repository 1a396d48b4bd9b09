"""What a connection had is freed when it closes: nothing of it waits for the garbage collector, which seldom comes."""

from __future__ import annotations

import asyncio
import gc

from tests.upstream.raw import says, serving, spec_of

from .plane import plane, rule
from .test_lane_opening import ASK, CHAT, PATH, WHOLE, A, until

OURS = "pointsman."
DOUBLES = "pointsman.practice."
"""Of servers that run in a thread for other tests of this process: what ends there meanwhile is not what is asked here."""


def test_closed_connections_do_not_wait_for_the_garbage_collector() -> None:
    async def run() -> None:
        async with serving(says(WHOLE, close=False)) as server, plane() as gateway:
            gateway.rules(rule("m", f"{A}=m"), backends=[spec_of(server.port, key=A, **CHAT)])
            assert (await gateway.ask(PATH, ASK)).status == 200
            await until(lambda: not gateway.connections, "closed")
            gc.collect()
            gc.disable()
            try:
                for _ in range(5):
                    assert (await gateway.ask(PATH, ASK)).status == 200
                await until(lambda: not gateway.connections, "closed")
                gc.set_debug(gc.DEBUG_SAVEALL)
                gc.collect()
                kinds = [type(one) for one in gc.garbage]
                left = [
                    one
                    for one in kinds
                    if one.__module__.startswith(OURS) and not one.__module__.startswith(DOUBLES)
                ]
            finally:
                gc.set_debug(0)
                gc.garbage.clear()
                gc.enable()
            assert gateway.lanes == 5
            assert left == []

    asyncio.run(run())
