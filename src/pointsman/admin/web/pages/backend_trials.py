"""`/ui/backends/origin` and `/ui/backends/test`: where the key of a form would go, and a test told step by step. The key
that is typed is sent for a test alone, never while somebody types. Not here: what is tested (control/probing.py)."""

from __future__ import annotations

from collections.abc import Awaitable
from functools import partial
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse, RedirectResponse

from ....kinds import BackendType
from ....models import CloudCredentialCreate, LocalBackendCreate
from ...control.probing import Heard, ProbeAsked, ProbeOutcome, try_backend
from ...routers.providers import CredentialTrial, LocalTrial, try_unsaved
from ..backend_form import key_given_for
from ..trials import Trial, Trials
from ..view import FormFields, Seen, Sent, View
from .backends import FIELDS, PATH, Key, destination, named, stored, whole

router = APIRouter(include_in_schema=False)


@router.get(f"{PATH}/origin")
def origin(
    view: Seen,
    backend_type: Annotated[str, Query(max_length=20)],
    base_url: Annotated[str, Query(max_length=4096)] = "",
    allow_http: str = "",
    key: Key = "",
) -> HTMLResponse:
    """The one origin that the key will go to, of the address as it is typed; key: of a stored backend that is edited, whose
    own key may be another address's."""
    values = {"backend_type": backend_type, "base_url": base_url, "allow_http": allow_http}
    was = key_given_for(stored(view, key), values) if key else ""
    return view.fragment("backends/goes.html", destination=destination(values), was=was)


@router.post(f"{PATH}/test")
async def begin(view: Seen, form: Sent) -> HTMLResponse:
    """Begins a test: of a stored backend (`key`), or of what stands in the form. Without htmx it is waited for. whole:
    answered with the page, the steps beside the lists."""
    key, token_of = form.text("key"), form.text("one_token") or None
    trial = _begun(view, key, token_of) if key else _begun_unsaved(view, form, token_of)
    if view.htmx and not form.has("whole"):
        await trial.more(0)
        return _steps(view, trial)
    while not trial.done and not view.htmx:
        await trial.more(len(trial.steps))
    if key:
        return await whole(view, show=key, trial=trial)
    return await whole(view, add=form.text("add"), typed=typed_values(form), trial=trial)


@router.get(f"{PATH}/test/{{number}}")
async def more(view: Seen, number: str, seen: Annotated[int, Query(ge=0, le=100)] = 0) -> HTMLResponse:
    """The steps, as soon as there are more than were seen."""
    trial = _trials(view).find(view.session, number)
    await trial.more(seen)
    return _steps(view, trial)


@router.post(f"{PATH}/test/{{number}}/stop", response_model=None)
def stop(view: Seen, number: str) -> HTMLResponse | RedirectResponse:
    """Ends a test that runs."""
    trial = _trials(view).find(view.session, number)
    trial.stop()
    if view.htmx:
        return _steps(view, trial)
    return RedirectResponse(f"{PATH}?{urlencode({'show': trial.about})}", status_code=303)


def _steps(view: View, trial: Trial) -> HTMLResponse:
    return view.fragment("backends/steps.html", trial=trial)


def _begun(view: View, key: str, token_of: str | None) -> Trial:
    """Raises PointsmanError where there is none of that key."""
    kind, name = named(key)
    spec = next((one for one in view.control.snapshot.backends if one.key == key), None)
    encrypted = spec is not None and spec.base_url.startswith("https:")

    def run(heard: Heard) -> Awaitable[ProbeOutcome]:
        return try_backend(view.control, kind, name, ProbeAsked(one_token=token_of), heard)

    engine = None if spec is None or spec.problem is not None else spec.engine
    look = None if engine is None else partial(view.control.engines.standing, engine)
    return _trials(view).begin(view.session, key, encrypted, run, look)


def _begun_unsaved(view: View, form: FormFields, token_of: str | None) -> Trial:
    data = created(form)
    shape = LocalTrial if isinstance(data, LocalBackendCreate) else CredentialTrial
    body = shape(**data.model_dump(exclude_unset=True), one_token=token_of)
    goes = destination(typed_values(form))
    encrypted = (goes.base_url or "").startswith("https:")
    return _trials(view).begin(
        view.session, "", encrypted, lambda heard: try_unsaved(view.control, body, heard)
    )


def created(form: FormFields) -> CloudCredentialCreate | LocalBackendCreate:
    """The row that the form describes. Raises pydantic's ValidationError."""
    values: dict[str, object] = {
        "name": form.text("name"),
        "base_url": destination(typed_values(form)).base_url or form.text("base_url"),
        "allow_http": form.has("allow_http"),
        "max_in_flight": form.number("max_in_flight"),
    }
    if form.text("auth"):
        values["auth"] = form.text("auth")
    if form.text("api_key"):
        values["api_key"] = form.text("api_key")
    if form.text("backend_type") == BackendType.LOCAL.value:
        return LocalBackendCreate.model_validate(values)
    if not values["base_url"]:
        del values["base_url"]
    return CloudCredentialCreate.model_validate(values | {"backend_type": form.text("backend_type")})


def typed_values(form: FormFields) -> dict[str, str]:
    """What stands in the form, to be put back: never the key."""
    return {name: form.text(name) for name in FIELDS}


def _trials(view: View) -> Trials:
    trials: Trials = view.request.app.state.trials
    return trials
