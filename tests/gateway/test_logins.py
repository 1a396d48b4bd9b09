"""A client's own login goes to one origin; a client key of ours goes nowhere."""

from __future__ import annotations

import base64
import hmac
from typing import Any

import msgspec
import pytest
import uvloop

from pointsman.link.messages import ClientKeySpec
from pointsman.practice import Reply, ScriptedUpstream
from pointsman.routing.specs import BackendSpec
from pointsman.secret import Secret, SecretBytes
from tests.agents.model import CHAT, JSON, MESSAGES, WHOLE
from tests.conformance.facts import ASK

from .plane import plane, rule

LOGIN = "sk-ant-oat01-of-the-clients-own"
STORED = "sk-stored-1234567890"
PATHS = {CHAT: "/v1/chat/completions", MESSAGES: "/v1/messages"}
FAILS = Reply(500, JSON, body=b'{"error":{"message":"no"}}')


def spec(key: str, url: str, protocol: str, **more: Any) -> BackendSpec:
    kind, _, name = key.partition("/")
    more = {"auth": "bearer", "api_key": Secret(STORED), "allow_http": True, **more}
    return BackendSpec(key, kind, name, url, (protocol,), **more)


def bytes_of(server: ScriptedUpstream) -> bytes:
    """All that came, of every request."""
    return b"".join(f"{one.target}{one.raw_headers}".encode() + one.body for one in server.requests)


@pytest.mark.parametrize("client", PATHS)
@pytest.mark.parametrize("header", ["authorization: Bearer ", "x-api-key: "])
@pytest.mark.parametrize("other", ["openai/second", "anthropic/second", "local/second"])
@pytest.mark.parametrize("first", ["fails", "is passed over", "is not there"])
def test_a_login_goes_to_no_fallback_at_another_origin(
    client: str, header: str, other: str, first: str
) -> None:
    """Neither another port, nor another type, nor a local server."""

    async def main() -> None:
        with ScriptedUpstream() as one, ScriptedUpstream() as two:
            one.always(FAILS)
            two.always(Reply(200, JSON, body=WHOLE[client]("hello")))
            async with plane() as found:
                backends = [spec("anthropic/first", one.url, client), spec(other, two.url, client)]
                if first == "is not there":
                    del backends[0]
                found.rules(rule("*", "anthropic/first", other, forward_auth=True), backends=backends)
                for _ in range(9 if first == "is passed over" else 1):
                    got = await found.ask(PATHS[client], {"model": "m", **ASK[client]}, header + LOGIN)
                    assert got.status == 200
                assert LOGIN.encode() not in bytes_of(two)
                assert STORED.encode() in bytes_of(two)
                if first != "is not there":
                    assert LOGIN.encode() in bytes_of(one)

    uvloop.run(main())


@pytest.mark.parametrize("path", ["", "/other"])
def test_a_login_goes_to_a_fallback_at_the_same_origin_and_past_a_local_server(path: str) -> None:
    async def main() -> None:
        with ScriptedUpstream() as one, ScriptedUpstream() as near:
            one.script(FAILS, Reply(200, JSON, body=WHOLE[CHAT]("hello")))
            near.always(FAILS)
            async with plane() as found:
                found.rules(
                    rule("*", "local/near", "openai/first", "openai/second", forward_auth=True),
                    backends=[
                        spec("local/near", near.url, CHAT),
                        spec("openai/first", one.url, CHAT),
                        spec("openai/second", one.url + path, CHAT),
                    ],
                )
                got = await found.ask(
                    PATHS[CHAT], {"model": "m", **ASK[CHAT]}, f"authorization: Bearer {LOGIN}"
                )
                assert got.status == 200
                assert [LOGIN in str(asked.raw_headers) for asked in one.requests] == [True, True]
                assert LOGIN.encode() not in bytes_of(near)

    uvloop.run(main())


PEPPER = b"p" * 32
OURS, SECOND = "pm-" + "A1_-" * 12 + "x", "pm-" + "b2-_" * 12 + "y"
BASIC = base64.b64encode(f"user:{SECOND}".encode()).decode()


@pytest.mark.parametrize("client", PATHS)
@pytest.mark.parametrize("upstream", PATHS)
@pytest.mark.parametrize(
    ("query", "lines"),
    [
        ("", (f"authorization: Bearer {OURS}", f"x-api-key: {SECOND}")),
        ("", (f"x-api-key: {OURS}", f"authorization: Bearer {SECOND}")),
        ("", (f"x-api-key: {OURS}", f"authorization: bearer  {SECOND} ")),
        ("", (f"x-api-key: {OURS}", f"authorization: {SECOND}")),
        ("", (f"x-api-key: {OURS}", f"authorization: Token {OURS}")),
        ("", (f"x-api-key: {OURS}", f"authorization: Basic {BASIC}")),
        (
            "",
            (f"x-api-key: {OURS}", f"api-key: {SECOND}", f"x-goog-api-key: {SECOND}", f"cookie: k={SECOND}"),
        ),
        ("", (f"x-api-key: {OURS}", f"x-auth-token: {SECOND}", f"x-note: a {OURS}; b", f"key: {SECOND}=")),
        (f"?key={SECOND}", (f"x-api-key: {OURS}",)),
        (f"?a=1&api_key={OURS.replace('-', '%2D')}&key=%70m{SECOND[2:]}", (f"x-api-key: {OURS}",)),
    ],
)
def test_a_client_key_of_ours_is_never_sent_on(
    client: str, upstream: str, query: str, lines: tuple[str, ...]
) -> None:
    keys = tuple(
        ClientKeySpec(number, "me", hmac.digest(PEPPER, key.encode(), "sha256"))
        for number, key in enumerate((OURS, SECOND), 1)
    )

    async def main() -> None:
        with ScriptedUpstream() as server:
            server.always(Reply(200, JSON, body=WHOLE[upstream]("hello")))
            async with plane() as found:
                for forward in (True, False):
                    found.rules(
                        rule("*", "openai/x", forward_auth=forward),
                        backends=[spec("openai/x", server.url, upstream)],
                        client_keys=keys, keys_required=True, pepper=SecretBytes(PEPPER),
                    )  # fmt: skip
                    path = PATHS[client] + query
                    got = await found.ask(path, {"model": "m", **ASK[client]}, *lines, "x-other: kept")
                    assert got.status == 200
                sent = bytes_of(server)
                for word in (OURS, SECOND, OURS[3:], SECOND[3:], BASIC):
                    assert word.encode() not in sent
                assert STORED.encode() in sent
                assert b"kept" in sent
                assert (b"a=1" in sent) is (b"a=1" in query.encode() and client == upstream)

    uvloop.run(main())


def test_a_login_beside_a_client_key_still_travels() -> None:
    key = ClientKeySpec(1, "me", hmac.digest(PEPPER, OURS.encode(), "sha256"))

    async def main() -> None:
        with ScriptedUpstream() as server:
            server.always(Reply(200, JSON, body=WHOLE[CHAT]("hello")))
            async with plane() as found:
                backend = msgspec.structs.replace(spec("openai/x", server.url, CHAT), api_key=None)
                found.rules(
                    rule("*", "openai/x", forward_auth=True), backends=[backend],
                    client_keys=(key,), keys_required=True, pepper=SecretBytes(PEPPER),
                )  # fmt: skip
                await found.ask(
                    PATHS[CHAT] + "?b=2", {"model": "m", **ASK[CHAT]},
                    f"x-api-key: {OURS}", f"authorization: Bearer {LOGIN}", "x-tag: pm-of-somebody",
                )  # fmt: skip
                (asked,) = server.requests
                assert asked.headers["authorization"] == f"Bearer {LOGIN}"
                assert asked.headers["x-tag"] == "pm-of-somebody"
                assert asked.target.endswith("?b=2")

    uvloop.run(main())
