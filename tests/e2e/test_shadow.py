"""Shadows as a whole program: the report equals a hand count over scripted answers, by command, API and page; no word of a prompt
or an answer stays in any file; the command that it advises is the rule that asks the local target first."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx

from pointsman.practice import Received, Reply, ScriptedUpstream
from tests.agents.model import CHAT, JSON, WHOLE, Call

from .gateway import Gateway, run_cli, wait_until

Make = Callable[..., Gateway]
PROMPT, SAID = "canary-prompt-91c4", "canary-answer-0d2e"
TOOL = {"type": "function", "function": {"name": "get", "parameters": {"type": "object"}}}


def scripted(steps: list[Any]) -> Callable[[Received], Reply]:
    """Each of what is posted gets the next."""
    left: Iterator[Any] = iter(steps)

    def reply(received: Received) -> Reply:
        if received.method != "POST":
            return Reply(404, JSON, body=b"{}")
        step = next(left)
        return step if isinstance(step, Reply) else Reply(200, JSON, body=WHOLE[CHAT](step))

    return reply


def ask(gateway: Gateway, model: str) -> None:
    body = {"model": model, "messages": [{"role": "user", "content": PROMPT}], "tools": [TOOL]}
    assert httpx.post(gateway.url + "/v1/chat/completions", json=body, timeout=20).status_code == 200


def reported(gateway: Gateway, model: str) -> dict[str, Any]:
    found = gateway.cli_json("shadow", "report", model)
    return dict(found[0]) if found else {"answers": 0, "failed": {}, "not_asked": {}}


def has(folder: Path, word: str) -> list[str]:
    return [str(one) for one in folder.rglob("*") if one.is_file() and word.encode() in one.read_bytes()]


def shadow_all(gateway: Gateway, number: int, near: str, share: str) -> None:
    """Each request of that rule has a shadow there, one after another. share: all, as people write it."""
    words = ("--shadow", f"{near}=q", "--shadow-share", share, "--shadow-busy", share)
    gateway.cli("mapping", "update", str(number), *words)


def test_the_report_is_a_hand_count_and_its_command_a_rule(own_gateway: Make, upstream: Any) -> None:
    gateway: Gateway = own_gateway()
    cloud: ScriptedUpstream = upstream()
    box: ScriptedUpstream = upstream()
    same, other = Call("get", {"a": 1}), Call("get", {"a": 2})
    cloud.always(scripted([same, same, same, f"{SAID} one two"]))
    box.always(
        scripted([same, other, Reply(500, JSON, body=b'{"error":{"message":"broke"}}'), f"{SAID} one three"])
    )
    name = gateway.fresh()
    near = gateway.backend("local", box.url)
    number = gateway.rule(name, gateway.backend("openai", cloud.url))["id"]
    shadow_all(gateway, number, near, "100%")
    for count in range(4):
        ask(gateway, name)

        def told(count: int = count) -> bool:
            found = reported(gateway, name)
            return bool(found["answers"] + sum(found["failed"].values()) == count + 1)

        wait_until("the pair is compared", told, 15)
    found = reported(gateway, name)
    assert (found["answers"], found["failed"], found["not_asked"]) == (3, {"upstream_error": 1}, {})
    shares = {
        word: (found[word]["count"], found[word]["of"]) for word in ("asked", "tools", "arguments", "stops")
    }
    assert shares == {"asked": (3, 4), "tools": (2, 2), "arguments": (1, 2), "stops": (3, 3)}
    # canary answer 0d2e one two: 5 words and 4 pairs each; in common 4 and 3 of 6 and 5
    assert found["likeness"] == 7 / 11
    assert found["tokens"]["of"] == 3
    assert found["local"] == f"{near}:q"
    assert (found["fit"], found["command"]) == (None, None)
    text = gateway.cli("shadow", "report", name)
    assert "3 of 4" in text
    assert "3 answers were compared; below 30 nothing is advised" in text
    assert has(gateway.data_dir, PROMPT) == has(gateway.data_dir, SAID) == []
    assert (gateway.data_dir / "shadows.db").stat().st_mode & 0o777 == 0o600
    gateway.stop()
    gateway.start()
    assert reported(gateway, name)["answers"] == 3, "it outlives a restart"
    gateway.cli("shadow", "clear", "--mapping", str(number))
    assert gateway.cli_json("shadow", "report") == []


def test_what_is_advised_is_taken_as_it_stands(own_gateway: Make, upstream: Any) -> None:
    gateway: Gateway = own_gateway()
    cloud: ScriptedUpstream = upstream()
    box: ScriptedUpstream = upstream()
    call = Call("get", {"a": 1})
    cloud.always(scripted([call] * 40))
    box.always(scripted([call] * 40))
    name = gateway.fresh()
    near, far = gateway.backend("local", box.url), gateway.backend("openai", cloud.url)
    number = gateway.rule(name, far)["id"]
    shadow_all(gateway, number, near, "100")
    for _ in range(30):
        ask(gateway, name)
    wait_until("all are compared", lambda: reported(gateway, name)["answers"] == 30, 30)
    found = reported(gateway, name)
    assert found["fit"] is True
    assert found["command"] in gateway.cli("shadow", "report")
    gateway.cli(*shlex.split(found["command"])[1:])
    (row,) = [one for one in gateway.cli_json("mapping", "list") if one["id"] == number]
    assert (row["backend_type"], row["backend_model"], row["shadow"]) == ("local", "q", None)
    asked = len([one for one in cloud.requests if one.method == "POST"])
    ask(gateway, name)
    assert len([one for one in cloud.requests if one.method == "POST"]) == asked


def test_a_provider_is_no_shadow_and_the_error_says_what_to_write(gateway: Gateway) -> None:
    name = gateway.fresh()
    number = gateway.rule(name, gateway.backend("openai", "http://127.0.0.1:9"))["id"]
    words = ("mapping", "update", str(number), "--shadow", "openai/b=gpt-5")
    done = run_cli(gateway.data_dir, *words)
    assert done.returncode != 0
    assert "a shadow is asked on this computer alone: write local/NAME" in done.stderr
