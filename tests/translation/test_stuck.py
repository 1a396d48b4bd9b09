"""translation.stuck: each sign, and just below its threshold, in the three protocols that have histories."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pointsman.conversation.repeats import LEAST_LETTERS, REPEATS, goes_round
from pointsman.dialects.capsule import Capsules
from pointsman.dialects.registry import DIALECTS
from pointsman.dialects.turn_memory import SMALLEST
from pointsman.kinds import Protocol
from pointsman.translation.crossing import Asked
from pointsman.translation.stuck import HandedOver, Patience, handed_over
from pointsman.wire.http1 import parse_head

CHAT, RESPONSES, MESSAGES = "openai_chat", "openai_responses", "anthropic_messages"
SCHEMA = {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]}
PHRASE = "I will look at the file once more. "


class Turn:
    """One of the model's, and what came back. calls: (name, arguments, result, is an error)."""

    def __init__(self, said: str = "", *calls: tuple[str, Any, str, bool]) -> None:
        self.said, self.calls = said, calls


def look(path: Any = "a.py", result: str = "text", error: bool = False, **more: Any) -> Turn:
    return Turn("", ("look", {"path": path, **more}, result, error))


def body(protocol: str, turns: list[Turn]) -> dict[str, Any]:
    return {CHAT: _chat, RESPONSES: _responses, MESSAGES: _messages}[protocol](turns)


def _arguments(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _chat(turns: list[Turn]) -> dict[str, Any]:
    messages: list[dict[str, Any]] = [{"role": "user", "content": "mend it"}]
    for number, turn in enumerate(turns):
        calls = [
            {
                "id": f"call_{number}_{at}",
                "type": "function",
                "function": {"name": name, "arguments": _arguments(given)},
            }
            for at, (name, given, _, _) in enumerate(turn.calls)
        ]
        messages.append(
            {"role": "assistant", "content": turn.said or None, **({"tool_calls": calls} if calls else {})}
        )
        messages += [
            {"role": "tool", "tool_call_id": f"call_{number}_{at}", "content": result}
            for at, (_, _, result, _) in enumerate(turn.calls)
        ]
        if not calls:
            messages.append({"role": "user", "content": "go on"})
    tool = {"type": "function", "function": {"name": "look", "parameters": SCHEMA}}
    return {"model": "m", "messages": messages, "tools": [tool]}


def _responses(turns: list[Turn]) -> dict[str, Any]:
    items: list[dict[str, Any]] = [{"role": "user", "content": "mend it"}]
    for number, turn in enumerate(turns):
        if turn.said or not turn.calls:
            items.append(
                {
                    "type": "message",
                    "role": "assistant",
                    "content": [{"type": "output_text", "text": turn.said, "annotations": []}],
                }
            )
        for at, (name, given, _, _) in enumerate(turn.calls):
            call = {
                "type": "function_call",
                "call_id": f"call_{number}_{at}",
                "name": name,
                "arguments": _arguments(given),
            }
            items.append(call)
        items += [
            {"type": "function_call_output", "call_id": f"call_{number}_{at}", "output": result}
            for at, (_, _, result, _) in enumerate(turn.calls)
        ]
        if not turn.calls:
            items.append({"role": "user", "content": "go on"})
    tool = {"type": "function", "name": "look", "parameters": SCHEMA}
    return {"model": "m", "input": items, "tools": [tool]}


def _messages(turns: list[Turn]) -> dict[str, Any]:
    messages: list[dict[str, Any]] = [{"role": "user", "content": "mend it"}]
    for number, turn in enumerate(turns):
        blocks: list[dict[str, Any]] = [{"type": "text", "text": turn.said}] if turn.said else []
        blocks += [
            {"type": "tool_use", "id": f"call_{number}_{at}", "name": name, "input": given}
            for at, (name, given, _, _) in enumerate(turn.calls)
        ]
        results = [
            {
                "type": "tool_result",
                "tool_use_id": f"call_{number}_{at}",
                "content": result,
                "is_error": error,
            }
            for at, (_, _, result, error) in enumerate(turn.calls)
        ]
        messages.append({"role": "assistant", "content": blocks})
        messages.append({"role": "user", "content": results or "go on"})
    tool = {"name": "look", "input_schema": SCHEMA}
    return {"model": "m", "max_tokens": 50, "messages": messages, "tools": [tool]}


def handed(
    protocol: str, turns: list[Turn], patience: Patience | None = None, more: dict[str, Any] | None = None
) -> HandedOver | None:
    """more: members of the body, which is then written as most clients write it."""
    half = DIALECTS[Protocol(protocol)].translation
    assert half is not None
    head = parse_head(b"POST / HTTP/1.1\r\nhost: a\r\n\r\n", 100)
    from pointsman.dialects.paths import route

    client = route(
        {CHAT: "/v1/chat/completions", RESPONSES: "/v1/responses", MESSAGES: "/v1/messages"}[protocol]
    ).half
    assert client is not None
    made = body(protocol, turns)
    text = json.dumps(made) if more is None else json.dumps(made | more, separators=(",", ":"))
    asked = Asked(client, text.encode(), head, "id", Capsules(b"p" * 32))
    return handed_over(asked.request, patience or Patience())


EACH = pytest.mark.parametrize("protocol", [CHAT, RESPONSES, MESSAGES])
STUCK: dict[str, tuple[list[Turn], str]] = {
    "the same result, but for Codex's number and time of the run": (
        [
            look(
                result=f"Chunk ID: 0ebec{n}\nWall time: 0.{n}00 seconds\nProcess exited with code 1\nOutput:\nno such file"
            )
            for n in range(3)
        ],
        "the same call of look and the same result",
    ),
    "the same call and the same result": ([look()] * 3, "same call of look and the same result"),
    "members in another order": (
        [look(b=1), Turn("", ("look", {"b": 1, "path": "a.py"}, "text", False)), look(b=1)],
        "same call of look and the same result",
    ),
    "no such tool": (
        [Turn("", ("see", {"path": "a"}, f"{n}", False)) for n in range(3)],
        "do not fit the tools",
    ),
    "arguments that do not fit": ([look(n, result=f"{n}") for n in range(3)], "do not fit the tools"),
    "something missing": (
        [Turn("", ("look", {"pth": f"{n}"}, f"{n}", False)) for n in range(3)],
        "do not fit the tools",
    ),
    "the same words": ([Turn("I am done with all of it.")] * 3, "the same words: I am done"),
    "one phrase again and again": ([Turn("So. " + PHRASE * 20)], "again and again: I will look"),
}
FINE: dict[str, list[Turn]] = {
    "two of the same": [look()] * 2,
    "another result": [look(result=f"{n}") for n in range(3)],
    "another call between": [look(), look("b.py"), look()],
    "one that fits": [look(1), look(2), look("a"), look(3), look(4)],
    "other words": [Turn(f"I am done with {n} of it.") for n in range(3)],
    "short words": [Turn("Done.")] * 5,
    "a phrase not so often": [Turn("So. " + PHRASE * 18)],
    "a table": [Turn("| a | b |\n|---|---|\n" + "| 0 | 0 |\n" * 100)],
    "nothing at all": [],
}


@EACH
@pytest.mark.parametrize("sign", STUCK)
def test_each_sign_hands_the_conversation_over(sign: str, protocol: str) -> None:
    turns, words = STUCK[sign]
    found = handed(protocol, turns)
    assert found is not None
    assert words in found.sign
    assert found.left == 4


@EACH
@pytest.mark.parametrize("what", FINE)
def test_what_is_just_below_a_sign_does_not(what: str, protocol: str) -> None:
    assert handed(protocol, FINE[what]) is None


def test_an_error_each_time_and_turns_without_anything() -> None:
    assert handed(MESSAGES, [look(result=f"E{n}", error=True) for n in range(2)]) is None
    found = handed(MESSAGES, [look(result=f"E{n}", error=True) for n in range(3)])
    assert found is not None
    assert "an error each time" in found.sign
    for protocol in (CHAT, RESPONSES):
        assert handed(protocol, [Turn()] * 2) is None
        found = handed(protocol, [Turn()] * 3)
        assert found is not None
        assert found.sign == "3 turns without anything"


@pytest.mark.parametrize("protocol", [CHAT, RESPONSES])
def test_turns_without_anything_count_when_they_were_met_before_too(protocol: str) -> None:
    """In a body so large that its turns are remembered, they were no longer seen."""
    long = {"user": "x" * SMALLEST}
    for _ in range(3):
        found = handed(protocol, [Turn()] * 3, more=long)
        assert found is not None
        assert found.sign == "3 turns without anything"


def test_arguments_that_are_no_json_do_not_fit() -> None:
    broken = [Turn("", ("look", '{"path": ', f"{n}", False)) for n in range(3)]
    for protocol in (CHAT, RESPONSES):
        found = handed(protocol, broken)
        assert found is not None
        assert "do not fit" in found.sign


@EACH
def test_the_next_target_has_five_turns_and_then_the_first_has_it_again(protocol: str) -> None:
    turns = [look()] * 3
    left = []
    for number in range(9):
        found = handed(protocol, turns)
        left.append(None if found is None else found.left)
        turns = [*turns, look(f"{number}.py")]
    assert left == [4, 3, 2, 1, 0, None, None, None, None]


@EACH
def test_what_was_forgiven_does_not_count_again_and_new_signs_do(protocol: str) -> None:
    turns = [look()] * 3 + [look(f"{n}.py") for n in range(5)]
    assert handed(protocol, [*turns, look()]) is None
    assert handed(protocol, [*turns, look(), look()]) is None
    assert handed(protocol, [*turns, look(), look(), look()]) is not None
    # the stronger one repeats itself, too: that is no sign of the first
    assert handed(protocol, [look()] * 8) is None
    assert handed(protocol, [look()] * 11) is not None


def test_a_rule_s_own_numbers() -> None:
    assert handed(CHAT, [look()] * 3, Patience(after=4)) is None
    found = handed(CHAT, [look()] * 4, Patience(after=4, turns=2))
    assert found is not None
    assert (found.left, found.told.partition("; ")[2]) == (1, "1 more turn there")
    assert handed(CHAT, [Turn(PHRASE * 30)], Patience(repeats=31)) is None


def test_an_answer_that_was_ended_counts_in_the_turn_that_follows() -> None:
    half = body(CHAT, [look("x")])
    from pointsman.dialects.paths import route

    client = route("/v1/chat/completions").half
    assert client is not None
    head = parse_head(b"POST / HTTP/1.1\r\nhost: a\r\n\r\n", 100)
    request = Asked(client, json.dumps(half).encode(), head, "id", Capsules(b"p" * 32)).request
    assert handed_over(request, Patience()) is None
    assert handed_over(request, Patience(), (0,)) is not None  # the turn before, which another then had
    assert handed_over(request, Patience(), (1,)) is not None  # this one, asked again
    assert handed_over(request, Patience(), (2,)) is None


def test_a_phrase_counts_from_so_many_times_and_so_many_letters() -> None:
    long = "one phrase that has some length to it, "
    assert goes_round(long * REPEATS) == long
    assert goes_round(long * (REPEATS - 1)) is None
    short = "no way "
    assert goes_round(short * REPEATS) is None  # not so many letters
    assert goes_round(short * (LEAST_LETTERS // len(short) + 1)) == short
    assert goes_round("x" + long * REPEATS + "and on") is None
