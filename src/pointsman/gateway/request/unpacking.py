"""A request body that its client has compressed, made plain before anybody reads it
(docs/protocols/requests.md#compressed-bodies). It travels on plain.

Not here: the codings (wire/coding.py), and answers that come compressed (upstream/decoded.py).
"""

from __future__ import annotations

import msgspec

from ...errors import PointsmanError
from ...kinds import ErrorKind
from ...wire.coding import CodingError, decoded, decoder, known
from ...wire.http1 import BadHead, head_error
from .job import Job
from .offload import offload

_CODED = b"content-encoding"


async def unpack(job: Job, limit: int) -> None:
    """The request has a Content-Encoding; afterwards its body is plain, of at most `limit` bytes. In a thread whatever its
    size: a thousand bytes may be a bomb. Raises PointsmanError: 415 naming the codings that are known here, 413, 400."""
    request = job.request
    codings = b",".join(value for name, value in request.head.headers if name == _CODED)
    if decoder(codings) is None:
        job.delivery.lines += b"accept-encoding: " + known() + b"\r\n"
        raise PointsmanError(
            ErrorKind.BAD_REQUEST,
            f"The body's Content-Encoding '{_shown(codings)}' is not known here. Send it plain, or as one of: "
            f"{known().decode()}.",
            status=415,
        )
    try:
        body = await offload(decoded, codings, request.body, limit)
    except CodingError:
        raise PointsmanError(
            ErrorKind.BAD_REQUEST,
            f"The body is not whole in its Content-Encoding '{_shown(codings)}': it is cut or damaged.",
        ) from None
    except OverflowError:
        raise head_error(BadHead.too_large(limit)) from None
    job.request = msgspec.structs.replace(request, body=body)


def _shown(codings: bytes) -> str:
    text = codings[:80].decode("latin-1")
    return "".join(c if c.isprintable() else "?" for c in text)
