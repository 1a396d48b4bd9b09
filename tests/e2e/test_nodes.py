"""Two gateways on one PostgreSQL, as their users meet them: by the command line, by HTTP, by a signal."""

from __future__ import annotations

import http.client
import json
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any
from urllib.parse import urlsplit

import openai
import pytest

from pointsman.practice import Reply, ScriptedUpstream
from tests.agents.model import MESSAGES, STREAM, WHOLE, Call
from tests.postgres import Cluster

from .gateway import POINTSMAN, Gateway, clean_environment

LEAVE = 3.0


@pytest.fixture(scope="module")
def two(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Gateway, Gateway]]:
    env = {"POINTSMAN_DATABASE_URL": cluster.database(), "POINTSMAN_LEAVE_SECONDS": str(LEAVE)}
    folder = tmp_path_factory.mktemp("nodes")
    with ExitStack() as stack:
        first = stack.enter_context(Gateway(folder / "n1", "--node", "n1", env=env))
        (folder / "n2").mkdir(mode=0o700)
        shutil.copy(folder / "n1" / "master.key", folder / "n2" / "master.key")
        yield (
            first,
            stack.enter_context(Gateway(folder / "n2", "--node", "n2", env=env, expect_clean_log=False)),
        )


def command(gateway: Gateway, *words: str) -> Any:
    done = subprocess.run(
        [POINTSMAN, *words, "--data-dir", str(gateway.data_dir), "--json"],
        env=clean_environment(gateway.env), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout) if done.stdout else None


def ask(gateway: Gateway, path: str, body: dict[str, Any] | None = None) -> tuple[int, str]:
    parts = urlsplit(gateway.url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=20)
    try:
        text = None if body is None else json.dumps(body)
        connection.request(
            "GET" if body is None else "POST", path, text, {"content-type": "application/json"}
        )
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def chat(gateway: Gateway, model: str) -> int:
    return ask(
        gateway, "/v1/chat/completions", {"model": model, "messages": [{"role": "user", "content": "hi"}]}
    )[0]


def eventually(done: Callable[[], object], seconds: float = 20.0) -> None:
    until = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < until, "not in time"
        time.sleep(0.05)


def test_a_rule_added_by_one_is_served_by_the_other_when_the_command_returns(
    two: tuple[Gateway, Gateway],
) -> None:
    first, second = two
    assert chat(second, "shared") == 404
    command(first, "mapping", "add", "shared", "--to", "local/practice")
    assert chat(second, "shared") == 200
    assert [row["model_pattern"] for row in command(second, "mapping", "list")] == ["shared"]


def test_the_nodes_are_listed_with_what_they_do(two: tuple[Gateway, Gateway]) -> None:
    first, second = two
    rows = command(second, "node", "list")
    assert [(row["name"], row["state"], row["this"]) for row in rows] == [
        ("n1", "live", False),
        ("n2", "live", True),
    ]
    assert [row["url"].rstrip("/") for row in rows] == [first.url, second.url]
    assert json.loads(ask(second, "/readyz")[1])["status"] == "ready"


def test_metrics_are_told_summed_and_by_node(two: tuple[Gateway, Gateway]) -> None:
    first, second = two
    command(first, "mapping", "add", "counted", "--to", "local/practice")
    assert [chat(one, "counted") for one in (first, second, second)] == [200, 200, 200]

    def line(which: str, start: str) -> list[float]:
        text = ask(first, f"/metrics?nodes={which}")[1]
        return [
            float(row.rpartition(" ")[2])
            for row in text.splitlines()
            if row.startswith(start) and 'route="counted"' in row
        ]

    eventually(lambda: line("sum", "pointsman_requests_total{") == [3.0])
    assert line("each", 'pointsman_requests_total{node="n1"') == [1.0]
    assert line("each", 'pointsman_requests_total{node="n2"') == [2.0]


def test_usage_of_both_is_told_by_each_and_lies_in_no_file(two: tuple[Gateway, Gateway]) -> None:
    command(two[0], "mapping", "add", "used", "--to", "local/practice")
    assert [chat(one, "used") for one in (*two, two[0])] == [200, 200, 200]
    for one in two:
        eventually(lambda one=one: [row["requests"] for row in of_model(one)] == [3])  # type: ignore[misc]
        assert not (one.data_dir / "usage.db").exists()


def of_model(gateway: Gateway) -> list[dict[str, Any]]:
    return [row for row in command(gateway, "usage", "--by", "model") if row["model"] == "used"]


def test_a_node_told_to_drain_serves_on_and_is_out_of_readyz(two: tuple[Gateway, Gateway]) -> None:
    first, second = two
    command(first, "mapping", "add", "on", "--to", "local/practice")
    command(first, "node", "drain", "n2")
    eventually(lambda: ask(second, "/readyz")[0] == 503)
    assert json.loads(ask(second, "/readyz")[1])["status"] == "draining"
    assert chat(second, "on") == 200
    assert ask(first, "/readyz")[0] == 200
    command(first, "node", "undrain", "n2")
    eventually(lambda: ask(second, "/readyz")[0] == 200)


def on(
    gateway: Gateway, work: Callable[[openai.OpenAI], openai.types.responses.Response]
) -> openai.types.responses.Response:
    with openai.OpenAI(base_url=gateway.url + "/v1", api_key="k", max_retries=0, timeout=20) as client:
        return work(client)


def kept(gateway: Gateway, cluster: Cluster, which: str) -> list[bytes]:
    """What is remembered for all nodes."""
    name = gateway.env["POINTSMAN_DATABASE_URL"].partition("@/")[2].partition("?")[0]
    rows: Any = cluster.run(f"SELECT body FROM remembered WHERE body IS NOT NULL AND {which}", name)
    return [bytes(body) for (body,) in rows]


def test_a_conversation_goes_on_at_whichever_node_it_lands(two: tuple[Gateway, Gateway]) -> None:
    """previous_response_id: the whole of it comes along, turn for turn at another node."""
    said = on(two[0], lambda client: client.responses.create(model="practice", input="turn 0"))
    for turn in range(1, 5):
        before, previous = said.usage.input_tokens if said.usage is not None else 0, said.id
        said = on(
            two[turn % 2],
            lambda client, turn=turn, previous=previous: client.responses.create(  # type: ignore[misc]
                model="practice", input=f"turn {turn}", previous_response_id=previous
            ),
        )
        assert said.usage is not None
        assert said.usage.input_tokens > before
    assert on(two[1], lambda client: client.responses.retrieve(said.id)).output_text == said.output_text


def test_an_item_of_a_tool_loop_is_known_at_the_next_node(two: tuple[Gateway, Gateway]) -> None:
    made = on(two[0], lambda client: client.responses.create(model="practice", input="first"))
    again: Any = [{"type": "item_reference", "id": made.output[0].id}, {"role": "user", "content": "second"}]
    said = on(two[1], lambda client: client.responses.create(model="practice", input=again))
    assert made.usage is not None
    assert said.usage is not None
    assert said.usage.input_tokens > made.usage.input_tokens


def test_a_response_that_is_deleted_at_one_is_gone_at_the_other(two: tuple[Gateway, Gateway]) -> None:
    made = on(two[0], lambda client: client.responses.create(model="practice", input="secret"))
    on(two[0], lambda client: client.responses.delete(made.id))  # type: ignore[arg-type, return-value]
    with pytest.raises(openai.NotFoundError):
        on(two[1], lambda client: client.responses.retrieve(made.id))


def test_signed_reasoning_that_a_chat_client_left_out_is_put_back_at_the_next_node(
    two: tuple[Gateway, Gateway], upstream: Any, cluster: Cluster
) -> None:
    server: ScriptedUpstream = upstream()
    events = STREAM[MESSAGES](Call("f", {"a": 1}))
    server.always(Reply(200, {"content-type": "text/event-stream"}, parts=[events], framing="chunked"))
    name, _ = two[0].route("anthropic", server.url)
    tools = [
        {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
    ]
    first = {"role": "user", "content": "hi"}
    status, text = ask(two[0], "/v1/chat/completions", {"model": name, "messages": [first], "tools": tools})
    assert status == 200, text
    (call,) = json.loads(text)["choices"][0]["message"]["tool_calls"]
    turn = [
        first,
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": call["id"], "content": "done"},
    ]
    server.always(Reply(200, {"content-type": "application/json"}, body=WHOLE[MESSAGES]("bye")))
    eventually(lambda: kept(two[0], cluster, "kind = 'thoughts'"))
    status, text = ask(two[1], "/v1/chat/completions", {"model": name, "messages": turn, "tools": tools})
    assert status == 200, text
    sent = server.requests[-1].json()["messages"]
    assert [block["type"] for block in sent[1]["content"]] == ["thinking", "tool_use"]


def test_what_is_remembered_for_all_is_sealed(two: tuple[Gateway, Gateway], cluster: Cluster) -> None:
    canary = "remembered-canary-5c1"
    on(two[0], lambda client: client.responses.create(model="practice", input=canary))
    eventually(lambda: kept(two[0], cluster, "kind = 'response'"))
    assert not any(canary.encode() in body for body in kept(two[0], cluster, "true"))


def test_a_node_that_stops_serves_whom_a_balancer_still_sends(two: tuple[Gateway, Gateway]) -> None:
    """Last of this file: it ends the second one."""
    first, second = two
    command(first, "mapping", "add", "last", "--to", "local/practice")
    parts = urlsplit(second.url)
    kept = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=20)
    body = json.dumps({"model": "last", "messages": [{"role": "user", "content": "hi"}]})

    def on_it() -> http.client.HTTPResponse:
        kept.request("POST", "/v1/chat/completions", body, {"content-type": "application/json"})
        answer = kept.getresponse()
        answer.read()
        return answer

    assert on_it().status == 200
    second.terminate()
    eventually(lambda: ask(second, "/readyz")[0] == 503, LEAVE)
    assert chat(second, "last") == 200, "a new connection"
    answer = on_it()
    assert (answer.status, answer.headers["connection"]) == (200, "close")
    assert second.process is not None
    assert second.process.wait(20) == 0
    eventually(lambda: [row["name"] for row in command(first, "node", "list")] == ["n1"])
