"""What a client is told when nobody serves its request: the path, the method, the body, or every target that was asked.

Not here: what an error is in a protocol's words (its dialect), and why a target failed (attempt/).
"""

from __future__ import annotations

from ...dialects.base import Dialect
from ...dialects.paths import Route, names_a_model
from ...dialects.registry import dialect_of_client
from ...errors import PointsmanError
from ...kinds import ErrorKind, FallbackReason
from ...resilience.walk import Walked
from ...routing.table import Target
from ...statuses import is_final
from ...wire import shield
from ...wire.answer import Answer
from ...wire.error_page import error_page, for_browser
from ...wire.http1 import RequestHead
from ...wire.splice import speaks_of_a_model
from ..attempt.answer import NO_RETRY, as_json, client_lines, final_line, is_event_stream
from ..attempt.moves import Stage
from ..own import pages
from .job import Job
from .targets import failure_of, of_all, unavailable


def unnamed(job: Job, body: bytes, error: PointsmanError) -> PointsmanError:
    """Of a body that names no model. Beside the protocols' own paths only a model could route it: without one the path is
    not offered, and its body, or that there is none, is no mistake of the client's."""
    if names_a_model(job.request.route.path) or speaks_of_a_model(body):
        return error
    return _not_offered(job)


def _not_offered(job: Job) -> PointsmanError:
    request = job.request
    return PointsmanError(
        ErrorKind.NOT_FOUND,
        f"{request.head.method.decode()} {request.route.path} is not offered by this gateway. It routes requests by "
        "the 'model' in a JSON body; what a vendor stores for its account (files, batches, stored answers) is "
        "reached at the vendor itself.",
    )


def wants_websocket(job: Job) -> PointsmanError | None:
    """A client that tries a WebSocket first (Codex, the SDKs' realtime) goes on by HTTP at once where it is told so: "the
    server refuses to perform the request using the current protocol", which it names (RFC 9110, section 15.5.22)."""
    where, said = job.request.route, job.request.head.get(b"upgrade")
    if where.kind != "llm" or said is None or said.lower() != b"websocket":
        return None
    job.delivery.lines += b"upgrade: HTTP/1.1\r\n"
    return PointsmanError(
        ErrorKind.METHOD_NOT_ALLOWED,
        "WebSockets are not offered by this gateway; send requests by HTTP POST, as to /v1/responses.",
        status=426,
    )


def no_such_method(job: Job) -> PointsmanError:
    where, method = job.request.route, job.request.head.method.decode()
    stores = method in where.dialect.endpoint.stored
    if where.kind == "llm" and not where.answer_id and (stores or not names_a_model(where.path)):
        return _not_offered(job)
    job.delivery.lines += f"allow: {', '.join(where.methods)}\r\n".encode()
    return PointsmanError(ErrorKind.METHOD_NOT_ALLOWED, f"Use {' or '.join(where.methods)} on this path.")


def answer_error(job: Job, error: PointsmanError, *, pointless: bool = False) -> None:
    """Tell the client in its own protocol: as a status, in-band once a stream has begun, by a broken line after that.
    pointless: sending the request again would end the same way (both SDKs and Claude Code read that)."""
    request, delivery = job.request, job.delivery
    delivery.outcome = "error" if delivery.outcome == "ok" else delivery.outcome
    dialect = _dialect_of(request.route, request.head)
    if not delivery.fresh:
        event = dialect.stream_error(error, request.id) if delivery.stage is Stage.KEPT_ALIVE else None
        delivery.break_off(event)
        return
    status, after = dialect.status(error), error.retry_after
    lines = pages.JSON + error_line(error)
    if after is not None and not is_final(
        status
    ):  # Anthropic's SDK waits for however long it is told, whatever failed
        lines += b"retry-after: %d\r\n" % after
    else:
        after = None
    if error.kind is ErrorKind.BILLING or (pointless or is_final(status) if after is None else after > _LONG):
        lines += NO_RETRY
    body = dialect.error(error, request.id)
    if request.route.kind == "control":
        if for_browser(request.route.path, request.head.get(b"accept")):
            html, body = error_page(error.public, after)
            lines = lines.replace(pages.JSON, html)
        else:
            lines, body = lines.replace(pages.JSON, pages.PROBLEM), pages.problem(error, request.id)
    if request.route.kind in pages.LOOKED_AT:
        lines += shield.LINES
    about = job.target_lines() if job.tries else b""
    delivery.send(status, about, lines, body)


_LONG = 60
"""Seconds: who is to wait for longer is told to stop (docs/keys.md#what-a-refused-client-is-told)."""


def answer_failure(job: Job, walked: Walked[Target, Answer]) -> None:
    """Nobody answered: the most useful upstream error as it came, else ours."""
    held, delivery = failure_of(walked), job.delivery
    for tried in job.tries:
        for target, failure in walked.failures:
            if failure is held and tried.target is target:
                job.reported = tried
    answer, error = held.answer, of_all(walked, held)
    own = answer is not None and (held.clients or (held.certain and answer.status < 500))
    delivery.outcome = "ok" if own else "error"
    pointless = _pointless(walked)
    if answer is not None and (
        delivery.stage is Stage.NOTHING or (held.clients and is_event_stream(answer.headers))
    ):
        lines, body = client_lines(answer.headers), answer.body
        if error is not held.error:
            dialect = _dialect_of(job.request.route, job.request.head)
            lines = client_lines(as_json(answer.headers)) + error_line(error)
            body = dialect.error(error, job.request.id)
        if pointless or held.clients:
            lines += final_line(answer, surely=pointless)
        delivery.send(answer.status, job.target_lines(), lines, body)
        return
    answer_error(job, error if pointless else unavailable(error, walked), pointless=pointless)


def error_line(error: PointsmanError) -> bytes:
    """Its name, under which docs/reference/errors.md says what it means and what to do."""
    return b"x-pointsman-error: %b\r\n" % error.kind.value.encode()


def _pointless(walked: Walked[Target, Answer]) -> bool:
    """Would everybody say the same again, until somebody has changed something?"""
    return all(
        target.problem is not None
        or failed.reason is FallbackReason.AUTH
        or failed.spent
        or failed.certain
        or is_final(failed.error.status)
        for target, failed in walked.failures
    ) and all(closed.wait is None for _, closed in walked.passed_over)


def _dialect_of(where: Route, head: RequestHead) -> Dialect:
    """Shared paths answer in the wording of who asks
    (docs/protocols/models.md#who-asks-on-a-shared-path)."""
    shared = where.kind in ("models", "model") or not where.exact
    return dialect_of_client(head.get, where.dialect) if shared else where.dialect
