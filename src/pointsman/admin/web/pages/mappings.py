"""`/ui/mappings`: the rules in their order, to move, edit, add, delete and switch off; and where a request would go.

Not here: what a card says (rule_cards.py), a form's fields (rule_form.py), and moving itself (store/rule_order.py).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Annotated, Any, NamedTuple

from fastapi import APIRouter, Query, Response
from fastapi.responses import HTMLResponse

from ....errors import PointsmanError
from ....kinds import ANY_NODE, NODE, BackendType, ErrorKind
from ....models import BackendMappingCreate, BackendMappingMove, BackendMappingUpdate
from ...control.backend_states import BackendShown, backend_states
from ...control.request_explained import RequestExplained
from ...control.rule_standing import standing, today_of, with_today
from ...routers import explain, mappings
from ...routers.base import RowId
from ...store import mappings as stored
from ...store.asking import last_entry
from ...store.rows import valid
from ...store.rule_warnings import Backends
from ...store.tables import BackendMapping
from ...store.usage_groups import MappingTotals
from ...store.values import MAX_ID
from ...store.versions import ChangedMeanwhile
from ..model_names import model_windows
from ..rule_cards import MenuShown, RuleCard, cards_of, digest, steps_of
from ..rule_form import REASONS, RuleForm, TargetTyped, columns_of, of_fields, of_row
from ..view import FormFields, Seen, Sent, View, row_number

router = APIRouter(include_in_schema=False)

PATH = "/ui/mappings"
_Number = Annotated[int | None, Query(ge=1, le=MAX_ID)]


@router.api_route(PATH, methods=["GET", "HEAD"])
async def show(
    view: Seen,
    edit: _Number = None,
    new: Annotated[str, Query(max_length=512)] = "",
    dry: Annotated[str, Query(max_length=512)] = "",
    menu: _Number = None,
) -> HTMLResponse:
    """The page. edit: the rule whose form is open. new: the pattern of one to add, `*` for none yet. dry: a model's
    name that is explained. menu: the rule whose menu is open."""
    form = await asyncio.to_thread(_form_of, view, edit) if edit is not None else None
    if new:
        form = RuleForm(pattern="" if new == "*" else new, targets=[TargetTyped("local")])
    answer = await _explained(view, dry) if dry else None
    return await _page(view, form, dry=dry, answer=answer, open_menu=menu)


@router.get(f"{PATH}/cards")
async def show_cards(view: Seen, had: Annotated[str, Query(max_length=80)] = "") -> Response:
    """The cards alone, as they are now; nothing where they are what was had, or are made from what they were made from."""
    under = await _under(view)
    made_from, _, said = had.partition(".")
    if made_from == under.digest:
        return Response(status_code=204)
    cards = await asyncio.to_thread(_cards, view, under)
    if said == digest(cards):
        return Response(status_code=204)
    return view.fragment(
        "mappings/cards.html", cards=cards, form=None, answer=None, open_menu=None, had=_had(under, cards)
    )


@router.get(f"{PATH}/menu")
def show_menu(view: Seen, rule: Annotated[int, Query(ge=1, le=MAX_ID)]) -> HTMLResponse:
    """What is seldom done to a rule."""
    with view.control.read() as session:
        row = stored.get(session, rule)
        order = [one.id or 0 for one in stored.list_all(session)]
    at = order.index(rule)
    up, down = steps_of(order, at)
    one = MenuShown(rule, at + 1, row.model_pattern, row.enabled, up, down)
    return view.fragment("mappings/menu_alone.html", one=one, many=len(order))


@router.get(f"{PATH}/form")
async def show_form(view: Seen, edit: _Number = None) -> HTMLResponse:
    """The form of one rule, in its card's place; of a new one without a number."""
    form = RuleForm(targets=[TargetTyped("local")])
    if edit is not None:
        form = await asyncio.to_thread(_form_of, view, edit)
    return view.fragment("mappings/form_card.html", form=form, **await _choices(view))


@router.post(PATH)
async def add(view: Seen, form: Sent) -> Response:
    """A rule to add."""
    typed = of_fields(form, None)

    def write() -> str:
        body = valid(BackendMappingCreate, columns_of(typed))
        return f"Added {mappings.add(view.control, body, Response()).model_pattern}."

    return await _write(view, write, typed)


@router.post(f"{PATH}/change/{{mapping_id}}")
async def change(view: Seen, mapping_id: RowId, form: Sent) -> Response:
    """Every column of a rule."""
    typed = of_fields(form, mapping_id)

    def write() -> str:
        columns = columns_of(typed)
        before = mappings.show(view.control, mapping_id)
        columns["presets"] = dict.fromkeys(before.presets or {}) | (columns["presets"] or {}) or None
        body = valid(BackendMappingUpdate, columns)
        return (
            f"Saved {mappings.change(view.control, mapping_id, body, typed.version or None).model_pattern}."
        )

    return await _write(view, write, typed)


@router.post(f"{PATH}/switch")
async def switch(view: Seen, form: Sent) -> Response:
    """`on` or `off`: the rule that shall be so, whatever another tab has made of it since."""
    on = form.has("on")

    def write() -> str:
        number = _rule_number(form.text("on" if on else "off"), "rule")
        stood = mappings.show(view.control, number).enabled
        row = mappings.change(view.control, number, BackendMappingUpdate.model_validate({"enabled": on}))
        word = "on" if on else "off"
        return (
            f"{row.model_pattern} was {word} already."
            if stood == on
            else f"Switched {row.model_pattern} {word}."
        )

    return await _write(view, write)


@router.post(f"{PATH}/delete")
async def delete(view: Seen, form: Sent) -> Response:
    """`rule`: the one that goes."""

    def write() -> str:
        row = mappings.show(view.control, _rule(form))
        mappings.remove(view.control, row.id)
        return f"Deleted {row.model_pattern}."

    return await _write(view, write)


@router.post(f"{PATH}/move")
async def move(view: Seen, form: Sent) -> Response:
    """`put`: `3 before 5` or `3 after 5`; or `rule`, and `position` counted from 1."""

    def write() -> str:
        number, beside, behind = _wanted(view, form)
        body = BackendMappingMove(after=beside) if behind else BackendMappingMove(before=beside)
        changed = mappings.move(view.control, number, body)
        moved, other = (mappings.show(view.control, one).model_pattern for one in (number, beside))
        if not changed:
            return f"{moved} stood there already."
        return f"Moved {moved} {'below' if behind else 'above'} {other}."

    return await _write(view, write)


@router.post(f"{PATH}/explain")
async def explain_it(view: Seen, form: Sent) -> HTMLResponse:
    """What would become of the name or the request in `dry`. Writes nothing."""
    text, answer, problem = form.text("dry"), None, ""
    try:
        answer = await _explained(view, text, form.text("path"))
    except PointsmanError as error:
        if error.kind is not ErrorKind.INVALID:
            raise
        problem = error.public
    if view.htmx:
        return view.fragment(
            "mappings/dry.html",
            answer=answer,
            problem=problem,
            positions=await asyncio.to_thread(_positions, view),
        )
    return await _page(view, None, dry=text, answer=answer, problem=problem)


async def _explained(view: View, text: str, path: str = "") -> RequestExplained:
    asked = explain.PastedRequest(request=text, path=path)
    return await explain.explained(view.control, view.request.app.state.routing, asked)


async def _write(view: View, write: Callable[[], str], typed: RuleForm | None = None) -> Response:
    """In a thread; its text is said, with Undo. What cannot be saved is said in the form, which keeps what was typed."""

    def run() -> tuple[str, int | None]:
        text = write()
        return text, last_entry()

    try:
        text, entry = await asyncio.to_thread(run)
    except ChangedMeanwhile as error:
        if typed is None:
            raise
        now = error.row
        assert isinstance(now, BackendMapping)
        typed.meanwhile, typed.version = _changed(error), now.version
        return await _page(view, typed, status=error.status)
    except PointsmanError as error:
        if typed is None or error.kind not in (ErrorKind.INVALID, ErrorKind.CONFLICT):
            raise
        typed.problem, typed.field = error.public, error.param or ""
        return await _page(view, typed, status=error.status)
    return view.done(text, PATH, entry)


def _changed(error: ChangedMeanwhile) -> str:
    entry = error.entry
    return "by somebody" if entry is None else f"at {entry.at:%H:%M} UTC by the {entry.who}"


def _rule(form: FormFields) -> int:
    return _rule_number(form.text("rule"), "rule")


def _rule_number(text: str, param: str) -> int:
    if (number := row_number(text)) is None:
        raise PointsmanError(ErrorKind.INVALID, "Say which rule.", param=param)
    return number


def _wanted(view: View, form: FormFields) -> tuple[int, int, bool]:
    """(the rule, the one that it goes beside, whether behind it)."""
    words = form.text("put").split()
    if len(words) == 3 and words[1] in ("before", "after"):
        moved, other = (_rule_number(word, "put") for word in words[::2])
        return moved, other, words[1] == "after"
    number, position = _rule(form), form.number("position")
    with view.control.read() as session:
        others = [row.id or 0 for row in stored.list_all(session) if row.id != number]
    if position is None or not 1 <= position <= len(others) + 1:
        raise PointsmanError(
            ErrorKind.INVALID, f"Say a position from 1 to {len(others) + 1}.", param="position"
        )
    if not others:
        return number, number, False
    return (number, others[-1], True) if position > len(others) else (number, others[position - 1], False)


def _form_of(view: View, number: int) -> RuleForm:
    with view.control.read() as session:
        return of_row(stored.get(session, number))


def _positions(view: View) -> dict[int, int]:
    with view.control.read() as session:
        return {row.id or 0: at for at, row in enumerate(stored.list_all(session), 1)}


class _Under(NamedTuple):
    """What the cards are made from beside the rules themselves. digest: of that, and of which rules were live before any was
    read: the same digest makes the same cards."""

    states: dict[str, BackendShown]
    today: dict[int, MappingTotals]
    digest: str


async def _under(view: View) -> _Under:
    live = view.control.epoch, view.control.snapshot.version
    found = await backend_states(view.control, view.request.app.state.routing, naming=())
    today = await asyncio.to_thread(today_of, view.control, view.zone)
    seen = [(one.key, one.state, one.leaves_machine) for one in found]
    done = [(number, one.requests, one.failed, one.rescued) for number, one in today.items()]
    return _Under({one.key: one for one in found}, today, digest((live, view.midnight, seen, sorted(done))))


def _cards(view: View, under: _Under) -> list[RuleCard]:
    with view.control.read() as session:
        rows = stored.list_all(session)
        backends = Backends(session, rows)
    return cards_of(rows, with_today(standing(rows), under.today), under.states, backends, view.midnight)


def _had(under: _Under, cards: list[RuleCard]) -> str:
    return f"{under.digest}.{digest(cards)}"


async def _page(
    view: View,
    form: RuleForm | None,
    *,
    status: int = 200,
    dry: str = "",
    answer: RequestExplained | None = None,
    problem: str = "",
    open_menu: int | None = None,
) -> HTMLResponse:
    under = await _under(view)
    cards = await asyncio.to_thread(_cards, view, under)
    return view.page(
        "mappings.html",
        status=status,
        cards=cards,
        form=form,
        dry=dry,
        answer=answer,
        problem=problem,
        open_menu=open_menu,
        had=_had(under, cards),
        positions={card.id: card.position for card in cards},
        **(await _choices(view) if form is not None else {}),
    )


async def _choices(view: View) -> dict[str, Any]:
    """What a form offers."""
    states = await backend_states(view.control, view.request.app.state.routing, naming=())
    keys = ["local", *(one.key for one in states), "local/practice"]
    keys += [kind.value for kind in BackendType if kind.value not in keys]
    if (nodes := view.control.nodes) is not None and nodes.name:
        keys += [ANY_NODE, *(NODE + name for name in sorted({*nodes.urls, nodes.name}))]
    return {"backends": keys, "names": list(await model_windows(view)), "reasons": REASONS}
