"""Messages' `thread`, which keeps a conversation at the vendor: toward whoever does not, it is refused in the words on
which clients go on without (docs/protocols/requests.md#message-threads)."""

from __future__ import annotations

import json
from typing import Any

import pytest
import uvloop

from pointsman.practice import Reply, ScriptedUpstream
from pointsman.routing.specs import BackendSpec
from tests.agents.model import CHAT, JSON, MESSAGES, RESPONSES, WHOLE

from .plane import Got, plane, rule
from .test_translation import ask, spec

CREATE, CONTINUE = {"type": "create"}, {"type": "continue", "previous_message_id": "msg_1"}
REFUSED = {"error_code": "thread_unsupported_request", "unsupported": ["thread"]}


def post(
    backend: Any, upstream: str, body: dict[str, Any], path: str = "/v1/messages"
) -> tuple[Got, list[Any]]:
    async def main() -> tuple[Got, list[Any]]:
        with ScriptedUpstream() as server:
            server.always(Reply(200, JSON, body=WHOLE[upstream]("hello")))
            async with plane() as found:
                one = backend(server)
                found.rules(rule("*", one.key), backends=[one])
                got = await found.ask(path, body)
            return got, [received.json() for received in server.requests if received.method == "POST"]

    return uvloop.run(main())


@pytest.mark.parametrize("upstream", [CHAT, RESPONSES, MESSAGES])
@pytest.mark.parametrize("thread", [CREATE, CONTINUE, {"type": "new"}], ids=lambda one: one["type"])
def test_a_tool_runner_is_told_to_go_on_without_threads(upstream: str, thread: dict[str, Any]) -> None:
    """A Messages server that ignores `thread` would answer what is new as if it were everything."""
    got, asked = post(lambda server: spec(server, upstream), upstream, ask(MESSAGES, thread=thread))
    error = got.json()["error"]
    assert (got.status, got.json()["type"], error["type"]) == (400, "error", "invalid_request_error")
    assert error["details"] == REFUSED
    assert not asked


@pytest.mark.parametrize("upstream", [CHAT, MESSAGES])
@pytest.mark.parametrize("thread", ["thr_1", {}, [], True], ids=str)
def test_a_thread_of_any_form_is_refused_in_the_same_words(upstream: str, thread: Any) -> None:
    got, asked = post(lambda server: spec(server, upstream), upstream, ask(MESSAGES, thread=thread))
    assert (got.status, got.json()["error"]["details"]) == (400, REFUSED)
    assert not asked


def test_a_compatible_provider_behind_an_address_of_its_own_gets_none_either() -> None:
    def backend(server: ScriptedUpstream) -> BackendSpec:
        return BackendSpec("anthropic/proxy", "anthropic", "proxy", server.url, allow_http=True)

    got, asked = post(backend, MESSAGES, ask(MESSAGES, model="claude-opus-5-5", thread=CREATE))
    assert (got.status, got.json()["error"]["details"]) == (400, REFUSED)
    assert not asked


@pytest.mark.parametrize("upstream", [CHAT, MESSAGES])
@pytest.mark.parametrize("said", [{"thread": None}, {}, {"metadata": {"user_id": '"thread"'}}], ids=str)
def test_without_a_thread_nothing_is_refused(upstream: str, said: dict[str, Any]) -> None:
    got, asked = post(lambda server: spec(server, upstream), upstream, ask(MESSAGES, **said))
    assert (got.status, len(asked)) == (200, 1)


def test_the_vendor_itself_gets_the_thread() -> None:
    from pointsman.kinds import Protocol
    from pointsman.providers.profiles import profile_for

    own = BackendSpec("anthropic", "anthropic", "", "https://api.anthropic.com")
    elsewhere = BackendSpec("anthropic/x", "anthropic", "x", "https://x.example")
    assert profile_for(own, Protocol.ANTHROPIC_MESSAGES, "claude-opus-5-5").threads
    assert not profile_for(elsewhere, Protocol.ANTHROPIC_MESSAGES, "claude-opus-5-5").threads


def test_the_typescript_sdk_reads_the_code() -> None:
    """Where its toolRunner looks: `error.error.error.details.error_code`."""
    got, _ = post(lambda server: spec(server, CHAT), CHAT, ask(MESSAGES, thread=CREATE))
    assert json.loads(got.body)["error"]["details"]["error_code"] == "thread_unsupported_request"
