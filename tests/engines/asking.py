"""Asks a server on a real socket what a look around would, and reads recorded answers in the same form."""

from __future__ import annotations

import http.client
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pointsman.engines.engine import Answers, Engine, EngineModel, Question, Reply
from pointsman.engines.registry import SIGNS, identify

_BESIDE = Path(__file__).resolve().parents[2].parent / "shared" / "engines"
RECORDINGS = Path(os.environ.get("POINTSMAN_ENGINES") or _BESIDE) / "recordings"
"""What real engines answered; tests over it skip where it is not."""


def answers_of(port: int, paths: Iterable[str] = SIGNS) -> dict[str, Reply]:
    return {path: asked(port, Question(path)) for path in paths}


def asked(port: int, question: Question) -> Reply:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        body = None if question.body is None else json.dumps(question.body)
        connection.request("GET" if body is None else "POST", question.path, body)
        answer = connection.getresponse()
        headers = {name.lower(): value for name, value in answer.getheaders()}
        return Reply(answer.status, headers, decoded(answer.read()))
    finally:
        connection.close()


def decoded(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except ValueError:
        return None


def look(port: int) -> tuple[Engine, dict[str, EngineModel], Answers]:
    """As ModelFacts does it: who is it, then its facts, then each model's."""
    answers = answers_of(port)
    engine = identify(answers)
    assert engine is not None
    answers |= answers_of(port, [path for path in engine.paths if path not in answers])
    for model in engine.models(answers) if engine.detail is not None else ():
        question = engine.detail(model.name)
        answers[question.key] = asked(port, question)
    return engine, {model.name: model for model in engine.models(answers)}, answers


def recorded(name: str) -> Reply:
    """One of shared/engines/recordings: a whole answer as text, perhaps behind a line that tells the request; or a body."""
    raw = (RECORDINGS / name).read_bytes()
    if name.endswith(".json"):
        return Reply(200, {}, decoded(raw))
    if raw.startswith(b"# "):
        raw = raw.partition(b"\n")[2]
    head, _, body = raw.replace(b"\r\n", b"\n").partition(b"\n\n")
    first, *lines = head.decode().split("\n")
    headers = {key.lower(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    return Reply(int(first.split()[1]), headers, decoded(body))
