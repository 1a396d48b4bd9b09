"""Rules with conditions (`--when`), on the wire: every condition alone and together, in each protocol that has it, and what
`explain` says of the same request."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any, NamedTuple

import pytest
import uvloop

from pointsman.admin.control.pasted import read, with_more
from pointsman.admin.control.request_explained import RequestExplained
from pointsman.link.messages import ClientKeySpec
from pointsman.practice import ScriptedUpstream
from pointsman.routing.specs import BackendSpec
from tests.agents.model import CHAT, MESSAGES, RESPONSES
from tests.gateway.plane import Got, Plane, plane, rule

from .test_explain_is_true import ALL, knows, local
from .test_explained_requests import explained_as

PATHS = {CHAT: "/v1/chat/completions", RESPONSES: "/v1/responses", MESSAGES: "/v1/messages"}
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
SCHEMA = {
    "type": "object",
    "properties": {"a": {"type": "string"}},
    "required": ["a"],
    "additionalProperties": False,
}
SAID = {"role": "user", "content": "hello"}


def chat(*parts: dict[str, Any], **more: Any) -> dict[str, Any]:
    content = [{"type": "text", "text": "hello"}, *parts] if parts else "hello"
    return {"messages": [{"role": "user", "content": content}], **more}


def messages(*parts: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {**chat(*parts), "max_tokens": 5000, **more}


def responses(*parts: dict[str, Any], **more: Any) -> dict[str, Any]:
    said = {"role": "user", "content": [{"type": "input_text", "text": "hello"}, *parts]}
    return {"input": [said], **more}


PLAIN = {CHAT: chat(), RESPONSES: responses(), MESSAGES: messages()}
PDF = "JVBERi0xLjQKJSVFT0YK"
HAS: dict[str, dict[str, dict[str, Any]]] = {
    "images": {
        CHAT: chat({"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}),
        RESPONSES: responses({"type": "input_image", "image_url": f"data:image/png;base64,{PNG}"}),
        MESSAGES: messages(
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}
        ),
    },
    "documents": {
        CHAT: chat(
            {"type": "file", "file": {"filename": "a.pdf", "file_data": f"data:application/pdf;base64,{PDF}"}}
        ),
        RESPONSES: responses(
            {"type": "input_file", "filename": "a.pdf", "file_data": f"data:application/pdf;base64,{PDF}"}
        ),
        MESSAGES: messages(
            {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": PDF}}
        ),
    },
    "audio": {CHAT: chat({"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}})},
    "tools": {
        CHAT: chat(tools=[{"type": "function", "function": {"name": "look", "parameters": SCHEMA}}]),
        RESPONSES: responses(tools=[{"type": "function", "name": "look", "parameters": SCHEMA}]),
        MESSAGES: messages(tools=[{"name": "look", "input_schema": SCHEMA}]),
    },
    "web-search": {
        CHAT: chat(web_search_options={}),
        RESPONSES: responses(tools=[{"type": "web_search"}]),
        MESSAGES: messages(tools=[{"type": "web_search_20250305", "name": "web_search"}]),
    },
    "thinking": {
        CHAT: chat(reasoning_effort="low"),
        RESPONSES: responses(reasoning={"effort": "low"}),
        MESSAGES: messages(thinking={"type": "enabled", "budget_tokens": 1024}),
    },
    "effort=high": {
        CHAT: chat(reasoning_effort="high"),
        RESPONSES: responses(reasoning={"effort": "high"}),
        MESSAGES: messages(output_config={"effort": "high"}),
    },
    "structured": {
        CHAT: chat(response_format={"type": "json_schema", "json_schema": {"name": "a", "schema": SCHEMA}}),
        RESPONSES: responses(text={"format": {"type": "json_schema", "name": "a", "schema": SCHEMA}}),
        MESSAGES: messages(output_config={"format": {"type": "json_schema", "schema": SCHEMA}}),
    },
    "tokens>500": {
        CHAT: {"messages": [{"role": "user", "content": "many words " * 200}]},
        RESPONSES: {"input": "many words " * 200},
        MESSAGES: {"messages": [{"role": "user", "content": "many words " * 200}], "max_tokens": 50},
    },
}
LACKS: dict[str, dict[str, dict[str, Any]]] = {
    "thinking": {
        CHAT: chat(reasoning_effort="none"),
        MESSAGES: messages(thinking={"type": "disabled"}),
    },
    "effort=high": {
        CHAT: chat(reasoning_effort="medium"),
        RESPONSES: responses(reasoning={"effort": "low"}),
    },
    "web-search": {CHAT: HAS["tools"][CHAT], MESSAGES: HAS["tools"][MESSAGES]},
    "structured": {CHAT: chat(response_format={"type": "text"})},
}
"""What comes near to having it."""


class Asked(NamedTuple):
    body: dict[str, Any]
    path: str = "/v1/chat/completions"
    headers: Mapping[str, str] = {}
    key: str | None = ""


async def explained(found: Plane, asked: Asked) -> RequestExplained:
    pasted = read(json.dumps(asked.body), asked.path)
    return await explained_as(found, with_more(pasted, "", asked.headers, asked.key))


async def goes_to(found: Plane, asked: Asked, *headers: str) -> str:
    """The target's model, which the explanation has said before."""
    told = await explained(found, asked)
    lines = [f"{name}: {value}" for name, value in asked.headers.items()]
    got: Got = await found.ask(asked.path, asked.body, *lines, *headers)
    assert got.status == 200, got.body
    target = got.headers["x-pointsman-target"]
    assert told.targets[0].target == target
    assert [one.takes for one in told.choices][-1:] in ([], [target.endswith("special")], [True])
    return target.rpartition(":")[2]


def play(conditions: list[str], cases: list[tuple[Asked, bool]], *headers: str, **more: Any) -> None:
    async def main() -> None:
        with ScriptedUpstream() as server:
            server.always(knows(*ALL))
            async with plane() as found:
                backend = local(server.url, dialects=ALL)
                rules = (
                    rule("m*", f"{backend.key}=special", id=1, conditions=tuple(conditions)),
                    rule("m", f"{backend.key}=usual", id=2),
                )
                found.rules(*rules, backends=[backend], **more)
                for asked, holds in cases:
                    body = {"model": "m", **asked.body}
                    wanted = "special" if holds else "usual"
                    assert await goes_to(found, asked._replace(body=body), *headers) == wanted, (
                        conditions,
                        body,
                    )

    uvloop.run(main())


@pytest.mark.parametrize("condition", HAS)
def test_a_condition_holds_of_what_has_it_and_of_nothing_else(condition: str) -> None:
    cases = [(Asked(body, PATHS[protocol]), True) for protocol, body in HAS[condition].items()]
    cases += [(Asked(body, PATHS[protocol]), False) for protocol, body in PLAIN.items()]
    cases += [(Asked(body, PATHS[protocol]), False) for protocol, body in LACKS.get(condition, {}).items()]
    play([condition], cases)


def test_a_picture_in_a_tool_s_result_is_a_picture() -> None:
    picture = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}
    history = [
        SAID,
        {
            "role": "assistant",
            "content": [{"type": "tool_use", "id": "toolu_1", "name": "look", "input": {}}],
        },
        {
            "role": "user",
            "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": [picture]}],
        },
    ]
    body = {"messages": history, "max_tokens": 50, "tools": [{"name": "look", "input_schema": SCHEMA}]}
    play(["images"], [(Asked(body, PATHS[MESSAGES]), True)])


def test_tokens_are_more_than_n() -> None:
    async def main() -> None:
        with ScriptedUpstream() as server:
            server.always(knows(*ALL))
            async with plane() as found:
                backend = local(server.url, dialects=ALL)
                asked = Asked({"model": "m", **PLAIN[CHAT]})
                found.rules(rule("m", f"{backend.key}=usual"), backends=[backend])
                tokens = (await explained(found, asked)).input_tokens
                assert tokens is not None
                for more, wanted in ((tokens - 1, "special"), (tokens, "usual")):
                    special = rule("m", f"{backend.key}=special", id=2, conditions=(f"tokens>{more}",))
                    found.rules(rule("m", f"{backend.key}=usual"), special, backends=[backend])
                    assert await goes_to(found, asked) == wanted

    uvloop.run(main())


def test_protocol_client_header_and_key() -> None:
    play(
        ["protocol=anthropic_messages"],
        [(Asked(body, PATHS[protocol]), protocol == MESSAGES) for protocol, body in PLAIN.items()],
    )
    agents = {
        "claude-cli/2.1.3 (external, cli)": True,
        "claude-code/1.0": True,
        "curl/8.1": False,
        "OpenAI/Python 2.1": False,
        "": False,
    }
    play(
        ["client=claude-code"],
        [(Asked(PLAIN[CHAT], headers={"user-agent": agent}), held) for agent, held in agents.items()],
    )
    teams = {"blue": True, "Blue": False, "red": False}
    play(
        ["header:x-team=blue"],
        [(Asked(PLAIN[CHAT], headers={"X-Team": team}), held) for team, held in teams.items()]
        + [(Asked(PLAIN[CHAT]), False)],
    )


def test_a_client_key_s_name() -> None:
    import hmac

    pepper = b"p" * 32
    secrets = {"laptop": "pm-" + "a" * 49, "phone": "pm-" + "b" * 49}
    keys = tuple(
        ClientKeySpec(number, name, hmac.digest(pepper, secret.encode(), "sha256"))
        for number, (name, secret) in enumerate(secrets.items(), 1)
    )
    for name, secret in secrets.items():
        play(
            ["key=laptop"],
            [(Asked(PLAIN[CHAT], key=name), name == "laptop")],
            f"x-api-key: {secret}",
            client_keys=keys,
            pepper=pepper,
            keys_required=True,
        )


def test_all_of_several_must_hold() -> None:
    both = {**HAS["tools"][CHAT], "reasoning_effort": "high"}
    cases = [
        (Asked(both, headers={"user-agent": "codex_cli_rs/0.5"}), True),
        (Asked(both), False),
        (Asked(HAS["tools"][CHAT], headers={"user-agent": "codex_cli_rs/0.5"}), False),
        (Asked(PLAIN[CHAT], headers={"user-agent": "codex_cli_rs/0.5"}), False),
    ]
    play(["client=codex", "effort=high", "thinking", "tools"], cases)


def test_conditions_hold_of_texts_and_embeddings_as_far_as_they_can() -> None:
    async def main() -> None:
        with ScriptedUpstream() as server:
            server.always(knows(*ALL))
            async with plane() as found:
                backend = local(server.url, dialects=ALL)
                found.rules(
                    rule("m", f"{backend.key}=special", id=1, conditions=("tokens>100",)),
                    rule("m", f"{backend.key}=usual", id=2),
                    backends=[backend],
                )
                for path, name in (("/v1/completions", "prompt"), ("/v1/embeddings", "input")):
                    for text, wanted in (("short", "usual"), ("long words " * 100, "special")):
                        assert await goes_to(found, Asked({"model": "m", name: text}, path)) == wanted

    uvloop.run(main())


def test_at_equal_priority_a_rule_with_conditions_comes_first_and_a_name_without_one_is_told() -> None:
    async def main() -> None:
        with ScriptedUpstream() as server:
            server.always(knows(*ALL))
            async with plane() as found:
                backend = local(server.url, dialects=ALL)
                special = rule("*", f"{backend.key}=special", id=9, conditions=("tools",))
                found.rules(rule("model", f"{backend.key}=usual"), special, backends=[backend])
                tools = {"model": "model", **HAS["tools"][CHAT]}
                assert await goes_to(found, Asked(tools)) == "special"
                assert await goes_to(found, Asked({"model": "model", **PLAIN[CHAT]})) == "usual"
                got = await found.ask(PATHS[MESSAGES], {"model": "other", **PLAIN[MESSAGES]})
                assert got.status == 404
                error = got.json()["error"]
                assert error["type"] == "not_found_error"
                assert "rule 9 when tools" in error["message"]
                assert "pointsman explain 'other' --request FILE" in error["message"]

    uvloop.run(main())


def test_a_wall_with_conditions_keeps_what_it_cannot_read() -> None:
    """A body that is no request of its protocol: a wall's conditions are taken to hold."""

    async def main() -> None:
        with ScriptedUpstream() as server:
            server.always(knows(*ALL))
            async with plane() as found:
                here = local(server.url, dialects=ALL)
                away = BackendSpec("local/z", "local", "z", server.url, dialects=ALL)
                wall = rule("m", f"{here.key}=walled", id=1, conditions=("images",), local_only=True)
                found.rules(wall, rule("m", "local/z=free", id=2), backends=[here, away])
                odd = {"model": "m", "messages": [{"role": "nobody", "content": 5}]}
                got = await found.ask(PATHS[CHAT], odd)
                assert got.headers["x-pointsman-target"].endswith(":walled")
                got = await found.ask(PATHS[CHAT], {"model": "m", **PLAIN[CHAT]})
                assert got.headers["x-pointsman-target"].endswith(":free")

    uvloop.run(main())


def test_a_large_body_and_many_at_once_are_told_apart() -> None:
    async def main() -> None:
        with ScriptedUpstream() as server:
            server.always(knows(*ALL))
            async with plane() as found:
                backend = local(server.url, dialects=ALL)
                special = rule("m", f"{backend.key}=special", id=1, conditions=("tokens>60000",))
                found.rules(special, rule("m", f"{backend.key}=usual", id=2), backends=[backend])
                large = {"model": "m", "messages": [{"role": "user", "content": "words and words " * 25000}]}
                asked = [large if number % 4 == 0 else {"model": "m", **PLAIN[CHAT]} for number in range(16)]
                got = await asyncio.gather(*(found.ask(PATHS[CHAT], body) for body in asked))
                ends = [one.headers["x-pointsman-target"].rpartition(":")[2] for one in got]
                assert ends == ["special" if number % 4 == 0 else "usual" for number in range(16)]

    uvloop.run(main())
