"""A model server runs on this computer, and nobody has told the gateway: it answers with its models all the same."""

from __future__ import annotations

from pathlib import Path

from pointsman.practice import ScriptedUpstream
from tests.engines.doubles import Model, double
from tests.vendor_bodies import chat

from .gateway import Gateway, run_cli, wait_until

NEAR, FAR = Model("qwen3:4b", 8192), Model("far:latest", elsewhere="https://ollama.com:443")


CHAT = chat.ask("qwen3:4b")


def names(gateway: Gateway) -> set[str]:
    return {one["id"] for one in gateway.fetch("GET", "/v1/models").json()["data"]}


def test_a_server_on_this_computer_answers_without_one_command(tmp_path: Path) -> None:
    with ScriptedUpstream() as server:
        server.always(double("ollama", NEAR, FAR))
        port = server.port
        options = ("--discover", "--discover-port", str(port))
        with Gateway(tmp_path / "data", *options) as gateway:
            wait_until("its models are there", lambda: "qwen3:4b" in names(gateway), 5)
            answer = gateway.fetch("POST", "/v1/chat/completions", CHAT)
            assert answer.json()["choices"][0]["message"]["content"]
            key, _, model = answer.header("x-pointsman-target").partition(":")
            assert (key.startswith("local/ollama"), model) == (True, "qwen3:4b")
            told = gateway.fetch("POST", "/v1/messages", {**CHAT, "max_tokens": 9})
            assert told.json()["content"][0]["text"]

            assert "far:latest" not in names(gateway), "no rule sends it to another machine"
            assert (
                gateway.fetch("POST", "/v1/chat/completions", {**CHAT, "model": "far:latest"}).status == 404
            )

            said = gateway.cli_json("explain", "qwen3:4b")
            assert "found on this computer" in said["why"]
            assert said["targets"][0]["usable"]
            mine = [one for one in gateway.cli_json("local", "discover") if one["base_url"] == server.url]
            assert [(one["engine"], one["state"], one["used"], one["stored"]) for one in mine] == [
                ("ollama", "ready", True, False)
            ]
            (qwen, far) = mine[0]["models"]
            assert (qwen["name"], qwen["window"], qwen["loaded"]) == ("qwen3:4b", 8192, True)
            assert (far["name"], far["elsewhere"]) == ("far:latest", "https://ollama.com:443")
            assert "qwen3:4b" in gateway.cli("local", "discover")

            gateway.cli("local", "adopt", mine[0]["name"], "--as", "box")
            assert [row["base_url"] for row in gateway.cli_json("local", "list")] == [server.url]
            adopted = gateway.fetch("POST", "/v1/chat/completions", CHAT)
            assert adopted.header("x-pointsman-target") == "local/box:qwen3:4b"
            gateway.cli("local", "update", "box", "--disable")
            assert gateway.fetch("POST", "/v1/chat/completions", CHAT).status == 404, "what is off stays off"
            gateway.cli("local", "remove", "box")
            again = gateway.fetch("POST", "/v1/chat/completions", CHAT)
            assert again.header("x-pointsman-target").partition(":")[0] == key

            gateway.cli("local", "adopt", "nobody", code=1)
    assert run_cli(tmp_path / "data", "local", "discover").returncode == 0, "nor does it need a gateway"


def test_a_server_that_stops_leaves_the_list_and_one_that_starts_joins_it(tmp_path: Path) -> None:
    with ScriptedUpstream() as server:
        server.always(double("ollama", NEAR, FAR))
        port = server.port
        gateway = Gateway(tmp_path / "data", "--discover", "--discover-port", str(port))
        gateway.start()
        wait_until("its models are there", lambda: "qwen3:4b" in names(gateway), 5)
    try:
        wait_until("they are gone", lambda: "qwen3:4b" not in names(gateway), 15, 0.2)
        assert gateway.fetch("POST", "/v1/chat/completions", CHAT).status == 404
        with ScriptedUpstream(port=port) as server:
            server.always(double("ollama", NEAR, FAR))
            wait_until("they are back", lambda: "qwen3:4b" in names(gateway), 15, 0.2)
            assert gateway.fetch("POST", "/v1/chat/completions", CHAT).status == 200
    finally:
        gateway.stop()
    gateway.check_log()


def test_without_discovery_nobody_is_asked(tmp_path: Path) -> None:
    with ScriptedUpstream() as server:
        server.always(double("ollama", NEAR, FAR))
        options = ("--no-discover", "--discover-port", str(server.port))
        with Gateway(tmp_path / "data", *options) as gateway:
            assert gateway.fetch("POST", "/v1/chat/completions", CHAT).status == 404
            assert not server.requests
