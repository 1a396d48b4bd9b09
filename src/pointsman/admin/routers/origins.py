"""`/api/origins`: web origins whose pages may use the model paths. Never this API: the guard has its own list."""

from __future__ import annotations

from collections.abc import Iterable

from fastapi import APIRouter, Response

from ...wire.origins import caution
from ..control.opening import Options
from ..store import origins
from ..store.schemas import AllowedOriginCreate, AllowedOriginResponse
from ..store.tables import AllowedOrigin
from ..store.values import OriginSource
from .base import RowId, Run, errors

router = APIRouter(prefix="/api/origins", tags=["origins"])


@router.get("", responses=errors())
def show_list(control: Run) -> list[AllowedOriginResponse]:
    """Every origin that is let in, and who let it in."""
    with control.read() as session:
        return _listed(origins.list_all(session), control.options)


@router.post("", status_code=201, responses=errors(409))
def add(control: Run, body: AllowedOriginCreate, response: Response) -> AllowedOriginResponse:
    """Let the pages of an origin use the model paths, from this answer on. `*`, all of them, only where clients need
    keys."""
    with control.change() as session:
        origins.refuse_any(session, body.origin, keys_needed=control.options.require_keys)
        row = origins.create(session, body.origin)
        (answer,) = _listed([row], Options())
    response.headers["location"] = f"{router.prefix}/{answer.id}"
    return answer


@router.get("/{origin_id}", responses=errors(404))
def show(control: Run, origin_id: RowId) -> AllowedOriginResponse:
    """One stored origin."""
    with control.read() as session:
        (answer,) = _listed([origins.get(session, origin_id)], Options())
    return answer


@router.delete("/{origin_id}", status_code=204, responses=errors(404))
def remove(control: Run, origin_id: RowId) -> None:
    """Let it in no more, unless an option or the environment does."""
    with control.change() as session:
        origins.delete(session, origin_id)


def _listed(rows: Iterable[AllowedOrigin], options: Options) -> list[AllowedOriginResponse]:
    """Stored ones first; one that comes from several places once."""
    found = {
        row.origin: AllowedOriginResponse(
            id=row.id, origin=row.origin, sources=[OriginSource.STORED], created_at=row.created_at
        )
        for row in rows
    }
    started = (
        (OriginSource.OPTION, options.allow_origins),
        (OriginSource.ENVIRONMENT, options.environment_origins),
    )
    for source, named in started:
        for origin in named:
            one = found.setdefault(origin, AllowedOriginResponse(origin=origin, sources=[]))
            if source not in one.sources:
                one.sources.append(source)
    for one in found.values():
        one.warnings = list(filter(None, [caution(one.origin)]))
    return list(found.values())
