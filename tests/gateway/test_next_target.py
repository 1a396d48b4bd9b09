"""Local first, cloud else, as users mean it: what the local server cannot serve, the next target does; what is the client's
mistake stays the client's; and where nobody serves, each target is named with its reason."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import uvloop

from pointsman.practice import Received, Reply, ScriptedUpstream
from pointsman.resilience.breaker import BreakerState
from pointsman.routing.specs import BackendSpec
from pointsman.secret import Secret
from tests.agents.model import CHAT, JSON, MESSAGES, RESPONSES, STREAM, WHOLE

from .plane import Got, Plane, plane, rule
from .test_translation import PATHS, ask, text_of

CLIENTS = (CHAT, RESPONSES, MESSAGES)


def box(server: ScriptedUpstream, dialects: tuple[str, ...] | None = (CHAT,), **more: Any) -> BackendSpec:
    return BackendSpec("local/box", "local", "box", server.url, dialects=dialects, **more)


def cloud(server: ScriptedUpstream, **more: Any) -> BackendSpec:
    more = {"auth": "bearer", "api_key": Secret("sk-canary-7"), "dialects": (CHAT,), **more}
    return BackendSpec("openai/far", "openai", "far", server.url, allow_http=True, **more)


def run(
    work: Callable[[Plane, ScriptedUpstream, ScriptedUpstream], Awaitable[None]],
    *targets: str,
    dialects: tuple[str, ...] | None = (CHAT,),
    **rules: Any,
) -> None:
    """With a local server first and a cloud's, which answers well, second."""

    async def main() -> None:
        with ScriptedUpstream() as near, ScriptedUpstream() as far:
            far.always(served)
            async with plane() as found:
                names = targets or ("local/box=lost", "openai/far=known")
                found.rules(rule("*", *names, **rules), backends=[box(near, dialects), cloud(far)])
                await work(found, near, far)

    uvloop.run(main())


def served(received: Received) -> Reply:
    if received.json().get("stream"):
        return Reply.sse(STREAM[CHAT]("from afar"))
    return Reply(200, JSON, body=WHOLE[CHAT]("from afar"))


def posts(server: ScriptedUpstream) -> list[Received]:
    return [one for one in server.requests if one.method == "POST"]


def error(status: int, message: str, **more: Any) -> Reply:
    return Reply(status, JSON, body={"error": {"message": message, **more}})


def bare(text: str, status: int = 404) -> Reply:
    return Reply(status, JSON, body=json.dumps({"error": text}).encode())


LACKING = {
    "Ollama": error(404, "model 'lost' not found", type="not_found_error", code=None),
    "Ollama, pulling": error(404, 'model "lost" not found, try pulling it first', type="api_error"),
    "vLLM": error(404, "The model `lost` does not exist.", type="NotFoundError", code=404),
    "older vLLM": Reply(404, JSON, body={"object": "error", "message": "The model `lost` does not exist.", "code": 404}),
    "LM Studio without a model": error(
        404, "No models loaded. Please load a model in the developer page or use the `lms load` command.",
        type="invalid_request_error", code="model_not_found",
    ),
    "LM Studio out of memory": bare('Failed to load model "lost". Error: insufficient system resources', 400),
    "LM Studio unloading": error(400, "Model unloaded."),
    "LM Studio's crash": bare("The model has crashed without additional information. (Exit code: 6)", 400),
    "408": error(408, "Request timed out"),
    "TGI": error(424, "Request failed during generation: CUDA error", error_type="generation"),
    "425": error(425, "not ready yet"),
    "mlx_lm and a model that is nowhere": bare(
        "404 Client Error. Repository Not Found for url: https://huggingface.co/api/models/lost"
    ),
    "mlx_lm's dead thread": bare("Generation thread is not alive"),
    "mlx_lm, anything": bare("unsupported operand type(s) for +: 'int' and 'NoneType'"),
    "DeepSeek": error(400, "Model Not Exist", type="invalid_request_error"),
    "a server of nobody's": Reply(404, {"content-type": "text/plain"}, body=b"no such model: lost"),
}  # fmt: skip


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("case", LACKING)
def test_a_local_server_without_the_model_leaves_it_to_the_cloud(
    case: str, client: str, stream: bool
) -> None:
    """Ollama's 404 for a model that was not pulled was the answer, with the cloud as the next target."""

    async def work(found: Plane, near: ScriptedUpstream, far: ScriptedUpstream) -> None:
        near.always(LACKING[case])
        got = await found.ask(PATHS[client], ask(client, stream=stream))
        assert (got.status, got.complete) == (200, True)
        assert b"afar" in got.body
        assert len(posts(near)) == len(posts(far)) == 1
        assert got.headers["x-pointsman-fallback"] == "upstream_error"

    run(work)


@pytest.mark.parametrize("case", ["Ollama", "mlx_lm's dead thread", "LM Studio's crash"])
def test_and_so_where_nobody_has_said_what_the_server_speaks(case: str) -> None:
    async def work(found: Plane, near: ScriptedUpstream, far: ScriptedUpstream) -> None:
        near.always(LACKING[case])
        for client in CLIENTS:
            got = await found.ask(PATHS[client], ask(client))
            assert (got.status, text_of(client, got.json())) == (200, "from afar")

    run(work, dialects=None)


IN_A_STREAM = {
    "LM Studio": b'event: error\ndata: {"error":{"message":"Failed to load model \\"lost\\"","type":"invalid_request_error"}}\n\n',
    "a 404 inside": b'data: {"error":{"message":"model \'lost\' not found","code":404}}\n\n',
    "a code": b'data: {"error":{"message":"nope","code":"model_not_found"}}\n\n',
}


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("case", IN_A_STREAM)
def test_the_same_said_in_a_stream_before_any_output(case: str, client: str) -> None:
    async def work(found: Plane, near: ScriptedUpstream, far: ScriptedUpstream) -> None:
        near.always(Reply.sse(IN_A_STREAM[case]))
        got = await found.ask(PATHS[client], ask(client, stream=True))
        assert got.status == 200
        assert b"afar" in got.body

    run(work)


@pytest.mark.parametrize("client", CLIENTS)
def test_alone_its_own_words_are_told_once_and_nobody_is_told_to_repeat_it(client: str) -> None:
    async def work(found: Plane, near: ScriptedUpstream, far: ScriptedUpstream) -> None:
        near.always(LACKING["Ollama"])
        got = await found.ask(PATHS[client], ask(client))
        assert got.status == 404
        assert got.json()["error"]["message"] == "model 'lost' not found"
        assert got.headers["x-should-retry"] == "false"
        assert len(posts(near)) == 1
        state = found.plane.board.target("local/box", "lost")
        assert state.breaker.quiet(), "the server is well"

    run(work, "local/box=lost")


MISTAKES = {
    "a body": error(400, "messages.0.role: Input should be 'user'", type="invalid_request_error"),
    "a body that quotes": error(400, "Invalid content: 'The model has crashed, failed to load model, what now?'"),
    "vLLM's 400": error(400, "temperature must be non-negative, got -1.", type="BadRequestError", code=400),
    "413": error(413, "Payload too large"),
    "422": Reply(422, JSON, body={"detail": [{"loc": ["body", "messages"], "msg": "Field required"}]}),
    "an unknown path": error(404, "Invalid URL (POST /v1/chat/completions)"),
    "mlx_lm's unknown path": Reply(404, JSON, body=b"Not Found"),
    "a page": Reply(404, {"content-type": "text/html"}, body=b"<html><body>no model here</body></html>"),
}  # fmt: skip


@pytest.mark.parametrize("case", MISTAKES)
def test_a_clients_real_mistake_stays_the_clients(case: str) -> None:
    async def work(found: Plane, near: ScriptedUpstream, far: ScriptedUpstream) -> None:
        near.always(MISTAKES[case])
        got = await found.ask(PATHS[CHAT], ask(CHAT))
        assert 400 <= got.status < 500
        assert not posts(far)

    run(work)


# -- faults of one request

OF_ONE_REQUEST = {
    "a picture": error(
        500, "image input is not supported - hint: if this is unexpected, you may need to provide the mmproj",
        code=500, type="server_error",
    ),
    "a grammar": error(500, "The model produced output that does not match the expected peg-native format", code=500),
    "its grammar": error(500, "output that does not match its grammar"),
    "a template": error(500, "Jinja Exception: Conversation roles must alternate user/assistant/user/assistant/..."),
    "Ollama's template": bare('template: :3:12: executing "" at <.Tools>: nil pointer', 500),
    "sound": error(500, "audio input is not supported", type="server_error"),
}  # fmt: skip


@pytest.mark.parametrize("streamed", [False, True], ids=["status", "in a stream"])
@pytest.mark.parametrize("case", OF_ONE_REQUEST)
def test_five_pictures_send_nobody_elses_text_to_the_cloud(case: str, streamed: bool) -> None:
    """Five pictures for a text model opened the breaker, and everybody's text went to the fallback."""
    reply = OF_ONE_REQUEST[case]
    if streamed:
        body = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
        told = json.loads(body)
        inside = told["error"] if isinstance(told["error"], dict) else {"message": told["error"]}
        reply = Reply.sse(b"data: %b\n\n" % json.dumps({"error": {**inside, "code": 500}}).encode())

    async def work(found: Plane, near: ScriptedUpstream, far: ScriptedUpstream) -> None:
        near.always(reply)
        for _ in range(7):
            got = await found.ask(PATHS[CHAT], ask(CHAT, stream=streamed))
            assert got.status == 200, "the next target may have eyes"
        assert len(posts(near)) == len(posts(far)) == 7
        near.always(Reply(200, JSON, body=WHOLE[CHAT]("from the box")))
        got = await found.ask(PATHS[CHAT], ask(CHAT))
        assert text_of(CHAT, got.json()) == "from the box"

    run(work)


@pytest.mark.parametrize("client", CLIENTS)
def test_alone_such_a_fault_is_asked_once_and_told(client: str) -> None:
    async def work(found: Plane, near: ScriptedUpstream, far: ScriptedUpstream) -> None:
        near.always(OF_ONE_REQUEST["a picture"])
        got = await found.ask(PATHS[client], ask(client))
        assert got.status >= 500
        assert "image input is not supported" in got.json()["error"]["message"]
        assert got.headers["x-should-retry"] == "false"
        assert len(posts(near)) == 1

    run(work, "local/box=lost")


@pytest.mark.parametrize(("client", "on"), [(one, on) for one in CLIENTS for on in (False, True)])
def test_a_500_that_says_the_input_is_too_long_is_the_clients_unless_the_rule_says_so(
    client: str, on: bool
) -> None:
    async def work(found: Plane, near: ScriptedUpstream, far: ScriptedUpstream) -> None:
        near.always(error(500, "Context size has been exceeded.", code=500, type="server_error"))
        for _ in range(6):
            got = await found.ask(PATHS[client], ask(client))
            assert got.status == (200 if on else 400)
            assert on or got.headers["x-should-retry"] == "false"
        assert len(posts(near)) == 6
        assert len(posts(far)) == (6 if on else 0)

    run(work, fallback_on=("context",) if on else ())


def healthy(status: int, asked: list[str]) -> Callable[[Received], Reply]:
    def answer(received: Received) -> Reply:
        if received.path == "/health":
            if received.headers.get("user-agent") != "pointsman-round":  # what it can is asked, too
                asked.append(received.path)
            return Reply(status, JSON, body=b'{"status":"whatever"}')
        return error(500, "something else entirely") if received.method == "POST" else Reply(404)

    return answer


async def until(what: Callable[[], object]) -> None:
    end = time.monotonic() + 5.0
    while not what():
        assert time.monotonic() < end
        await asyncio.sleep(0.005)


@pytest.mark.parametrize("status", [200, 503, 404])
def test_before_a_breaker_opens_a_local_server_is_asked_how_it_is(status: int) -> None:
    async def work(found: Plane, near: ScriptedUpstream, far: ScriptedUpstream) -> None:
        asked: list[str] = []
        near.always(healthy(status, asked))
        for _ in range(5):
            await found.ask(PATHS[CHAT], ask(CHAT))
        breaker = found.plane.board.target("local/box", "lost").breaker
        if status == 200:
            await until(breaker.quiet)
            await found.ask(PATHS[CHAT], ask(CHAT))
            assert len(posts(near)) == 6, "it is well: it is asked on"
        else:
            await until(lambda: breaker.state is BreakerState.OPEN)
            await found.ask(PATHS[CHAT], ask(CHAT))
            assert len(posts(near)) == 5
        assert len(asked) == 1

    run(work)


def test_a_server_that_says_404_of_everything_and_unwell_of_itself_is_down_until_it_is_well() -> None:
    """mlx_lm, once its generation thread is dead."""

    async def work(found: Plane, near: ScriptedUpstream, far: ScriptedUpstream) -> None:
        health = [503]

        def answer(received: Received) -> Reply:
            if received.path == "/health":
                return Reply(health[0])
            return LACKING["mlx_lm's dead thread"]

        near.always(answer)
        found.plane.probes._seconds = 0.05
        await found.ask(PATHS[CHAT], ask(CHAT))
        state = found.plane.board.backend("local/box")
        await until(lambda: state.down)
        await found.ask(PATHS[CHAT], ask(CHAT))
        assert len(posts(near)) == 1, "passed over"
        health[0] = 200
        near.always(
            lambda r: Reply(200) if r.path == "/health" else Reply(200, JSON, body=WHOLE[CHAT]("back"))
        )
        await until(lambda: not state.down)
        got = await found.ask(PATHS[CHAT], ask(CHAT))
        assert text_of(CHAT, got.json()) == "back"

    run(work)


# -- 429

SPENT = "You exceeded your current quota, please check your plan and billing details."


@pytest.mark.parametrize(
    ("headers", "details", "benched"),
    [
        ({"retry-after": "1"}, {}, 1.0),
        ({"x-ratelimit-reset-requests": "2s", "x-ratelimit-remaining-requests": "0"}, {}, 2.0),
        ({}, {"details": [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "7s"}]}, 7.0),
        ({"retry-after": "100000"}, {}, 300.0),
        ({}, {}, 300.0),
        ({"x-ratelimit-reset-requests": "9ms", "x-ratelimit-remaining-requests": "99"}, {}, 300.0),
    ],
)
def test_a_429_that_speaks_of_billing_is_left_alone_as_long_as_it_says(
    headers: dict[str, str], details: dict[str, Any], benched: float
) -> None:
    """Gemini's 429 for its free tier names the plan and billing; it was left alone for 300 s, whatever it said."""

    async def work(found: Plane, near: ScriptedUpstream, far: ScriptedUpstream) -> None:
        near.always(
            Reply(429, {**JSON, **headers}, body={"error": {"message": SPENT, "code": 429, **details}})
        )
        got = await found.ask(PATHS[CHAT], ask(CHAT))
        assert got.status == 200
        left = found.plane.board.target("local/box", "lost").throttled_until - time.monotonic()
        assert benched - 1.0 < left <= benched

    run(work)


# -- when all fail


def message(got: Got) -> str:
    return str(got.json()["error"]["message"])


@pytest.mark.parametrize("client", CLIENTS)
def test_where_all_fail_each_target_is_named_with_its_reason(client: str) -> None:
    """The local server refused the connection, the cloud had no key: only the missing key was told."""

    async def work(found: Plane, near: ScriptedUpstream, far: ScriptedUpstream) -> None:
        near.kill()
        nokey = cloud(far, api_key=None, login_only=True)
        found.rules(rule("*", "local/box=qwen", "openai/far=gpt"), backends=[box(near), nokey])
        for _ in range(2):  # the second time the local server is known to be down
            text = message(await found.ask(PATHS[client], ask(client)))
            assert "local/box:qwen: " in text
            assert "openai/far:gpt: " in text
            assert "no key is stored" in text
            assert "pointsman credential set openai/far" in text
            assert text.count(". ") == 0, "one sentence"

    run(work)


@pytest.mark.parametrize("client", CLIENTS)
def test_an_upstreams_own_words_are_among_them_and_its_key_is_not(client: str) -> None:
    async def work(found: Plane, near: ScriptedUpstream, far: ScriptedUpstream) -> None:
        near.always(LACKING["Ollama"])
        far.always(error(500, "the key sk-canary-7 met a bug"))
        got = await found.ask(PATHS[client], ask(client))
        assert got.status >= 500
        text = message(got)
        assert "local/box:lost: 404, model 'lost' not found" in text
        assert "openai/far:known: 500, the key " in text
        assert b"sk-canary-7" not in got.body
        assert got.complete

    run(work)


def test_a_key_in_an_error_inside_a_200_is_masked_too() -> None:
    async def work(found: Plane, near: ScriptedUpstream, far: ScriptedUpstream) -> None:
        near.kill()
        far.always(Reply(200, JSON, body={"error": {"message": "sk-canary-7 is odd", "code": 503}}))
        got = await found.ask(PATHS[CHAT], ask(CHAT))
        assert "is odd" in message(got)
        assert "local/box:lost" in message(got)
        assert b"sk-canary-7" not in got.body

    run(work)
