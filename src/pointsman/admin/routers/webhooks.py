"""`/api/webhooks`: who is told of events."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Response

from ..control.control_plane import ControlPlane
from ..control.events import Hook, Notice
from ..control.sending import hook_of, post
from ..store import webhooks
from ..store.schemas import WebhookCreate, WebhookCreated, WebhookResponse, WebhookTest, WebhookUpdate
from ..store.tables import Webhook
from ..store.versions import expect
from .base import IfMatch, RowId, Run, errors

router = APIRouter(prefix="/api/webhooks", tags=["webhooks"])


@router.get("", responses=errors())
def show_list(control: Run) -> list[WebhookResponse]:
    """Who is told, and how it goes."""
    with control.read() as session:
        return [WebhookResponse.model_validate(_shown(control, row)) for row in webhooks.list_all(session)]


@router.post("", status_code=201, responses=errors(409))
def add(control: Run, body: WebhookCreate, response: Response) -> WebhookCreated:
    """Tell somebody of events from now on. The secret that signs them is in this answer and in no other."""
    with control.change() as session:
        row, secret = webhooks.create(session, control.vault, body)
        answer = WebhookCreated.model_validate({"secret": secret.reveal(), **_shown(control, row)})
    response.headers["location"] = f"{router.prefix}/{answer.id}"
    return answer


@router.get("/{webhook_id}", responses=errors(404))
def show(control: Run, webhook_id: RowId) -> WebhookResponse:
    """One of them."""
    with control.read() as session:
        return WebhookResponse.model_validate(_shown(control, webhooks.get(session, webhook_id)))


@router.patch("/{webhook_id}", responses=errors(404, 409, 412))
def change(control: Run, webhook_id: RowId, body: WebhookUpdate, version: IfMatch = None) -> WebhookResponse:
    """Change what is named; the rest stays, its secret too. Switched off, it is told of nothing; what waits is dropped."""
    with control.change() as session:
        expect(session, webhooks.get(session, webhook_id), version)
        row = webhooks.update(session, control.vault, webhook_id, body)
        return WebhookResponse.model_validate(_shown(control, row))


@router.delete("/{webhook_id}", status_code=204, responses=errors(404))
def remove(control: Run, webhook_id: RowId) -> None:
    """Tell it no more; what still waits for it is dropped."""
    with control.change() as session:
        webhooks.delete(session, webhook_id)


@router.post("/{webhook_id}/test", responses=errors(404))
async def test(control: Run, webhook_id: RowId) -> WebhookTest:
    """Send it one event, `test`, at once and once."""
    hook = await asyncio.to_thread(_hook, control, webhook_id)
    status, problem = await post(hook, Notice("test", {"webhook": webhook_id}))
    return WebhookTest(ok=status is not None and 200 <= status < 300, status=status, problem=problem)


def _hook(control: ControlPlane, webhook_id: int) -> Hook:
    with control.read() as session:
        return hook_of(control.vault, webhooks.get(session, webhook_id))


def _shown(control: ControlPlane, row: Webhook) -> dict[str, object]:
    standing = control.events.standing(row.id or 0)
    return {
        "id": row.id,
        "url": row.url,
        "on": row.on,
        "enabled": row.enabled,
        "created_at": row.created_at,
        "version": row.version,
        "delivered": standing.delivered,
        "lost": standing.lost,
        "tried_at": standing.tried_at,
        "waiting": len(standing.waiting),
        "problem": standing.problem,
    }
