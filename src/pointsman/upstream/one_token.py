"""One token of a model, to see whether it answers: the shortest request there is, in a protocol that its backend speaks.

It may cost. For a test that somebody asked for (probe.py); it is no request of a client. Not here: its usage record
(admin/control/token_usage.py).
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from ..conversation.notes import Notes
from ..conversation.parts import Text
from ..conversation.request import Message, Request, Role
from ..conversation.usage import TokenUsage
from ..dialects.base import Dialect, Translation
from ..dialects.registry import DIALECTS
from ..errors import PointsmanError
from ..kinds import BackendType, ErrorKind
from ..providers.catalog import CATALOG
from ..providers.profiles import dialect_order, profile_for
from ..translation.adapt import adapt
from .backend import Backend
from .fetch import fetch
from .pool import Pool

SECONDS = 60.0
"""A local server may have to load the model first."""
_SHOWN = 40


@dataclass(slots=True)
class TokenAsked:
    """An answer of status 200, which may have cost. at: unix seconds. usage: where it was told. words: what came. problem:
    why that is no token."""

    model: str
    protocol: str
    path: str
    at: float
    seconds: float = 0.0
    usage: TokenUsage | None = None
    words: str = ""
    problem: PointsmanError | None = None


async def one_token(pool: Pool, backend: Backend, model: str) -> TokenAsked:
    """Raises PointsmanError with the backend's words, where it gave no answer that is charged."""
    dialect, half = _spoken(backend, model)
    profile = profile_for(backend.spec, dialect.protocol, model)
    asked = Request(model, messages=[Message(Role.USER, [Text("Hi")])], max_tokens=1)
    body = half.render_request(adapt(asked, profile, Notes())[0], profile)
    found = TokenAsked(model, dialect.protocol.value, dialect.endpoint.path, time.time())
    started = time.monotonic()
    answer = await fetch(pool, backend, dialect.endpoint.path.encode(), SECONDS, body=body)
    if answer.status != 200:
        raise dialect.parse_error(answer.status, answer.body)
    found.seconds = time.monotonic() - started
    try:
        reply = half.reader(profile).reply(answer.body)
    except ValueError:
        text = f"it answered 200 with what is no answer of {found.protocol}"
        found.problem = PointsmanError(ErrorKind.UPSTREAM_ERROR, text)
        return found
    except PointsmanError as error:  # told within an answer of status 200
        found.problem = error
        return found
    text = "".join(part.text for part in reply.parts if isinstance(part, Text))[:_SHOWN]
    used = found.usage = reply.usage
    counts = "" if used is None else f", {_count(used.input)} tokens in, {_count(used.output)} out"
    found.words = f"{model} answered {text!r}{counts}" if text else f"{model} answered{counts}"
    return found


def _spoken(backend: Backend, model: str) -> tuple[Dialect, Translation]:
    """The best for this model of those that it speaks."""
    first = CATALOG[BackendType(backend.spec.type)].dialects[0]
    for protocol in dialect_order(backend.spec, model, first, False):
        half = DIALECTS[protocol].translation
        if half is not None and backend.speaks(protocol):
            return DIALECTS[protocol], half
    raise PointsmanError(ErrorKind.INVALID, "it speaks no protocol in which a model can be asked for text")


def _count(tokens: int | None) -> str:
    return "unknown" if tokens is None else str(tokens)
