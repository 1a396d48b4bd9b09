"""A request body that its client has compressed, made plain before anybody reads it
(docs/protocols/requests.md#compressed-bodies). It travels on plain.

Not here: the codings (wire/coding.py), answers that come compressed (upstream/decoded.py), and the admin API's bodies,
which the control plane unpacks once it has seen the token (admin/control/guard.py).
"""

from __future__ import annotations

import msgspec

from ...errors import PointsmanError
from ...wire.coding import known, plain_body
from ...wire.http1 import BadHead, head_error
from .job import Job
from .offload import offload

_CODED = b"content-encoding"


async def unpack(job: Job, limit: int) -> None:
    """The request has a Content-Encoding; afterwards its body is plain, of at most `limit` bytes. In a thread whatever its
    size: a thousand bytes may be a bomb. Raises PointsmanError: 415 naming the codings that are known here, 413, 400."""
    request = job.request
    codings = b",".join(value for name, value in request.head.headers if name == _CODED)
    try:
        body = await offload(plain_body, codings, request.body, limit)
    except OverflowError:
        raise head_error(BadHead.too_large(limit)) from None
    except PointsmanError as error:
        if error.status == 415:
            job.delivery.lines += b"accept-encoding: " + known() + b"\r\n"
        raise
    job.request = msgspec.structs.replace(request, body=body)
