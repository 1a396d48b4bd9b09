"""A request body that its client has compressed, made plain before anybody reads it
(docs/protocols/requests.md#compressed-bodies). It travels on plain.

Not here: the codings (wire/coding.py), answers that come compressed (upstream/decoded.py), and the admin API's bodies,
which the control plane unpacks once it has seen the token (admin/control/guard.py).
"""

from __future__ import annotations

import msgspec

from ...errors import PointsmanError
from ...kinds import ErrorKind
from ...wire.coding import known, plain_body
from ...wire.http1 import BadHead, head_error
from ..data_plane import DataPlane
from .job import Job
from .offload import offload

_CODED = b"content-encoding"


_MOST = 16
"""Bodies of the largest size that may be unpacked at a time, or as many bytes of smaller ones: what comes plain is slowed
down by its line, but a megabyte of bombs comes to a gigabyte at once."""


async def unpack(plane: DataPlane, job: Job) -> None:
    """The request has a Content-Encoding; afterwards its body is plain, no larger than any other may be. In a thread
    whatever its size: a thousand bytes may be a bomb. Raises PointsmanError: 415 naming the codings that are known here,
    413, 400, and 503 while others hold what may be unpacked."""
    request, limit = job.request, plane.limits.body_bytes
    codings = b",".join(value for name, value in request.head.headers if name == _CODED)
    try:
        body = await offload(plain_body, codings, request.body, limit)
    except OverflowError:
        raise head_error(BadHead.too_large(limit)) from None
    except PointsmanError as error:
        if error.status == 415:
            job.delivery.lines += b"accept-encoding: " + known() + b"\r\n"
        raise
    if plane.unpacked + len(body) > _MOST * limit:
        text = "The gateway holds as many unpacked bodies as it may; try again, or send this one plain."
        raise PointsmanError(ErrorKind.UNAVAILABLE, text, retry_after=1)
    job.unpacked = len(body)
    plane.unpacked += job.unpacked
    job.request = msgspec.structs.replace(request, body=body)
