"""`/ui/settings/webhooks`: who is told of events, how that goes, and a test of it. A secret is in one answer only: of the
form that adds its webhook."""

from __future__ import annotations

from typing import Annotated, NamedTuple
from urllib.parse import urlsplit

from fastapi import APIRouter, Query, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from ....errors import PointsmanError
from ....kinds import ErrorKind, Topic
from ...control.destination import destination_of_events
from ...routers import webhooks
from ...routers.base import RowId
from ...store import rows
from ...store.asking import last_entry
from ...store.schemas import WebhookCreate, WebhookResponse, WebhookTest, WebhookUpdate
from ..view import FormFields, Seen, Sent, View

router = APIRouter(include_in_schema=False)

PATH = "/ui/settings/webhooks"
TOPICS: dict[Topic, str] = {
    Topic.BUDGET: "a budget is reached, or nearly",
    Topic.BACKEND: "a backend is down, or back",
    Topic.KEY: "a provider refuses a stored key",
}
"""When it is told, as people say it."""


class HookLine(NamedTuple):
    """A webhook as the list has it. title: its host, which is typed to remove it."""

    hook: WebhookResponse
    title: str
    mark: str
    word: str


@router.get(PATH)
def show_list(view: Seen) -> HTMLResponse:
    """Who is told, and how it goes; and the form of one more."""
    lines = [_line(one) for one in webhooks.show_list(view.control)]
    return view.page("settings/webhooks.html", lines=lines, topics=TOPICS, destination=None)


@router.get(f"{PATH}/goes")
def goes(view: Seen, url: Annotated[str, Query(max_length=4096)] = "") -> HTMLResponse:
    """Where events would go, of the URL as it is typed."""
    return view.fragment(
        "settings/webhook_goes.html", destination=destination_of_events(url) if url else None
    )


@router.post(PATH)
def add(view: Seen, form: Sent) -> HTMLResponse:
    """Adds it; this answer alone shows its secret."""
    body = rows.valid(WebhookCreate, _fields(form))
    made = webhooks.add(view.control, body, Response())
    answer = _page(view, made, secret=made.secret)
    answer.headers["hx-push-url"] = f"{PATH}/{made.id}"
    return answer


@router.get(f"{PATH}/{{webhook_id}}")
def show(view: Seen, webhook_id: RowId) -> HTMLResponse:
    """One: how it goes, its form, a test, its end."""
    return _page(view, webhooks.show(view.control, webhook_id))


@router.post(f"{PATH}/{{webhook_id}}")
def change(view: Seen, webhook_id: RowId, form: Sent) -> RedirectResponse:
    """Saves the form, unless it was changed after it was shown."""
    before = webhooks.show(view.control, webhook_id).url
    body = rows.valid(WebhookUpdate, _fields(form))
    after = webhooks.change(view.control, webhook_id, body, form.text("version"))
    undo = last_entry() if after.url == before else None  # its secret is sealed for its URL
    return view.done(f"Saved {_title(after)}.", f"{PATH}/{webhook_id}", undo=undo)


@router.post(f"{PATH}/{{webhook_id}}/switch")
def switch(view: Seen, webhook_id: RowId, form: Sent) -> RedirectResponse:
    """Off: it is told of nothing until it is on again."""
    on = form.text("on") == "1"
    after = webhooks.change(view.control, webhook_id, WebhookUpdate.model_validate({"enabled": on}))
    text = f"{_title(after)} is {'told again' if on else 'told of nothing now'}."
    return view.done(text, f"{PATH}/{webhook_id}", undo=last_entry())


@router.post(f"{PATH}/{{webhook_id}}/test")
async def test(view: Seen, webhook_id: RowId) -> HTMLResponse:
    """Sends it one event, and says what came of it."""
    tried = await webhooks.test(view.control, webhook_id)
    return _page(view, webhooks.show(view.control, webhook_id), tried=tried)


@router.post(f"{PATH}/{{webhook_id}}/remove")
def remove(view: Seen, webhook_id: RowId, form: Sent) -> RedirectResponse:
    """Forgets it, and its secret, once its host was typed."""
    title = _title(webhooks.show(view.control, webhook_id))
    if form.text("typed") != title:
        raise PointsmanError(ErrorKind.INVALID, f"Type {title} to remove it.", param="typed")
    webhooks.remove(view.control, webhook_id)
    return view.done(f"{title} is told no more; its secret is forgotten.", PATH)


def _page(
    view: View, hook: WebhookResponse, *, secret: str = "", tried: WebhookTest | None = None
) -> HTMLResponse:
    return view.page(
        "settings/webhook.html",
        line=_line(hook),
        topics=TOPICS,
        destination=destination_of_events(hook.url),
        secret=secret,
        tried=tried,
    )


def _fields(form: FormFields) -> dict[str, object]:
    return {"url": form.text("url"), "on": form.all("on")}


def _line(hook: WebhookResponse) -> HookLine:
    return HookLine(hook, _title(hook), *_standing(hook))


def _standing(hook: WebhookResponse) -> tuple[str, str]:
    if not hook.enabled:
        return "off", "off"
    if hook.problem is not None:
        return "bad", "did not take the last event"
    return ("ok", "takes what it is told") if hook.delivered else ("stop", "waits for its first event")


def _title(hook: WebhookResponse) -> str:
    return urlsplit(hook.url).netloc
