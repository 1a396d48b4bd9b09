"""One event, posted to one webhook, signed as Standard Webhooks has it (docs/webhooks.md#signatures), through the egress
guard as everything else. Not here: when, and how often (events.py).
"""

from __future__ import annotations

import base64
import hmac
import json
import os
import time
from urllib.parse import urlsplit

from ... import __version__
from ...config import local_host
from ...errors import PointsmanError
from ...kinds import BackendType
from ...providers.proxies import Proxies
from ...routing.specs import BackendSpec
from ..store import webhooks
from ..store.database import Store
from ..store.tables import Webhook
from ..vault import Vault, VaultError
from .events import Hook, Notice

_CONNECT_SECONDS = 5.0
_ANSWER_SECONDS = 10.0


def hooks_of(store: Store, vault: Vault) -> list[Hook]:
    """Those that are on. Blocks. Raises PointsmanError while they cannot be read."""
    with store.read() as session:
        return [hook_of(vault, row) for row in webhooks.list_all(session) if row.enabled]


def hook_of(vault: Vault, row: Webhook) -> Hook:
    """A stored one, as events are sent to it."""
    key, problem = None, None
    try:
        key = webhooks.signing_key(vault, row)
    except VaultError as error:
        problem = f"its secret cannot be opened: {error.public}"
    return Hook(row.id or 0, row.url, tuple(map(str, row.on)), key, problem)


async def send(hook: Hook, event: Notice) -> str | None:
    """None when it was taken (a status of 2xx), else why not."""
    status, problem = await post(hook, event)
    if problem is None and not 200 <= (status or 0) < 300:
        return f"it answered with status {status}"
    return problem


async def post(hook: Hook, event: Notice) -> tuple[int | None, str | None]:
    """(the status that it answered with, why there is none)."""
    from ...upstream.backend import Backend  # which nobody pays for who has no webhook
    from ...upstream.egress import Egress
    from ...upstream.fetch import fetch
    from ...upstream.pool import Pool

    if hook.key is None:
        return None, hook.problem
    parts = urlsplit(hook.url)
    spec = BackendSpec(
        key=f"webhook/{hook.id}",
        type=BackendType.LOCAL.value,
        name=str(hook.id),
        base_url=f"{parts.scheme}://{parts.netloc}",
    )
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    body = body_of(event)
    proxies = Proxies.from_environment(os.environ)
    pool = Pool(Egress(_CONNECT_SECONDS, proxies=proxies, local_host=local_host()))
    try:
        answer = await fetch(
            pool, Backend(spec), path.encode("ascii"), _ANSWER_SECONDS, body=body,
            agent=f"pointsman/{__version__}".encode(), lines=signature_lines(hook.key, event.id, int(time.time()), body),
        )  # fmt: skip
    except PointsmanError as error:
        return None, error.public
    finally:
        pool.close()
    return answer.status, None


def body_of(event: Notice) -> bytes:
    """As JSON."""
    stamp = event.at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    said = {"id": event.id, "type": event.kind, "timestamp": stamp, "data": dict(event.facts)}
    return json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode()


def signature_lines(key: bytes, name: str, at: int, body: bytes) -> bytes:
    """name: the event's id, alike for every try. at: unix seconds of this one."""
    signed = hmac.digest(key, f"{name}.{at}.".encode() + body, "sha256")
    lines = f"webhook-id: {name}\r\nwebhook-timestamp: {at}\r\n"
    return f"{lines}webhook-signature: v1,{base64.b64encode(signed).decode()}\r\n".encode()
