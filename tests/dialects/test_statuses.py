"""What every status from 400 to 599 means, with every kind of words, in every dialect: pinned as a table in a file.

statuses.txt is written by `python -m tests.dialects.test_statuses`; a change of it is a change of behaviour and is read
as one. First which protocols and bodies, then ranges of statuses with the kind that they become and the status that a
client gets (`=`: the backend's own).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pointsman.dialects.registry import DIALECTS
from pointsman.dialects.vendor_errors import error_inside
from pointsman.errors import PointsmanError
from pointsman.kinds import ErrorKind
from pointsman.providers.wordings import LOADING, SPENT, says
from pointsman.resilience.verdict import of_status

PAGE = Path(__file__).with_name("statuses.txt")
STATUSES = range(400, 600)
WORDS = (
    "context_length_exceeded", "insufficient_quota", "billing_error", "model_not_found", "invalid_api_key",
    "authentication_error", "permission_error", "not_found_error", "request_too_large", "rate_limit_exceeded",
    "rate_limit_error", "overloaded_error", "overloaded", "timeout_error", "timeout", "api_error", "server_error",
    "invalid_request_error", "conflict_error", "a_word_nobody_knows",
)  # fmt: skip
BODIES = {
    "nothing": b"",
    "html": b"<html>Bad gateway</html>",
    "text": b"upstream failed",
    "string": b'{"error":"it failed"}',
    "detail": b'{"detail":[{"loc":["body"],"msg":"field required"}]}',
    "message": b'{"error":{"message":"it failed"}}',
    "model": b'{"error":{"message":"The model `x` does not exist"}}',
    "too long": b'{"error":{"message":"This model\'s maximum context length is 10 tokens, requested 20 tokens"}}',
    "credit": b'{"error":{"message":"Your credit balance is too low"}}',
    "rate": b'{"error":{"message":"Rate limit reached: too many tokens in the prompt"}}',
    "loading": b'{"error":{"message":"Loading model"}}',
    **{f"type {word}": b'{"error":{"message":"it failed","type":"%b"}}' % word.encode() for word in WORDS},
    **{f"code {word}": b'{"error":{"message":"it failed","code":"%b"}}' % word.encode() for word in WORDS},
}


def ranges(told: dict[int, str]) -> str:
    """`400-404 x, 405 y`: neighbours that mean the same, told together."""
    found: list[tuple[int, int, str]] = []
    for status, text in told.items():
        if found and found[-1][2] == text and found[-1][1] == status - 1:
            found[-1] = (found[-1][0], status, text)
        else:
            found.append((status, status, text))
    return ", ".join(f"{a}-{b} {text}" if a != b else f"{a} {text}" for a, b, text in found)


def worded(status: int, error: PointsmanError) -> str:
    return f"{error.kind.value}/{'=' if error.status == status else error.status}"


def upstream_errors() -> Iterator[str]:
    """Bodies and protocols that mean the same, told together."""
    found: dict[str, dict[str, list[str]]] = {}
    for protocol, dialect in DIALECTS.items():
        if dialect.translation is not None:
            parse = dialect.parse_error
            for name, body in BODIES.items():
                told = ranges({status: worded(status, parse(status, body)) for status in STATUSES})
                meant = f"inside {worded(0, parse(0, body))}, {told}"
                found.setdefault(meant, {}).setdefault(protocol.value, []).append(name)
    for meant, who in found.items():
        for protocol, names in who.items():
            yield f"{protocol} | {', '.join(names)}"
        yield f"    {meant}"


def named_inside() -> Iterator[str]:
    """An error in an answer that says 200, with its status among its words."""
    for name in ("code", "status", "status_code"):
        found = {
            status: worded(
                status, error_inside(b'{"error":{"message":"m","%b":%d}}' % (name.encode(), status))
            )
            for status in range(395, 605)
        }
        yield f"inside a 200 | {name} | {ranges(found)}"


def reasons() -> Iterator[str]:
    yield "walk | any | " + ranges({status: str(of_status(status)) for status in range(100, 1000)})
    for name, wordings, status in (("spent", SPENT, 429), ("loading", LOADING, 503)):
        found = [body for body in BODIES if says(wordings, status, BODIES[body])]
        yield f"walk | {name} | " + ", ".join(found)


def our_own() -> Iterator[str]:
    """The status with which each protocol tells a kind."""
    for protocol, dialect in DIALECTS.items():
        told = {kind.value: dialect.status(PointsmanError(kind, "x")) for kind in ErrorKind}
        yield f"{protocol.value} | tells | " + ", ".join(f"{kind} {status}" for kind, status in told.items())
        kept = sorted({dialect.status(PointsmanError(kind, "x", status=418)) for kind in ErrorKind})
        yield f"{protocol.value} | tells a status of its own | {kept}"


def page() -> str:
    return "\n".join([*upstream_errors(), *named_inside(), *reasons(), *our_own()]) + "\n"


def test_every_status_means_what_the_table_says() -> None:
    assert page().splitlines() == PAGE.read_text(encoding="utf-8").splitlines()


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
