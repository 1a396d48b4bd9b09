"""A second TLS connection to a backend goes on with the first one's session."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from pointsman.upstream.backend import Backend
from pointsman.upstream.egress import Egress
from pointsman.upstream.pool import Pool

from .certificates import authority_file, server_context
from .raw import GET, OK, Noted, Talker, serving, spec_of


@pytest.mark.parametrize("apart", [True, False], ids=["one after the other", "side by side"])
def test_a_session_goes_on(tmp_path: Path, apart: bool) -> None:
    reused: list[bool] = []

    async def talk(talker: Talker) -> None:
        reused.append(talker.writer.get_extra_info("ssl_object").session_reused)
        await talker.request()
        await talker.say(OK)
        await talker.gone()

    async def run() -> None:
        async with serving(talk, server_context(tmp_path)) as server:
            pool = Pool(Egress(5.0))
            authority = str(authority_file(tmp_path))
            backend = Backend(spec_of(server.port, scheme="https", host="localhost", ca_file=authority))
            open_ones = []
            for _ in range(3):
                conn = await pool.open(backend, False)
                noted = Noted()
                conn.send(GET, b"", noted)
                assert await noted.result() == "end"
                assert noted.status == 200
                if apart:
                    conn.close()
                    await asyncio.sleep(0.01)
                else:
                    open_ones.append(conn)
            for conn in open_ones:
                conn.close()
            pool.close()

    asyncio.run(run())
    assert reused == [False, True, True]


def test_a_handshake_that_is_under_way_has_no_session_to_give(tmp_path: Path) -> None:
    reused: list[bool] = []

    async def talk(talker: Talker) -> None:
        if talker.number > 1:
            await talker.writer.start_tls(server_context(tmp_path))
            reused.append(talker.writer.get_extra_info("ssl_object").session_reused)
        await talker.gone()

    async def run() -> None:
        async with serving(talk) as server:
            pool = Pool(Egress(5.0))
            authority = str(authority_file(tmp_path))
            backend = Backend(spec_of(server.port, scheme="https", host="localhost", ca_file=authority))
            first = asyncio.create_task(pool.open(backend, False))
            while server.accepted < 1:
                await asyncio.sleep(0.005)
            await asyncio.sleep(0.05)
            (await pool.open(backend, False)).close()
            first.cancel()
            await asyncio.gather(first, return_exceptions=True)

    asyncio.run(run())
    assert reused == [False]
