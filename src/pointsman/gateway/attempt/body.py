"""The body that a target of the client's own protocol gets: the client's bytes, changed by position where they must be.

Not here: what a target of another protocol gets (translation/crossing.py).
"""

from __future__ import annotations

from ...dialects.paths import Route
from ...dialects.recall import NOTHING, Recalled
from ...providers.profiles import profile_for
from ...routing.table import Target
from ...upstream.backend import Backend
from ...wire.multipart import with_model
from ...wire.splice import replace_model, say_flag, set_flag, set_member, without_nulls
from ..request.job import Job


def must_gather(backend: Backend, job: Job) -> bool:
    """Must the whole answer that the client wants be asked for as a stream?"""
    if not backend.unheeding or job.request.stream:
        return False
    where = job.request.route
    return where.exact and where.dialect.retelling is not None and where.path == where.dialect.endpoint.path


def body_for(backend: Backend, target: Target, job: Job, gathers: bool) -> tuple[bytes, bool]:
    """The body's bytes as they came, changed by json_body() where they are JSON. Also: must the extra usage chunk be
    hidden? Raises PointsmanError 400 for what the backend would take and ignore."""
    request = job.request
    body = request.body
    if request.route.answer_id:
        return body, False
    if request.form is not None:
        same = target.model == request.model
        return body if same else with_model(body, request.form, target.model), False
    asked = request.model, request.stream, gathers, job.recalled
    return json_body(backend, target, request.route, body, *asked)


def json_body(
    backend: Backend,
    target: Target,
    where: Route,
    body: bytes,
    model: str,
    stream: bool,
    gathers: bool,
    recalled: Recalled = NOTHING,
) -> tuple[bytes, bool]:
    """A JSON body for this target, and whether the extra usage chunk must be hidden: with what it refers to where the
    backend does not keep that; the model spliced where it has another name there; for a local server less its nulls; usage
    asked for of local servers, and where the row of another says that it understands that; a stream where it `gathers`.
    Raises PointsmanError as body_for()."""
    dialect = where.dialect
    fitting = dialect.straight if where.exact else None
    if fitting is not None and fitting.wanted(body, recalled):
        body = fitting.fit(body, profile_for(backend.spec, where.protocol, target.model), recalled)
    translation = dialect.translation
    if translation is not None and translation.without_capsules is not None:
        # What another backend made, carried in this protocol: its own vendor would refuse it.
        body = translation.without_capsules(body) or body
    if target.model != model:
        body = replace_model(body, target.model)
    option = dialect.usage_option if where.media is None else None
    if backend.local:
        # A null is a value to some of them: mlx_lm answers "temperature must be a non-negative float", and fails on
        # stream_options that do not say include_usage (docs/protocols/backends.md#nulls).
        body = without_nulls(body)
        body = body if option is None else say_flag(body, option.member, option.name)
    if gathers:
        body = set_member(body, "stream", b"true")
    if option is not None and (gathers or (stream and (backend.local or backend.spec.stream_usage))):
        asking = set_flag(body, option.member, option.name)
        if asking is not None:
            return asking, not gathers
    return body, False
