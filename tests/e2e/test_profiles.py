"""A name with a profile over two engines, as its owner makes it on the command line and both official SDKs use it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import anthropic
import openai

from .gateway import Gateway
from .replies import either
from .wires import CHAT

if TYPE_CHECKING:
    from pointsman.practice.scripted import ScriptedUpstream

Upstreams = Callable[..., "ScriptedUpstream"]


def test_one_name_over_two_engines_with_what_its_rule_sets(gateway: Gateway, upstream: Upstreams) -> None:
    servers = [upstream(), upstream()]
    backends = []
    for server in servers:
        server.always(either(CHAT, "hello"))
        backends.append(gateway.backend("local", server.url, dialects=["openai_chat"]))
    name, (first, second) = gateway.fresh(), backends
    rule = gateway.cli_json(
        "mapping", "add", name, "--to", first, "--model", "one", "--fallback", f"{second}=two", "--spread",
        "--set", "temperature=0.25", "--set", "max_tokens?=77", "--set", "system=Be brief.", "--set", "num_ctx=8192",
    )  # fmt: skip
    assert (rule["spread"], rule["presets"]["max_tokens?"]) == (True, 77)
    turns: Any = [{"role": "user", "content": "x"}]
    targets, warnings = [], []
    with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="k", max_retries=0, timeout=20) as client:
        for _ in range(2):
            raw = client.chat.completions.with_raw_response.create(
                model=name, messages=turns, temperature=1.5
            )
            assert raw.parse().choices[0].message.content == "hello"
            targets.append(raw.headers["x-pointsman-target"])
            warnings.append(raw.headers["x-pointsman-warnings"])
    assert targets == [f"{first}:one", f"{second}:two"]
    assert set(warnings) == {"dropped:num_ctx,changed:temperature"}
    with anthropic.Anthropic(base_url=gateway.url, api_key="k", max_retries=0, timeout=20) as other:
        for _ in range(2):
            with other.messages.stream(model=name, max_tokens=9, system="Mine.", messages=turns) as told:
                assert told.get_final_text() == "hello"
    for server, model in zip(servers, ("one", "two"), strict=True):
        chat, messages = (one.json() for one in server.requests if one.method == "POST")
        assert (chat["model"], chat["temperature"], chat["max_tokens"]) == (model, 0.25, 77)
        assert (messages["model"], messages["temperature"], messages["max_tokens"]) == (model, 0.25, 9)
        assert chat["messages"][0] == {"role": "system", "content": "Be brief."}
        assert messages["messages"][0]["content"].startswith("Be brief.\n\nMine.")
    said = gateway.cli("explain", name)
    assert "equals are asked in turn" in said
    assert "set in openai_chat: dropped:num_ctx" in said
    number = str(rule["id"])
    changed = gateway.cli_json(
        "mapping", "update", number, "--no-spread", "--unset", "temperature", "--unset", "num_ctx"
    )
    assert changed["presets"] == {"max_tokens?": 77, "system": "Be brief."}
