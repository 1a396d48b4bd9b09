"""An error of the gateway's own has a name, under which the pages say what it means and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest
import uvloop

from pointsman.practice import Reply, ScriptedUpstream

from .plane import plane, rule
from .test_translation import CHAT, JSON, MESSAGES, PATHS, RESPONSES, ask, spec

ERRORS = (Path(__file__).parents[2] / "docs" / "reference" / "errors.md").read_text()


@pytest.mark.parametrize("client", [CHAT, MESSAGES, RESPONSES])
def test_an_error_of_ours_is_named_and_a_backends_is_not(client: str) -> None:
    async def main() -> None:
        with ScriptedUpstream() as server:
            server.always(Reply(400, JSON, body=b'{"error":{"message":"no","type":"invalid_request_error"}}'))
            async with plane() as found:
                found.rules(rule("m", "local/box"), backends=[spec(server, client)])
                theirs = await found.ask(PATHS[client], ask(client))
                assert (theirs.status, theirs.headers.get("x-pointsman-error")) == (400, None)
                for body, name in (
                    (ask(client) | {"model": "nobody"}, "model_not_found"),
                    (b"{", "bad_request"),
                ):
                    ours = await found.ask(PATHS[client], body)
                    assert ours.headers["x-pointsman-error"] == name
                    assert f"## {name}\n" in ERRORS

    uvloop.run(main())
