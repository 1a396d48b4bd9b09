"""Responses: one verdict on every path, of a stream of items."""

from __future__ import annotations

import json
from typing import Any, ClassVar

from pointsman.dialects.base import Verdict
from pointsman.kinds import ErrorKind, Protocol
from tests.vendor_bodies import responses
from tests.vendor_bodies.wire import named

from ..blocks import Plan, halves, plans
from ..one_verdict import CALLED, GOOD, LIMIT, REFUSED, SILENT, Judged, OneVerdict, Recorded

GONE = Judged(False, True, error=ErrorKind.UPSTREAM_ERROR)
DELTAS = {
    "text": "output_text.delta",
    "refusal": "refusal.delta",
    "thinking": "reasoning_summary_text.delta",
    "sealed": "reasoning_summary_text.delta",
    "call": "function_call_arguments.delta",
    "cut call": "function_call_arguments.delta",
}


def item_of(kind: str, text: str, index: int) -> dict[str, Any]:
    match kind:
        case "text" | "refusal":
            part = {"type": "output_text", "text": text, "annotations": []}
            content = [part if kind == "text" else {"type": "refusal", "refusal": text}]
            return {"id": f"i{index}", "type": "message", "role": "assistant", "content": content}
        case "thinking" | "sealed":
            summary = [{"type": "summary_text", "text": text}] if text else []
            item: dict[str, Any] = {"id": f"i{index}", "type": "reasoning", "summary": summary}
            return item | ({"encrypted_content": "x"} if kind == "sealed" else {})
        case "call" | "cut call":
            arguments = json.dumps({"a": text})
            return {
                "id": f"i{index}", "type": "function_call", "call_id": f"c{index}", "name": "f",
                "arguments": arguments if kind == "call" else arguments[:-1],
            }  # fmt: skip
    return {"id": f"i{index}", "type": "web_search_call", "status": "completed"}


def response_of(plan: Plan) -> dict[str, Any]:
    output = [item_of(kind, text, index) for index, (kind, text) in enumerate(plan.parts)]
    known = ("completed", "incomplete", "failed", "cancelled")
    status = plan.reason if plan.reason in known else "incomplete"
    details = None if plan.reason in known else {"reason": plan.reason}
    failed = {"code": "server_error", "message": "it failed"} if status == "failed" else None
    found = responses.response(output, status or "", error=failed, incomplete_details=details)
    return found | {"usage": plan.usage}


def stream_of(plan: Plan) -> list[dict[str, Any]]:
    final = response_of(plan)
    events = [responses.event("created", response=responses.response([], "in_progress"))]
    for index, (kind, text) in enumerate(plan.parts):
        done = item_of(kind, text, index)
        place = {"output_index": index}
        empty = {key: [] if isinstance(value, list) else value for key, value in done.items()}
        empty |= {"arguments": ""} if "arguments" in done else {}
        empty.pop("encrypted_content", None)
        events.append(responses.event("output_item.added", **place, item=empty))
        if kind in DELTAS:
            said = done.get("arguments", text)
            events += [responses.event(DELTAS[kind], **place, delta=half) for half in halves(said)]
        events.append(responses.event("output_item.done", **place, item=done))
    if plan.error is not None:
        return [*events, {"type": "error", "error": plan.error}]
    return [*events, responses.event(final["status"], response=final)]


class TestVerdict(OneVerdict):
    protocol = Protocol.OPENAI_RESPONSES
    plans = plans(
        ["text", "refusal", "thinking", "sealed", "call", "cut call", "vendor"],
        ["completed", "incomplete", "max_output_tokens", "content_filter", "failed", "cancelled"],
    )
    table: ClassVar = {
        "an answer": (Plan((("text", "a"),), "completed"), GOOD),
        "white space": (Plan((("text", "\n"),), "completed"), SILENT),
        "a limit": (Plan((), "max_output_tokens"), LIMIT),
        "a filter without text": (Plan((), "content_filter"), REFUSED),
        "a refusal in words": (Plan((("refusal", "no"),), "completed"), REFUSED),
        "a call": (Plan((("call", "a"),), "completed"), CALLED),
        "empty reasoning": (Plan((("thinking", ""),), "completed"), SILENT),
        "failed": (Plan((), "failed"), GONE),
        "cancelled": (Plan((), "cancelled"), GONE),
    }

    def events(self, plan: Plan) -> list[bytes]:
        return [named(event) for event in stream_of(plan)]

    def whole_of(self, plan: Plan, verdict: Verdict) -> Any:
        return {"error": plan.error} if plan.error is not None else response_of(plan)


class TestRecorded(Recorded):
    protocol = Protocol.OPENAI_RESPONSES
    path = "/v1/responses"

    def whole_of_stream(self, events: list[dict[str, Any]]) -> dict[str, Any]:
        final: dict[str, Any] = events[-1]["response"]
        return final
