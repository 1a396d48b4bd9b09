"""A walled model's spellings through the running gateway: not one of them reaches the backend on the other side."""

from __future__ import annotations

import json

import pytest
import uvloop

from pointsman.practice import Reply, ScriptedUpstream
from pointsman.routing.specs import BackendSpec
from tests.agents.model import CHAT, JSON, MESSAGES, RESPONSES, WHOLE
from tests.conformance.facts import ASK

from .plane import plane, rule

PATHS = {CHAT: "/v1/chat/completions", RESPONSES: "/v1/responses", MESSAGES: "/v1/messages"}


@pytest.mark.parametrize("client", PATHS)
@pytest.mark.parametrize(
    "name",
    [
        "secret",
        "secret[1m]",
        "Secret",
        "secret:latest",
        "openai/secret[1M]",
        "\uff53ecret",
        "models/secret.",
        "%73ecret",
    ],
)
def test_a_walled_model_in_another_spelling_stays_here(client: str, name: str) -> None:
    async def main() -> None:
        with ScriptedUpstream() as here, ScriptedUpstream() as away:
            here.always(Reply(200, JSON, body=WHOLE[client]("from here")))
            away.always(Reply(200, JSON, body=WHOLE[client]("from away")))
            async with plane() as found:
                found.rules(
                    rule("secret", "local/here", local_only=True),
                    rule("*", "openai/away", id=2),
                    backends=[
                        BackendSpec("local/here", "local", "here", here.url, (client,)),
                        BackendSpec("openai/away", "openai", "away", away.url, (client,), allow_http=True),
                    ],
                )
                got = await found.ask(PATHS[client], {**ASK[client], "model": name, "stream": False})
                assert (got.status, b"from here" in got.body) == (200, True)
                assert away.requests == []
                asked = [one for one in here.requests if one.method == "POST"]
                assert [json.loads(one.body)["model"] for one in asked] == ["secret"]
                count = {**ASK[MESSAGES], "model": name}
                await found.ask("/v1/messages/count_tokens", count)
                assert away.requests == []
                listed = await found.ask(f"/v1/models/{name.encode().hex()}", b"", method="GET")
                assert listed.status in (200, 404)
                assert away.requests == []

    uvloop.run(main())


@pytest.mark.parametrize(
    "path",
    [
        "/v1/engines/secret/completions",
        "/v1/engines/a/secret%5B1m%5D/chat/completions",
        "/v1/deployments/Secret:predict",
        "/v1/openai/deployments/secret/chat/completions",
    ],
)
def test_a_walled_model_in_the_path_stays_here(path: str) -> None:
    async def main() -> None:
        with ScriptedUpstream() as here, ScriptedUpstream() as away:
            for one in (here, away):
                one.always(Reply(200, JSON, body=b"{}"))
            async with plane() as found:
                found.rules(
                    rule("secret", "local/here", local_only=True),
                    rule("*", "openai/away", id=2),
                    backends=[
                        BackendSpec("local/here", "local", "here", here.url),
                        BackendSpec("openai/away", "openai", "away", away.url, allow_http=True),
                    ],
                )
                await found.ask(path, {"model": "gpt", "prompt": "x"})
                assert away.requests == []
                await found.ask(path.replace("secret", "open").replace("Secret", "open"), {"model": "gpt"})
                assert away.requests != []

    uvloop.run(main())
