"""Customs on the wire: with `mask` and `refuse` no credential arrives at a backend that is not local, in no protocol; the
client has its own back in the answer; and what was found is told by kind and place."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import Any

import msgspec
import pytest
import uvloop

from pointsman.admin.store.client_keys import digest
from pointsman.link.messages import ClientKeySpec
from pointsman.practice import Received, Reply, ScriptedUpstream
from pointsman.routing.specs import BackendSpec
from pointsman.secret import Secret, SecretBytes
from tests.agents.model import CHAT, JSON, MESSAGES, RESPONSES, SSE, STREAM, WHOLE
from tests.vendor_bodies.wire import Call

from .plane import Got, Plane, plane, rule
from .test_recovered_calls import heard
from .test_rewritten_schemas import tool
from .test_translation import PATHS, spec

EACH = [(client, upstream) for client in PATHS for upstream in PATHS]
KEY = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQ\n-----END PRIVATE KEY-----"
ENV = f"Here is it:\nSTRIPE=sk_live_a8Kd02mfPq71LsXz93Wc\n{KEY}\nend"
SCHEMA = {"type": "object", "properties": {"key": {"type": "string"}, "again": {"type": "string"}}}
NAME = re.compile(rb"PMSECRET_[a-z2-7]{16}")


def cloud(server: ScriptedUpstream, upstream: str, **more: Any) -> BackendSpec:
    return BackendSpec(
        "openai/x",
        "openai",
        "x",
        server.url,
        (upstream,),
        allow_http=True,
        api_key=Secret("the-gateways-own-key-01"),
        **more,
    )


def echo(upstream: str, call: bool, before: str = "") -> Any:
    """Says what it was told: the words that stand where the credentials stood."""

    def reply(received: Received) -> Reply:
        names = [one.decode() for one in NAME.findall(received.body)]
        key = names[-1] if names else "none"
        step: Any = Call("use", {"key": key, "again": before + key}) if call else f"{before}{key} and {key}."
        if received.json().get("stream"):
            return Reply(200, SSE, body=STREAM[upstream](step))
        return Reply(200, JSON, body=WHOLE[upstream](step))

    return reply


def said(client: str, text: str, **more: Any) -> dict[str, Any]:
    tools = [tool(client, "use", SCHEMA)]
    if client == RESPONSES:
        return {"model": "m", "input": [{"role": "user", "content": text}], "tools": tools, **more}
    least = {"max_tokens": 100} if client == MESSAGES else {}
    return {"model": "m", "messages": [{"role": "user", "content": text}], "tools": tools, **least, **more}


def place(client: str) -> str:
    return "input[0].content" if client == RESPONSES else "messages[0].content"


def served(work: Any, upstream: str = CHAT, reply: Any = None, **rules: Any) -> Any:
    """work(plane, server) with a rule `m` to a cloud backend."""

    async def main() -> Any:
        with ScriptedUpstream() as server:
            server.always(reply or echo(upstream, False))
            async with plane() as found:
                more = rules.pop("snapshot", {})
                found.rules(
                    rule("m", "openai/x", **rules),
                    backends=[cloud(server, upstream)],
                    pepper=SecretBytes(b"p" * 32),
                    **more,
                )
                return await work(found, server)

    return uvloop.run(main())


def never(server: ScriptedUpstream) -> None:
    """No credential has arrived."""
    for one in server.requests:
        for piece in (b"sk_live_a8", b"MIIEvQ", b"PRIVATE KEY"):
            assert piece not in one.body, one.body


def counted(found: Plane, kind: str, action: str) -> int:
    samples = found.plane.counters.samples()
    return int(samples.get(f'pointsman_customs_total{{kind="{kind}",action="{action}"}}', 0))


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize(("client", "upstream"), EACH)
def test_what_is_masked_never_arrives_and_comes_back(client: str, upstream: str, stream: bool) -> None:
    async def work(found: Plane, server: ScriptedUpstream) -> None:
        for call in (False, True):
            for before in ("", "P", "x PMSECRET_"):
                server.always(echo(upstream, call, before))
                got = await found.ask(PATHS[client], said(client, ENV, stream=stream))
                text, calls, _ = heard(client, got, stream)
                if call:
                    assert calls == [("use", {"key": KEY, "again": before + KEY})]
                else:
                    assert text == f"{before}{KEY} and {KEY}."
                assert (
                    got.headers["x-pointsman-customs"]
                    == f"masked; stripe_key {place(client)}; private_key {place(client)}"
                )
                assert f"masked:private_key at {place(client)}" in got.headers["x-pointsman-warnings"]
        never(server)
        assert server.requests
        assert found.lanes == 0
        assert counted(found, "private_key", "mask") == 6
        (record, *_) = await found.recorded(6)
        assert "masked:stripe_key" in str(record.warnings)

    served(work, upstream, customs="mask")


@pytest.mark.parametrize(("client", "upstream"), EACH)
def test_what_is_refused_is_told_by_its_place_and_nothing_is_sent(client: str, upstream: str) -> None:
    async def work(found: Plane, server: ScriptedUpstream) -> None:
        got = await found.ask(PATHS[client], said(client, ENV))
        assert got.status == 400
        error = got.json()["error"]
        assert (
            f"{place(client)} holds what looks like a credential (stripe_key, and 1 more)" in error["message"]
        )
        assert b"sk_live" not in got.body
        assert b"PRIVATE" not in got.body
        if client != MESSAGES:
            assert error["param"] == place(client)
            assert error["code"] == "customs_refused"
        assert [one for one in server.requests if one.method == "POST"] == []
        assert counted(found, "stripe_key", "refuse") == 1
        assert f"refused:stripe_key at {place(client)}" in str((await found.recorded())[0].warnings)
        assert (await found.ask(PATHS[client], said(client, "hello"))).status == 200

    served(work, upstream, customs="refuse")


def test_a_warning_lets_it_go_as_it_is() -> None:
    async def work(found: Plane, server: ScriptedUpstream) -> None:
        got = await found.ask(PATHS[CHAT], said(CHAT, ENV))
        assert got.status == 200
        assert got.headers["x-pointsman-customs"].startswith("found; stripe_key messages[0].content")
        assert json.loads(server.requests[-1].body)["messages"][0]["content"] == ENV
        assert "found:private_key" in str((await found.recorded())[0].warnings)

    served(work, customs="warn")


def test_nothing_is_looked_through_until_somebody_asks() -> None:
    async def work(found: Plane, server: ScriptedUpstream) -> None:
        got = await found.ask(PATHS[CHAT], said(CHAT, ENV))
        assert "x-pointsman-customs" not in got.headers
        assert found.plane.rules is not None
        assert found.plane.rules.customs is None

    served(work)


def test_who_does_not_ask_for_it_loads_none_of_it() -> None:
    code = "import sys, pointsman.gateway.__main__; print([m for m in sys.modules if 'customs' in m])"
    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert said.stdout.strip() == "['pointsman.customs', 'pointsman.customs.kept']"


def test_the_strictest_of_rule_key_and_setting_counts() -> None:
    pepper = SecretBytes(b"p" * 32)
    keys = tuple(
        ClientKeySpec(n, f"k{n}", digest(pepper, f"pm-key-{n}"), customs=said)
        for n, said in enumerate(("refuse", "warn", None), 1)
    )

    async def work(found: Plane, server: ScriptedUpstream) -> None:
        async def asked(n: int) -> Got:
            return await found.ask(PATHS[CHAT], said(CHAT, ENV), f"authorization: Bearer pm-key-{n}")

        assert (await asked(1)).status == 400
        for n in (2, 3):
            assert (await asked(n)).headers["x-pointsman-customs"].startswith("masked")
        never(server)

    served(work, customs="warn", snapshot={"customs": "mask", "client_keys": keys, "keys_required": True})


def test_of_a_key_with_customs_what_stays_here_has_its_lane() -> None:
    pepper, key = SecretBytes(b"p" * 32), "pm-a-client-key"
    who = ClientKeySpec(1, "k", digest(pepper, key), customs="refuse")

    async def main() -> None:
        with ScriptedUpstream() as server:
            async with plane() as found:
                backends = [spec(server, CHAT), cloud(server, CHAT)]
                rules = [rule("m", "local/box"), rule("c", "openai/x", id=2)]
                found.rules(*rules, backends=backends, pepper=pepper, client_keys=(who,), keys_required=True)
                mine = f"authorization: Bearer {key}"
                for _ in range(3):
                    assert (await found.ask(PATHS[CHAT], said(CHAT, ENV), mine)).status == 200
                assert found.lanes
                for _ in range(3):
                    assert (
                        await found.ask(PATHS[CHAT], said(CHAT, ENV) | {"model": "c"}, mine)
                    ).status == 400

    uvloop.run(main())


@pytest.mark.parametrize("mode", ["mask", "refuse"])
@pytest.mark.parametrize("warm", [False, True], ids=["full way", "from a lane"])
def test_what_a_local_server_failed_at_is_looked_through_before_it_leaves(mode: str, warm: bool) -> None:
    async def main() -> None:
        with ScriptedUpstream() as box, ScriptedUpstream() as server:
            server.always(echo(CHAT, False))
            async with plane() as found:
                backends = [spec(box, CHAT), cloud(server, CHAT)]
                found.rules(rule("m", "local/box", "openai/x", customs=mode), backends=backends)
                if warm:
                    for _ in range(4):
                        await found.ask(PATHS[CHAT], said(CHAT, ENV))
                    assert found.lanes
                    assert json.loads(box.requests[-1].body)["messages"][0]["content"] == ENV
                box.always(Reply(500, JSON, body=b"{}"))
                got = await found.ask(PATHS[CHAT], said(CHAT, ENV))
                never(server)
                if mode == "mask":
                    assert got.status == 200
                    assert KEY in got.json()["choices"][0]["message"]["content"]
                else:
                    assert got.status >= 400
                    assert "messages[0].content holds what looks like a credential" in got.body.decode()
                    assert [one for one in server.requests if one.method == "POST"] == []

    uvloop.run(main())


def test_the_gateways_own_keys_and_the_users_patterns_are_masked() -> None:
    async def work(found: Plane, server: ScriptedUpstream) -> None:
        got = await found.ask(PATHS[CHAT], said(CHAT, "a the-gateways-own-key-01 b acme_0123456789ab c"))
        assert (
            got.headers["x-pointsman-customs"]
            == "masked; stored_key messages[0].content; ticket messages[0].content"
        )
        body = server.requests[-1].body
        assert b"the-gateways-own" not in body
        assert b"acme_" not in body

    served(work, snapshot={"customs": "mask", "own_patterns": {"ticket": "acme_[0-9a-f]{12}"}})


def test_the_same_credential_has_the_same_name_in_the_next_turn_also_in_arguments() -> None:
    async def work(found: Plane, server: ScriptedUpstream) -> None:
        turn = said(CHAT, ENV)
        await found.ask(PATHS[CHAT], turn)
        call = {
            "id": "c",
            "type": "function",
            "function": {"name": "use", "arguments": json.dumps({"key": KEY})},
        }
        turn["messages"] += [
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c", "content": KEY},
        ]
        await found.ask(PATHS[CHAT], turn)
        first, second = (NAME.findall(one.body) for one in server.requests)
        assert second[:2] == first
        assert second[2:] == [first[1]] * 2

    served(work, customs="mask")


def test_of_a_conversation_that_the_backend_keeps_an_earlier_turns_comes_back() -> None:
    """OpenAI's own service knows what `conversation` stands for: the next request does not hold the credential."""
    told: list[str] = []
    pepper = SecretBytes(b"p" * 32)
    keys = tuple(ClientKeySpec(n, f"k{n}", digest(pepper, f"pm-key-{n}")) for n in (1, 2))

    def reply(received: Received) -> Reply:
        told.extend(one.decode() for one in NAME.findall(received.body))
        return Reply(200, JSON, body=WHOLE[RESPONSES](f"It is {told[-1]}."))

    async def main() -> None:
        with ScriptedUpstream() as server:
            server.always(reply)
            async with plane() as found:
                own = msgspec.structs.replace(cloud(server, RESPONSES), key="openai", name="")
                found.rules(
                    rule("m", "openai=gpt-5", customs="mask"), backends=[own], pepper=pepper, client_keys=keys,
                    keys_required=True,
                )  # fmt: skip

                async def said_by(n: int, text: str) -> str:
                    body = said(RESPONSES, text, conversation="conv_1")
                    got = await found.ask(PATHS[RESPONSES], body, f"authorization: Bearer pm-key-{n}")
                    return heard(RESPONSES, got, False).text

                assert await said_by(1, ENV) == f"It is {KEY}."
                assert await said_by(1, "again") == f"It is {KEY}."
                assert len(told) == 2, "the second request held none"
                assert await said_by(2, "theirs") == f"It is {told[-1]}.", "never for another client"

    uvloop.run(main())


@pytest.mark.parametrize("stream", [False, True])
def test_clients_of_ollamas_own_api_have_theirs_back(stream: bool) -> None:
    async def work(found: Plane, server: ScriptedUpstream) -> None:
        got = await found.ask("/api/chat", said(CHAT, ENV, stream=stream))
        lines = [json.loads(line) for line in got.body.splitlines()]
        assert "".join(one["message"]["content"] for one in lines) == f"{KEY} and {KEY}."
        never(server)

    served(work, customs="mask")


FORM = (
    '--b\r\ncontent-disposition: form-data; name="model"\r\n\r\nm\r\n'
    f'--b\r\ncontent-disposition: form-data; name="prompt"\r\n\r\n{ENV}\r\n--b--\r\n'
)


def test_what_has_no_text_to_give_back_is_masked_too() -> None:
    async def work(found: Plane, server: ScriptedUpstream) -> None:
        await found.ask("/v1/images/generations", {"model": "m", "prompt": ENV})
        kind = "content-type: multipart/form-data; boundary=b"
        await found.ask("/v1/audio/transcriptions", FORM.encode(), kind)
        await found.ask("/v1/moderations", {"model": "m", "input": ENV})
        sent = {one.path: one.body for one in server.requests if one.method == "POST"}
        assert sent.keys() >= {"/v1/images/generations", "/v1/audio/transcriptions", "/v1/moderations"}
        assert all(NAME.search(body) for body in sent.values())
        never(server)

    served(work, CHAT, Reply(200, JSON, body=b"{}"), customs="mask")


def test_a_large_body_is_looked_through_too() -> None:
    async def work(found: Plane, server: ScriptedUpstream) -> None:
        got = await found.ask(PATHS[MESSAGES], said(MESSAGES, "word " * 120_000 + ENV, stream=True))
        assert heard(MESSAGES, got, True).text == f"{KEY} and {KEY}."
        never(server)

    served(work, MESSAGES, echo(MESSAGES, False), customs="mask")


def test_tokens_are_not_counted_there_with_what_may_not_go_there() -> None:
    async def work(found: Plane, server: ScriptedUpstream) -> None:
        got = await found.ask("/v1/messages/count_tokens", said(MESSAGES, ENV))
        assert got.status == 200
        assert got.json()["input_tokens"] > 10
        never(server)

    served(
        work,
        RESPONSES,
        Reply(200, JSON, body=b'{"object":"response.input_tokens","input_tokens":5}'),
        customs="refuse",
    )


@pytest.mark.parametrize("cut", [1, 7])
@pytest.mark.parametrize("protocol", list(PATHS))
def test_a_stream_that_comes_byte_by_byte(protocol: str, cut: int) -> None:
    def reply(received: Received) -> Reply:
        whole: Reply = echo(protocol, True, "P")(received)
        raw = whole.body
        assert isinstance(raw, bytes)
        parts = [raw[at : at + cut] for at in range(0, len(raw), cut)]
        return Reply(200, SSE, parts=parts, framing="chunked")

    async def work(found: Plane, server: ScriptedUpstream) -> None:
        got = await found.ask(PATHS[protocol], said(protocol, ENV, stream=True))
        assert heard(protocol, got, True).calls == [("use", {"key": KEY, "again": "P" + KEY})]

    served(work, protocol, reply, customs="mask")


def test_what_is_quoted_in_an_error_keeps_its_placeholder() -> None:
    def reply(received: Received) -> Reply:
        name = NAME.findall(received.body)[0].decode()
        return Reply(400, JSON, body=json.dumps({"error": {"message": f"bad {name}", "type": "x"}}).encode())

    async def work(found: Plane, server: ScriptedUpstream) -> None:
        got = await found.ask(PATHS[CHAT], said(CHAT, ENV))
        assert got.status == 400
        assert b"bad PMSECRET_" in got.body

    served(work, CHAT, reply, customs="mask")
