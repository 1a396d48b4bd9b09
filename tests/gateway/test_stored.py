"""Responses that are asked for again by their id go to the backend that made them; those that were translated are answered
from the gateway's own memory (docs/protocols/messages.md#responses-by-id)."""

from __future__ import annotations

import asyncio
import hmac
import json
import tempfile
from collections.abc import Callable, Coroutine
from typing import Any

import openai
import pytest
import uvloop

from pointsman.dialects.recall import Given
from pointsman.errors import PointsmanError
from pointsman.gateway.conversations import Conversations
from pointsman.gateway.holders import Holder, Holders
from pointsman.gateway.own.siblings import Siblings
from pointsman.kinds import ErrorKind
from pointsman.link.messages import AnswerFound, ClientKeySpec
from pointsman.practice import Pause, Received, Reply, ScriptedUpstream
from pointsman.routing.specs import BackendSpec
from pointsman.secret import SecretBytes
from pointsman.translation.response_memory import ResponseMemory
from tests.agents.model import CHAT, JSON, MESSAGES, RESPONSES, SSE, STREAM, WHOLE

from .plane import Got, Plane, plane, rule
from .test_translation import spec

PATH = "/v1/responses"
ASK = {"model": "m", "input": "hi"}


class Vendor:
    """A backend that keeps what it made, as the vendor does. made: id -> response."""

    def __init__(self, word: str, status: str = "completed") -> None:
        self.word = word
        self.status = status
        self.made: dict[str, dict[str, Any]] = {}
        self.asked: list[str] = []

    def __call__(self, got: Received) -> Reply:
        self.asked.append(f"{got.method} {got.target}")
        if got.method == "POST" and got.path == PATH:
            return self.make(got.json())
        if not got.path.startswith(PATH + "/"):
            return Reply(404, JSON, body=b'{"error":{"message":"no"}}')
        name, _, verb = got.path.removeprefix(PATH + "/").partition("/")
        if name not in self.made:
            return said(
                404, {"error": {"message": f"{self.word} has no {name}", "type": "invalid_request_error"}}
            )
        if verb == "cancel":
            self.made[name]["status"] = "cancelled"
        if got.method == "DELETE":
            del self.made[name]
            return said(200, {"id": name, "object": "response", "deleted": True})
        if verb == "input_items":
            item = {
                "id": "msg_1",
                "type": "message",
                "role": "user",
                "content": [{"type": "input_text", "text": "hi"}],
            }
            return said(
                200,
                {
                    "object": "list",
                    "data": [item],
                    "has_more": False,
                    "first_id": "msg_1",
                    "last_id": "msg_1",
                },
            )
        if "stream=true" in got.target:
            return Reply(200, SSE, parts=[STREAM[RESPONSES]("again")], framing="chunked")
        return said(200, self.made[name])

    def make(self, body: dict[str, Any]) -> Reply:
        name = f"resp_{self.word}{len(self.made)}"
        whole = {**json.loads(WHOLE[RESPONSES](f"said by {self.word}")), "id": name, "status": self.status}
        if self.status != "completed":
            whole |= {"output": [], "usage": None, "background": True}
        self.made[name] = whole
        if body.get("stream"):
            return Reply(
                200, SSE, body=STREAM[RESPONSES]("x").replace(b'"resp_', f'"resp_{self.word}'.encode())
            )
        return said(200, whole)


def said(status: int, value: Any) -> Reply:
    return Reply(status, JSON, body=json.dumps(value).encode())


def cloud(server: ScriptedUpstream, name: str) -> BackendSpec:
    return BackendSpec(
        key=f"openai/{name}", type="openai", name=name, base_url=server.url, dialects=(RESPONSES,)
    )


Scene = Callable[[Plane, Vendor, Vendor], Coroutine[Any, Any, None]]


def run(scene: Scene, *, first: str = "completed", **more: Any) -> None:
    """Two vendors: names that begin with `m` go to the first, then to the second; all others to the second."""

    async def main() -> None:
        one, two = Vendor("one", first), Vendor("two")
        with ScriptedUpstream() as a, ScriptedUpstream() as b:
            a.always(one)
            b.always(two)
            async with plane() as found:
                rules = [rule("m*", "openai/a=gpt-x", "openai/b"), rule("*", "openai/b", id=2)]
                found.rules(*rules, backends=[cloud(a, "a"), cloud(b, "b")], **more)
                await scene(found, one, two)

    uvloop.run(main())


def sdk(found: Plane, key: str = "k") -> openai.OpenAI:
    return openai.OpenAI(base_url=f"http://127.0.0.1:{found.port}/v1", api_key=key, max_retries=0, timeout=20)


async def make(found: Plane, *headers: str, **more: Any) -> str:
    got = await found.ask(PATH, {**ASK, **more}, *headers)
    assert got.status == 200, got.body
    return str(got.json()["id"])


def unknown(got: Got, name: str) -> None:
    """OpenAI's own words and form."""
    error = {
        "message": f"Response with id '{name}' not found.",
        "type": "invalid_request_error",
        "param": None,
        "code": None,
    }
    assert (got.status, got.json()) == (404, {"error": error})


def test_the_official_sdk_reads_lists_cancels_and_deletes_at_the_backend_that_made_it() -> None:
    async def scene(found: Plane, one: Vendor, two: Vendor) -> None:
        def use() -> None:
            with sdk(found) as client:
                mine = client.responses.create(model="m", input="hi")
                other = client.responses.create(model="x", input="hi")
                assert (
                    client.responses.retrieve(mine.id, include=["reasoning.encrypted_content"]).output_text
                    == "said by one"
                )
                assert client.responses.retrieve(other.id).output_text == "said by two"
                items = client.responses.input_items.list(mine.id, limit=5, order="asc", after="msg_0")
                assert [item.id for item in items.data] == ["msg_1"]
                told = client.responses.retrieve(mine.id, stream=True, starting_after=3)
                assert [event.type for event in told][-1] == "response.completed"
                assert client.responses.cancel(mine.id).status == "cancelled"
                client.responses.delete(mine.id)
                with pytest.raises(openai.NotFoundError, match=f"{mine.id}' not found"):
                    client.responses.retrieve(mine.id)

        await asyncio.to_thread(use)
        name = PATH + "/resp_one0"
        assert one.asked == [
            f"POST {PATH}", f"GET {name}?include%5B%5D=reasoning.encrypted_content",
            f"GET {name}/input_items?after=msg_0&limit=5&order=asc", f"GET {name}?starting_after=3&stream=true",
            f"POST {name}/cancel", f"DELETE {name}",
        ]  # fmt: skip
        assert two.asked == [f"POST {PATH}", f"GET {PATH}/resp_two0"]
        records = await found.recorded(9)
        assert [one.input_tokens is not None for one in records] == [True, True] + [False] * 7, "counted once"
        assert [one.target for one in records[2:]].count("openai/a:gpt-x") == 5

    run(scene)


def test_answers_pass_byte_for_byte_and_say_who_gave_them() -> None:
    async def scene(found: Plane, one: Vendor, two: Vendor) -> None:
        name = await make(found)
        got = await found.ask(f"{PATH}/{name}", b"", method="GET")
        assert (got.status, got.json()) == (200, one.made[name])
        assert got.headers["x-pointsman-target"] == "openai/a:gpt-x"
        one.made.clear()
        found.plane.responses.forget("None", name)
        gone = await found.ask(f"{PATH}/{name}", b"", method="GET")
        assert (gone.status, gone.json()["error"]["message"]) == (404, f"one has no {name}")
        assert not any(PATH + "/" in asked for asked in two.asked)

    run(scene)


def test_after_a_fallback_it_is_asked_who_really_answered() -> None:
    async def scene(found: Plane, one: Vendor, two: Vendor) -> None:
        one.make = lambda body: said(500, {"error": {"message": "boom"}})  # type: ignore[method-assign]
        name = await make(found)
        got = await found.ask(f"{PATH}/{name}", b"", method="GET")
        assert got.json()["output"] == two.made[name]["output"]

    run(scene)


def test_a_job_in_the_background_is_polled_and_cancelled_where_it_runs() -> None:
    async def scene(found: Plane, one: Vendor, two: Vendor) -> None:
        name = await make(found, background=True)
        for status in ("queued", "in_progress"):
            one.made[name]["status"] = status
            assert (await found.ask(f"{PATH}/{name}", b"", method="GET")).json()["status"] == status
        assert (await found.ask(f"{PATH}/{name}/cancel", b"")).json()["status"] == "cancelled"
        one.made[name] |= {"status": "failed", "error": {"code": "server_error", "message": "boom"}}
        failed = await found.ask(f"{PATH}/{name}", b"", method="GET")
        assert (failed.status, failed.json()["status"]) == (200, "failed")

    run(scene, first="queued")


@pytest.mark.parametrize("leaves", [False, True])
def test_a_stream_is_found_again_also_by_who_left_in_its_middle(leaves: bool) -> None:
    async def main() -> None:
        with ScriptedUpstream() as server:
            stream = STREAM[RESPONSES]("hello there")
            cut = (
                stream.index(b"event: response.completed")
                if b"event: response.completed" in stream
                else len(stream) // 2
            )
            server.always(Reply(200, SSE, parts=[stream[:cut], Pause(0.3), stream[cut:]], framing="chunked"))
            async with plane() as found:
                found.rules(rule("*", "openai/a"), backends=[cloud(server, "a")])
                reader, writer = await found.connect()
                raw = json.dumps({**ASK, "stream": True, "background": True}).encode()
                writer.write(
                    b"POST /v1/responses HTTP/1.1\r\nhost: localhost\r\ncontent-length: %d\r\n\r\n%b"
                    % (len(raw), raw)
                )
                begun = await reader.readuntil(b"hello")
                name = json.loads(begun[begun.index(b"data: ") + 6 :].split(b"\n")[0])["response"]["id"]
                if leaves:
                    writer.close()
                await found.ask(f"{PATH}/{name}/cancel", b"")
                assert server.requests[-1].path == f"{PATH}/{name}/cancel"
                writer.close()
                while not any(one.answer_id for one in found.records):
                    await asyncio.sleep(0.01)
                assert next(one.answer_id for one in found.records if one.answer_id) == name

    uvloop.run(main())


def test_a_stream_that_is_gone_on_with_and_cut_is_an_error() -> None:
    async def scene(found: Plane, one: Vendor, two: Vendor) -> None:
        name = await make(found)
        half = STREAM[RESPONSES]("again and again").split(b"\n\n")
        cut = b"\n\n".join(half[:-2]) + b"\n\n"
        answer = Vendor.__call__
        Vendor.__call__ = lambda self, got: Reply(200, SSE, parts=[cut], framing="chunked")  # type: ignore[method-assign]
        try:
            got = await found.ask(f"{PATH}/{name}?stream=true", b"", method="GET")
        finally:
            Vendor.__call__ = answer  # type: ignore[method-assign]
        assert b"event: error" in got.body
        assert b"response.completed" not in got.body

    run(scene)


def test_a_large_answer_is_found_again_too() -> None:
    async def scene(found: Plane, one: Vendor, two: Vendor) -> None:
        one.word = "one" + "x" * 3
        whole = json.loads(WHOLE[RESPONSES]("y" * 600_000))
        whole = {"id": "resp_large", **{key: value for key, value in whole.items() if key != "id"}}
        one.made["resp_large"] = whole
        one.make = lambda body: said(200, whole)  # type: ignore[method-assign]
        assert await make(found) == "resp_large"
        assert (await found.ask(f"{PATH}/resp_large", b"", method="GET")).json() == whole
        assert [one.answer_id for one in await found.recorded(2)] == ["resp_large", None]

    run(scene)


@pytest.mark.parametrize(
    ("method", "verb"), [("GET", ""), ("DELETE", ""), ("POST", "/cancel"), ("GET", "/input_items")]
)
def test_an_id_that_nobody_knows_is_the_vendors_404(method: str, verb: str) -> None:
    async def scene(found: Plane, one: Vendor, two: Vendor) -> None:
        await make(found)
        for name in ("resp_x", "a" * 300):
            unknown(await found.ask(f"{PATH}/{name}{verb}", b"", method=method), name)
        assert one.asked == [f"POST {PATH}"]

    run(scene)


def test_the_wrong_method_is_a_405_that_says_the_right_ones() -> None:
    async def scene(found: Plane, one: Vendor, two: Vendor) -> None:
        got = await found.ask(f"{PATH}/resp_1", b"", method="PUT")
        assert (got.status, got.headers["allow"]) == (405, "GET, DELETE")
        got = await found.ask(f"{PATH}/resp_1/cancel", b"", method="GET")
        assert (got.status, got.headers["allow"]) == (405, "POST")

    run(scene)


def test_nobody_reads_what_another_key_was_given() -> None:
    pepper = b"p"
    keys = tuple(ClientKeySpec(n, f"k{n}", hmac.digest(pepper, b"key-%d" % n, "sha256")) for n in (1, 2))

    async def scene(found: Plane, one: Vendor, two: Vendor) -> None:
        own, other = "authorization: Bearer key-1", "authorization: Bearer key-2"
        name = await make(found, own)
        asked = len(one.asked)
        unknown(await found.ask(f"{PATH}/{name}", b"", other, method="GET"), name)
        unknown(await found.ask(f"{PATH}/{name}", b"", other, method="DELETE"), name)
        assert (await found.ask(f"{PATH}/{name}", b"", method="GET")).status == 401
        assert len(one.asked) == asked
        assert (await found.ask(f"{PATH}/{name}", b"", own, method="GET")).status == 200

    run(scene, client_keys=keys, keys_required=True, pepper=SecretBytes(pepper))


def test_what_was_not_to_be_stored_is_not_known() -> None:
    async def scene(found: Plane, one: Vendor, two: Vendor) -> None:
        name = await make(found, store=False)
        unknown(await found.ask(f"{PATH}/{name}", b"", method="GET"), name)
        assert found.records[0].answer_id is None

    run(scene)


def test_a_backend_that_is_gone_is_said() -> None:
    async def scene(found: Plane, one: Vendor, two: Vendor) -> None:
        name = await make(found)
        found.rules(rule("*", "openai/b"), backends=[])
        got = await found.ask(f"{PATH}/{name}", b"", method="GET")
        assert got.status == 404
        assert "openai/a, which cannot be used any more" in got.json()["error"]["message"]

    run(scene)


def test_a_wall_that_was_built_since_stands() -> None:
    """192.0.2.1 is nobody's (RFC 5737), and refused before anything is sent there."""

    async def scene(found: Plane, one: Vendor, two: Vendor) -> None:
        name = await make(found)
        found.plane.responses.forget("None", name)
        away = BackendSpec(
            key="openai/a", type="openai", name="a", base_url="https://192.0.2.1", dialects=(RESPONSES,)
        )
        found.rules(rule("m*", "openai/a", local_only=True), backends=[away])
        got = await found.ask(f"{PATH}/{name}", b"", method="GET")
        assert got.status == 502
        assert "local" in got.json()["error"]["message"]

    run(scene)


# -- translated: the gateway's own memory


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("upstream", [CHAT, MESSAGES, RESPONSES])
def test_a_response_that_its_backend_does_not_keep_is_read_again_from_the_memory(
    upstream: str, stream: bool
) -> None:
    async def main() -> None:
        with ScriptedUpstream() as server:
            answer = Reply(
                200, SSE if stream else JSON, body=(STREAM if stream else WHOLE)[upstream]("hello")
            )
            made = {"POST /v1/responses", "POST /v1/messages", "POST /v1/chat/completions"}
            unknown_path = Reply(404, {"content-type": "text/plain"}, body=b"404 page not found")
            server.always(lambda got: answer if f"{got.method} {got.path}" in made else unknown_path)
            async with plane() as found:
                found.rules(rule("*", "local/box"), backends=[spec(server, upstream)])

                def use() -> None:
                    with sdk(found) as client:
                        first: Any
                        if stream:
                            with client.responses.stream(
                                model="m", input="hi", instructions="be brief"
                            ) as told:
                                first = told.get_final_response()
                        else:
                            first = client.responses.create(model="m", input="hi", metadata={"a": "b"})
                        again = client.responses.retrieve(first.id)
                        assert (again.output_text, again.status, again.metadata) == (
                            "hello",
                            "completed",
                            first.metadata,
                        )
                        assert again.usage == first.usage
                        assert again.model == first.model
                        retold = list(client.responses.retrieve(first.id, stream=True))
                        assert retold[-1].type == "response.completed"
                        items: Any = client.responses.input_items.list(first.id).data
                        assert [(item.type, item.content[0].text) for item in items] == [("message", "hi")]
                        with pytest.raises(
                            openai.BadRequestError, match="Cannot cancel a synchronous response"
                        ):
                            client.responses.cancel(first.id)
                        client.responses.delete(first.id)
                        with pytest.raises(
                            openai.NotFoundError, match=f"Response with id '{first.id}' not found."
                        ):
                            client.responses.retrieve(first.id)

                await asyncio.to_thread(use)
                assert len([one for one in server.requests if f"{one.method} {one.path}" in made]) == 1

    uvloop.run(main())


def test_the_input_of_a_chain_is_listed_in_pages() -> None:
    async def main() -> None:
        with ScriptedUpstream() as server:
            server.always(Reply(200, JSON, body=WHOLE[CHAT]("hello")))
            async with plane() as found:
                found.rules(rule("*", "local/box"), backends=[spec(server, CHAT)])
                first = await make(found, input="one")
                second = await make(
                    found, input=[{"role": "user", "content": "two"}], previous_response_id=first
                )
                where = f"{PATH}/{second}/input_items"
                whole = (await found.ask(f"{where}?order=asc", b"", method="GET")).json()
                texts = [item["content"][0]["text"] for item in whole["data"]]
                assert (texts, whole["has_more"]) == (["one", "hello", "two"], False)
                newest = (await found.ask(f"{where}?limit=2", b"", method="GET")).json()
                assert ([i["content"][0]["text"] for i in newest["data"]], newest["has_more"]) == (
                    ["two", "hello"],
                    True,
                )
                rest = (
                    await found.ask(f"{where}?limit=2&after={newest['last_id']}", b"", method="GET")
                ).json()
                assert [i["content"][0]["text"] for i in rest["data"]] == ["one"]
                for wrong in ("limit=0", "limit=x", "after=nobody"):
                    assert (await found.ask(f"{where}?{wrong}", b"", method="GET")).status == 400

    uvloop.run(main())


# -- backends that give one id to everybody


@pytest.mark.parametrize("elsewhere", [False, True])
def test_an_id_that_a_backend_gives_to_two_keys_is_neithers(elsewhere: bool) -> None:
    """A local server called each of its answers `resp_1`: whoever had one read the last one of all others."""
    pepper = b"p"
    keys = tuple(ClientKeySpec(n, f"k{n}", hmac.digest(pepper, b"key-%d" % n, "sha256")) for n in (1, 2))
    words = ["authorization: Bearer key-1", "authorization: Bearer key-2"]

    async def scene(found: Plane, one: Vendor, two: Vendor) -> None:
        with tempfile.TemporaryDirectory(prefix="pm-") as folder:
            theirs = Holders()
            other = Siblings(folder, 1, ResponseMemory(0, 60), theirs, Conversations())
            await other.start()
            found.plane.siblings = Siblings(
                folder, 0, found.plane.responses, found.plane.holders, found.plane.conversations
            )
            await found.plane.siblings.start()
            first = await make(found, words[0])
            mine = await found.ask(f"{PATH}/{first}", b"", words[0], method="GET")
            assert mine.json()["id"] == first
            if elsewhere:
                theirs.put("2", first, Holder("openai/a", "gpt-x", "m"))
            else:
                one.made.clear()
                assert await make(found, words[1]) == first
            asked = len(one.asked)
            read = await found.ask(f"{PATH}/{first}", b"", words[0], method="GET")
            assert (read.status, read.json()["output"]) == (200, mine.json()["output"]), "its own, remembered"
            for word in words[: 1 if elsewhere else 2]:
                got = await found.ask(f"{PATH}/{first}", b"", word, method="DELETE")
                assert (got.status, "to other client keys" in got.json()["error"]["message"]) == (404, True)
            assert len(one.asked) == asked, "nobody asked there"
            await found.plane.siblings.stop()
            await other.stop()
            await asyncio.sleep(0)

    run(scene, client_keys=keys, keys_required=True, pepper=SecretBytes(pepper))


# -- other processes, and the usage database


def test_another_process_knows_it_and_forgets_it() -> None:
    async def scene(found: Plane, one: Vendor, two: Vendor) -> None:
        with tempfile.TemporaryDirectory(prefix="pm-") as folder:
            theirs = Holders()
            theirs.put("None", "resp_one0", Holder("openai/a", "gpt-x", "m"))
            memory = ResponseMemory(1 << 20, 60)
            shell = json.dumps({"id": "resp_kept", "object": "response", "output": []}).encode()
            memory.put(
                "None",
                Given("resp_kept", None, b'{"input":"hi"}', (("msg_1", b'{"id":"msg_1"}'),), "", shell),
            )
            other = Siblings(folder, 1, memory, theirs, Conversations())
            await other.start()
            found.plane.siblings = Siblings(
                folder, 0, found.plane.responses, found.plane.holders, found.plane.conversations
            )
            await found.plane.siblings.start()
            one.make(ASK)
            assert (await found.ask(f"{PATH}/resp_one0", b"", method="GET")).json() == one.made["resp_one0"]
            unknown(await found.ask(f"{PATH}/resp_9", b"", method="GET"), "resp_9")
            kept = await found.ask(f"{PATH}/resp_kept", b"", method="GET")
            assert kept.json() == {"id": "resp_kept", "object": "response", "output": [{"id": "msg_1"}]}
            deleted = await found.ask(f"{PATH}/resp_kept", b"", method="DELETE")
            assert deleted.json() == {"id": "resp_kept", "object": "response", "deleted": True}
            unknown(await found.ask(f"{PATH}/resp_kept", b"", method="GET"), "resp_kept")
            await found.plane.siblings.stop()
            await other.stop()
            await asyncio.sleep(0)

    run(scene)


def test_the_usage_database_is_asked_last_and_once() -> None:
    asked: list[tuple[int | None, str]] = []

    async def find(key_id: int | None, name: str) -> AnswerFound:
        asked.append((key_id, name))
        if name == "resp_late":
            raise PointsmanError(ErrorKind.UNAVAILABLE, "not now", retry_after=1)
        return AnswerFound(1, "openai/a:gpt-x", "m") if name == "resp_one0" else AnswerFound(1)

    async def scene(found: Plane, one: Vendor, two: Vendor) -> None:
        found.plane.find_answer = find
        one.make(ASK)
        for _ in range(2):
            assert (await found.ask(f"{PATH}/resp_one0", b"", method="GET")).json() == one.made["resp_one0"]
        unknown(await found.ask(f"{PATH}/resp_9", b"", method="GET"), "resp_9")
        late = await found.ask(f"{PATH}/resp_late", b"", method="GET")
        assert (late.status, late.headers["retry-after"]) == (503, "1")
        assert asked == [(None, "resp_one0"), (None, "resp_9"), (None, "resp_late")]

    run(scene)


def test_the_memory_of_who_made_what_is_bounded() -> None:
    holders = Holders(most=2)
    for name in ("a", "b", "a", "c"):
        holders.put("1", name, Holder("openai", "m", "m"))
    assert [holders.find("1", name) is not None for name in "abc"] == [True, False, True]
    assert holders.find("2", "a") is None


# -- beside


@pytest.mark.parametrize("path", [PATH + "/compact", PATH + "/input_tokens"])
def test_what_names_a_model_goes_by_its_model(path: str) -> None:
    async def scene(found: Plane, one: Vendor, two: Vendor) -> None:
        await found.ask(path, ASK)
        assert one.asked == [f"POST {path}"]

    run(scene)
