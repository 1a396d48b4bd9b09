"""The log's lines, for people and in JSON."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable
from typing import Any

import pytest

from pointsman.process.logs import JsonLines
from pointsman.process.saying import say

AT = 1_700_000_000.0255


def line(message: str, *values: Any, **more: Any) -> dict[str, Any]:
    record = logging.LogRecord("pointsman.gateway", logging.WARNING, "x.py", 1, message, values, None)
    record.created = AT
    vars(record).update(more)
    text = JsonLines("data-plane 2").format(record)
    assert "\n" not in text
    found: dict[str, Any] = json.loads(text)
    return found


def test_a_line_is_one_json_object_with_its_time_part_and_process() -> None:
    assert line("it is %s", "so") == {
        "time": "2023-11-14T22:13:20.025Z",
        "level": "warning",
        "part": "gateway",
        "process": "data-plane 2",
        "message": "it is so",
    }


def test_a_line_of_a_request_has_its_id() -> None:
    found = line("request %s: %s failed", "req_1", "openai:m", facts={"target": "openai:m"})
    assert (found["request_id"], found["target"]) == ("req_1", "openai:m")
    assert found["message"] == "request req_1: openai:m failed"
    assert "request_id" not in line("requests are %s", "many")


def test_an_error_brings_its_traceback_in_the_same_line() -> None:
    try:
        raise ValueError("two\nlines")
    except ValueError:
        found = line("request %s failed", "req_1", exc_info=sys.exc_info())
    assert found["error"].startswith("Traceback")
    assert found["error"].endswith("ValueError: two\nlines")


@pytest.mark.parametrize(
    ("form", "read"),
    [
        ("text", lambda text: text.removeprefix("pointsman: ")),
        ("json", lambda text: json.loads(text)["message"]),
    ],
)
def test_what_is_said_without_a_log_has_the_same_form(
    form: str,
    read: Callable[[str], str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("POINTSMAN_LOG", form)
    say("supervisor", "a child ended")
    assert read(capsys.readouterr().err.rstrip("\n")) == "a child ended"
