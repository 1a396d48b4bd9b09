"""Item by item of Responses' input and block by block of Messages: what a model of another vendor is told of it
(docs/protocols/messages.md#what-other-vendors-cannot-read). Nothing is only dropped: it goes as what it is, in words, as a
picture or a file, or it is a 400 that names it. The vendors' SDKs say which kinds there are."""

from __future__ import annotations

import json
from typing import Any, get_args, get_type_hints

import msgspec
import pytest
from anthropic.types.beta import BetaContentBlockParam
from openai.types.responses import ResponseInputItemParam
from typing_extensions import is_typeddict

from pointsman.dialects.capsule import Capsules
from pointsman.dialects.registry import DIALECTS
from pointsman.errors import PointsmanError
from pointsman.kinds import Protocol
from pointsman.providers.profiles import profile_for
from pointsman.routing.specs import BackendSpec
from pointsman.translation.crossing import Asked, Crossing
from pointsman.wire.key_mask import KeyMask

CHAT, RESPONSES, MESSAGES = Protocol.OPENAI_CHAT, Protocol.OPENAI_RESPONSES, Protocol.ANTHROPIC_MESSAGES
OPENAI = BackendSpec("openai", "openai", "", "https://api.openai.com", stream_usage=True)
ANTHROPIC = BackendSpec("anthropic", "anthropic", "", "https://api.anthropic.com")
LOCAL = BackendSpec("local/box", "local", "box", "http://127.0.0.1:8080")
PICTURE = "iVBORw0KGgo="
PDF = "JVBERi0="


class _Head:
    def get(self, name: bytes) -> bytes | None:
        return None


def crossed(
    client: Protocol,
    upstream: Protocol,
    body: dict[str, Any],
    spec: BackendSpec | None = None,
    model: str = "",
) -> tuple[dict[str, Any], list[str]]:
    """(what the backend gets, what the client is told)."""
    if spec is None:
        spec, model = {
            CHAT: (OPENAI, "gpt-4.1"), RESPONSES: (OPENAI, "gpt-5.6"), MESSAGES: (ANTHROPIC, "claude-opus-4-8"),
        }[upstream]  # fmt: skip
    half = DIALECTS[client].translation
    assert half is not None
    asked = Asked(half, msgspec.json.encode(body), _Head(), "req", Capsules(b"k"))  # type: ignore[arg-type]
    profile = profile_for(spec, upstream, model)
    made = Crossing(asked, DIALECTS[client], DIALECTS[upstream], profile, None, KeyMask(b""))
    return json.loads(made.body), made.warnings.decode().split(",")


def items(*between: dict[str, Any]) -> dict[str, Any]:
    hi, on = {"role": "user", "content": "hi"}, {"role": "user", "content": "go on"}
    return {"model": "m", "input": [hi, {"role": "assistant", "content": "well"}, *between, on]}


def blocks(role: str, *content: dict[str, Any]) -> dict[str, Any]:
    turns = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "well"}]
    if role == "user":
        turns.append({"role": "user", "content": list(content)})  # type: ignore[dict-item]
    else:
        turns[1] = {"role": "assistant", "content": list(content)}  # type: ignore[dict-item]
        turns.append({"role": "user", "content": "go on"})
    return {"model": "m", "max_tokens": 50, "messages": turns}


SHOT = {"type": "computer_screenshot", "image_url": f"data:image/png;base64,{PICTURE}"}
SHELL = {"type": "local_shell_call", "id": "lsh_1", "call_id": "c1", "status": "completed",
         "action": {"type": "exec", "command": ["ls"], "env": {}}}  # fmt: skip
COMPUTER = {"type": "computer_call", "id": "cu_1", "call_id": "c1", "status": "completed", "pending_safety_checks": [],
            "action": {"type": "screenshot"}}  # fmt: skip
SHELL_2 = {"type": "shell_call", "call_id": "c1", "action": {"commands": ["ls -l"]}}
PATCH = {"type": "apply_patch_call", "call_id": "c1", "status": "completed",
         "operation": {"type": "delete_file", "path": "gone.txt"}}  # fmt: skip
CALL = {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"}
FREE = {"type": "custom_tool_call", "call_id": "c1", "name": "p", "input": "free text"}
TOOL = {"type": "function", "name": "later_tool", "parameters": {"type": "object", "properties": {}}}
ITEMS: dict[str, tuple[list[dict[str, Any]], list[str]]] = {
    # type: (items, what the backend must have of them)
    "message": ([{"type": "message", "role": "user", "content": "a word"}], ["a word"]),
    "function_call": ([CALL, {"type": "function_call_output", "call_id": "c1", "output": "done"}], ["done"]),
    "function_call_output": (
        [CALL, {"type": "function_call_output", "call_id": "c1", "output": [{"type": "input_image", "image_url": f"data:image/png;base64,{PICTURE}"}]}],
        [PICTURE],
    ),
    "custom_tool_call": ([FREE, {"type": "custom_tool_call_output", "call_id": "c1", "output": "patched"}], ["free text"]),
    "custom_tool_call_output": ([FREE, {"type": "custom_tool_call_output", "call_id": "c1", "output": "patched"}], ["patched"]),
    "local_shell_call": ([SHELL, {"type": "local_shell_call_output", "id": "c1", "output": "a.txt"}], ["ls", "a.txt"]),
    "local_shell_call_output": ([SHELL, {"type": "local_shell_call_output", "id": "lsh_1", "output": "b.txt"}], ["b.txt"]),
    "shell_call": ([SHELL_2], ["ls -l"]),
    "shell_call_output": (
        [SHELL_2, {"type": "shell_call_output", "call_id": "c1", "output": [{"stdout": "total 0", "stderr": "", "outcome": {"type": "exit", "exit_code": 0}}]}],
        ["total 0"],
    ),
    "apply_patch_call": ([PATCH], ["gone.txt"]),
    "apply_patch_call_output": ([PATCH, {"type": "apply_patch_call_output", "call_id": "c1", "status": "failed"}], ["failed"]),
    "computer_call": ([COMPUTER, {"type": "computer_call_output", "call_id": "c1", "output": SHOT}], ["screenshot"]),
    "computer_call_output": ([COMPUTER, {"type": "computer_call_output", "call_id": "c1", "output": SHOT}], [PICTURE]),
    "web_search_call": (
        [{"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "rome", "sources": [{"type": "url", "url": "https://a.org"}]}}],
        ["rome", "https://a.org", "web_search_call"],
    ),
    "file_search_call": (
        [{"type": "file_search_call", "id": "fs_1", "status": "completed", "queries": ["price"], "results": [{"filename": "p.txt", "text": "9 euro"}]}],
        ["price", "p.txt", "9 euro"],
    ),
    "code_interpreter_call": (
        [{"type": "code_interpreter_call", "id": "ci_1", "status": "completed", "container_id": "x", "code": "print(7)", "outputs": [{"type": "logs", "logs": "seven"}, {"type": "image", "url": f"data:image/png;base64,{PICTURE}"}]}],
        ["print(7)", "seven", PICTURE],
    ),
    "image_generation_call": (
        [{"type": "image_generation_call", "id": "ig_1", "status": "completed", "result": PICTURE, "revised_prompt": "a red cat"}],
        ["a red cat", PICTURE],
    ),
    "mcp_call": (
        [{"type": "mcp_call", "id": "m_1", "server_label": "wiki", "name": "look", "arguments": '{"q":1}', "output": "it says so"}],
        ["wiki", "look", "it says so"],
    ),
    "mcp_list_tools": ([{"type": "mcp_list_tools", "id": "ml", "server_label": "wiki", "tools": [{"name": "look", "input_schema": {}}]}], ["wiki", "look"]),
    "mcp_approval_request": ([{"type": "mcp_approval_request", "id": "a", "server_label": "wiki", "name": "look", "arguments": "{}"}], ["look of wiki"]),
    "mcp_approval_response": ([{"type": "mcp_approval_response", "approval_request_id": "a", "approve": False, "reason": "too dear"}], ["did not allow", "too dear"]),
    "tool_search_call": ([{"type": "tool_search_call", "arguments": {"q": "weather"}, "execution": "server"}], ["weather"]),
    "tool_search_output": ([{"type": "tool_search_output", "tools": [TOOL]}], ["later_tool"]),
    "additional_tools": ([{"type": "additional_tools", "role": "developer", "tools": [TOOL]}], ["later_tool"]),
    "configuration_update": ([{"type": "configuration_update", "text": {"format": {"type": "json_schema", "name": "n", "schema": {"type": "object", "properties": {"unusual": {"type": "string"}}, "required": ["unusual"], "additionalProperties": False}}}}], ["unusual"]),
    "program": ([{"type": "program", "id": "p", "call_id": "c", "code": "await f()", "fingerprint": "x"}], ["await f()"]),
    "program_output": ([{"type": "program_output", "id": "p", "call_id": "c", "result": "42 boxes", "status": "completed"}], ["42 boxes"]),
    "a kind of tomorrow": ([{"type": "hologram_call", "id": "h", "about": "a cube"}], ["a cube", "hologram_call"]),
}  # fmt: skip
REFUSED_ITEMS: dict[str, dict[str, Any]] = {
    "compaction": {"type": "compaction", "id": "c", "encrypted_content": "gAAA"},
    "compaction_trigger": {"type": "compaction_trigger"},
    "item_reference": {"type": "item_reference", "id": "msg_1"},
    "a kind of tomorrow that is sealed": {"type": "hologram_call", "id": "h", "encrypted_content": "x"},
}
APART = {"reasoning"}
"""Goes to who made it (docs/protocols/reasoning.md#reasoning-must-come-back)."""


def kinds(union: Any) -> set[str]:
    """The values of `type` of every member."""
    found: set[str] = set()
    waiting = [union]
    while waiting:
        one = waiting.pop()
        if is_typeddict(one):
            found |= words(get_type_hints(one).get("type"))
        elif not isinstance(one, type):  # the classes of answers name the same kinds
            waiting += get_args(one)
    return found


def words(hint: Any) -> set[str]:
    return {one for inner in get_args(hint) for one in ({inner} if isinstance(inner, str) else words(inner))}


def test_every_item_of_the_vendor_has_its_row() -> None:
    assert kinds(ResponseInputItemParam) - APART <= ITEMS.keys() | REFUSED_ITEMS.keys()


@pytest.mark.parametrize("upstream", [CHAT, MESSAGES])
@pytest.mark.parametrize("kind", ITEMS)
def test_an_item_reaches_another_vendor(kind: str, upstream: Protocol) -> None:
    given, wanted = ITEMS[kind]
    body, _ = crossed(RESPONSES, upstream, items(*given))
    text = json.dumps(body, ensure_ascii=False)
    assert [word for word in wanted if word not in text and json.dumps(word)[1:-1] not in text] == []


@pytest.mark.parametrize("upstream", [CHAT, MESSAGES])
@pytest.mark.parametrize("kind", REFUSED_ITEMS)
def test_an_item_that_cannot_be_told_is_a_400_by_its_path(kind: str, upstream: Protocol) -> None:
    with pytest.raises(PointsmanError) as caught:
        crossed(RESPONSES, upstream, items(REFUSED_ITEMS[kind]))
    assert (caught.value.status, caught.value.param) == (400, "input[2]")


def test_a_picture_that_the_assistant_made_follows_in_the_users_turn() -> None:
    made = {
        "type": "image_generation_call",
        "id": "i",
        "status": "completed",
        "result": PICTURE,
        "output_format": "webp",
    }
    body, told = crossed(RESPONSES, MESSAGES, items(made))
    roles = [(m["role"], [b["type"] for b in m["content"]]) for m in body["messages"]]
    assert roles == [("user", ["text"]), ("assistant", ["text", "text"]), ("user", ["image", "text"])]
    assert body["messages"][2]["content"][0]["source"]["media_type"] == "image/webp"
    assert told == ["changed:input[2]"]


def test_a_picture_stands_behind_the_results_of_its_turn() -> None:
    made = {"type": "image_generation_call", "id": "i", "status": "completed", "result": PICTURE}
    result = {"type": "function_call_output", "call_id": "c1", "output": "done"}
    body, _ = crossed(RESPONSES, MESSAGES, items(made, CALL, result))
    assert [b["type"] for b in body["messages"][2]["content"]] == ["tool_result", "image", "text"]


def test_search_results_are_not_glued_to_the_assistants_own_words() -> None:
    result = {
        "type": "web_search_tool_result",
        "tool_use_id": "s",
        "content": [
            {"type": "web_search_result", "url": "https://a.org", "title": "A", "encrypted_content": "x"}
        ],
    }
    use = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "rome"}}
    own = [{"type": "text", "text": "Let me see."}, use, result, {"type": "text", "text": "So it is."}]
    body, told = crossed(MESSAGES, CHAT, blocks("assistant", *own))
    text = body["messages"][1]["content"]
    assert text.startswith('Let me see.\n<block type="server_tool_use">\n')
    assert '\n<block type="web_search_tool_result">\nA\nhttps://a.org\n</block>\n' in text
    assert text.endswith("</block>\nSo it is.")
    assert told == ["changed:messages[1].content[1]", "changed:messages[1].content[2]"]


def test_an_effort_that_a_conversation_changed_is_the_one_that_is_asked_for() -> None:
    updates = [
        {"type": "configuration_update", "reasoning": {"effort": effort}} for effort in ("low", "high")
    ]
    body, _ = crossed(RESPONSES, MESSAGES, {**items(*updates), "reasoning": {"effort": "medium"}})
    assert body["output_config"]["effort"] == "high"


def test_a_tool_that_is_declared_twice_is_sent_once() -> None:
    later = {"type": "additional_tools", "role": "developer", "tools": [TOOL]}
    body, told = crossed(RESPONSES, CHAT, {**items(later), "tools": [TOOL]})
    assert [tool["function"]["name"] for tool in body["tools"]] == ["later_tool"]
    assert "changed:input[2].tools" in told


# -- Messages

USE = {"type": "tool_use", "id": "t", "name": "f", "input": {}}
BLOCKS: dict[str, tuple[str, list[dict[str, Any]], list[str]]] = {
    # type: (whose turn, blocks, what the backend must have of them)
    "text": ("user", [{"type": "text", "text": "a word"}], ["a word"]),
    "image": ("user", [{"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PICTURE}}], [PICTURE]),
    "document": ("user", [{"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": PDF}}], [PDF]),
    "search_result": ("user", [{"type": "search_result", "source": "s.org", "title": "T", "content": [{"type": "text", "text": "x y"}]}], ["s.org", "T", "x y"]),
    "tool_use": ("assistant", [USE], ["tool_calls"]),
    "tool_result": ("user", [{"type": "text", "text": "see"}], ["see"]),
    "server_tool_use": ("assistant", [{"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "rome"}}], ["web_search", "rome"]),
    "web_search_tool_result": ("assistant", [{"type": "web_search_tool_result", "tool_use_id": "s", "content": [{"type": "web_search_result", "url": "https://a.org", "title": "A", "encrypted_content": "x"}]}], ["https://a.org"]),
    "web_fetch_tool_result": (
        "assistant",
        [{"type": "web_fetch_tool_result", "tool_use_id": "s", "content": {"type": "web_fetch_result", "url": "https://b.org", "content": {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": PDF}}}}],
        ["https://b.org", PDF],
    ),
    "code_execution_tool_result": ("assistant", [{"type": "code_execution_tool_result", "tool_use_id": "s", "content": {"type": "code_execution_result", "stdout": "seven", "stderr": "oh", "return_code": 3, "content": [{"type": "code_execution_output", "file_id": "file_9"}]}}], ["seven", "oh", "return code 3", "file_9"]),
    "bash_code_execution_tool_result": ("assistant", [{"type": "bash_code_execution_tool_result", "tool_use_id": "s", "content": {"type": "bash_code_execution_result", "stdout": "a.txt", "stderr": "", "return_code": 0, "content": []}}], ["a.txt"]),
    "text_editor_code_execution_tool_result": ("assistant", [{"type": "text_editor_code_execution_tool_result", "tool_use_id": "s", "content": {"type": "text_editor_code_execution_view_result", "content": "line 1", "file_type": "text"}}], ["line 1"]),
    "tool_search_tool_result": ("assistant", [{"type": "tool_search_tool_result", "tool_use_id": "s", "content": {"type": "tool_search_tool_search_result", "tool_references": [{"type": "tool_reference", "tool_name": "weather"}]}}], ["weather"]),
    "advisor_tool_result": ("assistant", [{"type": "advisor_tool_result", "tool_use_id": "s", "content": {"type": "advisor_result", "text": "do so"}}], ["do so"]),
    "mcp_tool_use": ("assistant", [{"type": "mcp_tool_use", "id": "m", "name": "look", "server_name": "wiki", "input": {"q": 1}}], ["look", "wiki"]),
    "mcp_tool_result": ("assistant", [{"type": "mcp_tool_result", "tool_use_id": "m", "content": [{"type": "text", "text": "it says so"}]}], ["it says so"]),
    "mcp_tool_listing": ("assistant", [{"type": "mcp_tool_listing", "mcp_server_name": "wiki", "tools": [{"name": "look"}]}], ["look"]),
    "compaction": ("assistant", [{"type": "compaction", "content": "what was said"}], ["what was said"]),
    "a kind of tomorrow": ("assistant", [{"type": "hologram", "about": "a cube"}], ["a cube"]),
}  # fmt: skip
REFUSED_BLOCKS: dict[str, tuple[str, dict[str, Any]]] = {
    "container_upload": ("user", {"type": "container_upload", "file_id": "file_1"}),
    "a sealed compaction": ("assistant", {"type": "compaction", "content": None, "encrypted_content": "x"}),
    "sealed advice": ("assistant", {"type": "advisor_tool_result", "tool_use_id": "s", "content": {"type": "advisor_redacted_result", "encrypted_content": "x"}}),
    "tool_addition": ("user", {"type": "tool_addition", "tool": {"type": "tool_reference", "name": "f"}}),
    "tool_removal": ("user", {"type": "tool_removal", "tool": {"type": "tool_reference", "name": "f"}}),
}  # fmt: skip
NO_CONTENT = {"thinking", "redacted_thinking", "fallback"}
"""Reasoning goes to who made it; a fallback says which model answered."""


def test_every_block_of_the_vendor_has_its_row() -> None:
    assert kinds(BetaContentBlockParam) - NO_CONTENT <= BLOCKS.keys() | REFUSED_BLOCKS.keys()


@pytest.mark.parametrize("upstream", [CHAT, RESPONSES])
@pytest.mark.parametrize("kind", BLOCKS)
def test_a_block_reaches_another_vendor(kind: str, upstream: Protocol) -> None:
    role, given, wanted = BLOCKS[kind]
    body, _ = crossed(MESSAGES, upstream, blocks(role, *given))
    text = json.dumps(body, ensure_ascii=False).replace('"function_call"', '"tool_calls"')
    assert [word for word in wanted if word not in text] == []


@pytest.mark.parametrize("upstream", [CHAT, RESPONSES])
@pytest.mark.parametrize("kind", REFUSED_BLOCKS)
def test_a_block_that_cannot_be_told_is_a_400_by_its_path(kind: str, upstream: Protocol) -> None:
    role, block = REFUSED_BLOCKS[kind]
    with pytest.raises(PointsmanError) as caught:
        crossed(MESSAGES, upstream, blocks(role, block))
    at = 2 if role == "user" else 1
    assert (caught.value.status, caught.value.param) == (400, f"messages[{at}].content[0]")


def test_a_fallback_says_nothing_to_a_model_and_is_told() -> None:
    told = crossed(MESSAGES, CHAT, blocks("assistant", {"type": "text", "text": "x"}, {"type": "fallback"}))[
        1
    ]
    assert told == ["dropped:messages[1].content[1]"]


# -- what a tool's result holds

RESULTS: dict[Protocol, Any] = {
    MESSAGES: lambda part: {
        "model": "m", "max_tokens": 50,
        "messages": [
            {"role": "user", "content": "hi"}, {"role": "assistant", "content": [USE]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": [part]}]},
        ],
    },
    RESPONSES: lambda part: items(CALL, {"type": "function_call_output", "call_id": "c1", "output": [part]}),
}  # fmt: skip
OWN_PDF = {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": PDF}}
OWN_PICTURE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PICTURE}}
FLAT_PDF = {"type": "input_file", "filename": "a.pdf", "file_data": f"data:application/pdf;base64,{PDF}"}
FLAT_PICTURE = {"type": "input_image", "image_url": f"data:image/png;base64,{PICTURE}"}


@pytest.mark.parametrize(
    ("client", "part", "path"),
    [
        (MESSAGES, OWN_PDF, "messages[2].content[0].content[0]"),
        (RESPONSES, FLAT_PDF, "input[3].output[0]"),
    ],
)
@pytest.mark.parametrize("spec", [LOCAL, BackendSpec("openai/g", "openai", "g", "https://api.groq.com")])
def test_a_pdf_in_a_result_is_refused_where_one_in_a_message_is(
    client: Protocol, part: dict[str, Any], path: str, spec: BackendSpec
) -> None:
    with pytest.raises(PointsmanError) as caught:
        crossed(client, CHAT, RESULTS[client](part), spec, "llama")
    assert (caught.value.status, caught.value.param) == (400, path)


@pytest.mark.parametrize(
    ("client", "part", "path"),
    [
        (MESSAGES, OWN_PICTURE, "messages[2].content[0].content[0]"),
        (RESPONSES, FLAT_PICTURE, "input[3].output[0]"),
    ],
)
def test_a_picture_in_a_result_is_refused_where_one_in_a_message_is(
    client: Protocol, part: dict[str, Any], path: str
) -> None:
    with pytest.raises(PointsmanError) as caught:
        crossed(client, CHAT, RESULTS[client](part), OPENAI, "gpt-3.5-turbo")
    assert (caught.value.status, caught.value.param) == (400, path)


def test_a_pdf_that_a_servers_tool_fetched_is_refused_there_too() -> None:
    _, given, _ = BLOCKS["web_fetch_tool_result"]
    with pytest.raises(PointsmanError) as caught:
        crossed(MESSAGES, CHAT, blocks("assistant", *given), LOCAL, "llama")
    assert caught.value.param == "messages[1].content[0].content.content"
