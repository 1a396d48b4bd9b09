"""Rules: list, add, change, remove, warn. Functions take a Session and raise PointsmanError."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlmodel import Session, col, select

from ...conversation.presets import bare, merged
from ...errors import PointsmanError
from ...kinds import PRACTICE, BackendType, ErrorKind
from ...providers.addresses import is_loopback_address
from ...providers.urls import parse_base_url
from . import credentials
from .rows import valid
from .tables import BackendMapping, LocalBackend, MappingColumns
from .targets import TargetRef, targets_of

if TYPE_CHECKING:  # shapes of the admin API, which few gateways are asked for
    from .schemas import BackendMappingCreate, BackendMappingResponse, BackendMappingUpdate

_NO_WINDOW = (
    "num_ctx is not a request's to set in these protocols: set it where the model is loaded (Ollama: PARAMETER num_ctx in a "
    "Modelfile, or OLLAMA_CONTEXT_LENGTH; llama.cpp: --ctx-size; vLLM: --max-model-len); a request is told dropped:num_ctx "
    "where the model's window is not known to be that large"
)
_ADD_FALLBACK = "add one with: pointsman mapping update {} --fallback TYPE[/NAME]"


def list_all(session: Session) -> list[BackendMapping]:
    """Highest priority first, then the lower id."""
    order = select(BackendMapping).order_by(col(BackendMapping.priority).desc(), col(BackendMapping.id))
    return list(session.exec(order))


def get(session: Session, mapping_id: int) -> BackendMapping:
    row = session.get(BackendMapping, mapping_id) if abs(mapping_id) < 2**63 else None
    if row is None:
        raise PointsmanError(
            ErrorKind.NOT_FOUND, f"There is no mapping {mapping_id}; list them with: pointsman mapping list."
        )
    return row


def create(session: Session, data: BackendMappingCreate) -> BackendMapping:
    """Always adds a row: two rules may have one pattern, and priority or the lower id decides."""
    values = data.model_dump(mode="json")
    values["presets"] = merged({}, values["presets"] or {}) or None
    row = BackendMapping(**values)
    session.add(row)
    session.flush()
    return row


def update(session: Session, mapping_id: int, data: BackendMappingUpdate) -> BackendMapping:
    """What results must be a valid rule as a whole. Presets are changed one by one: a null takes one away, and a null for
    all of them takes all."""
    from .schemas import BackendMappingCreate

    row = get(session, mapping_id)
    changes = data.model_dump(exclude_unset=True)
    stands = {name: getattr(row, name) for name in MappingColumns.model_fields}
    if changes.get("presets") is not None:
        changes["presets"] = merged(stands["presets"] or {}, changes["presets"]) or None
    whole = valid(BackendMappingCreate, stands | changes)
    for field, value in whole.model_dump(mode="json").items():
        setattr(row, field, value)
    session.flush()
    return row


def delete(session: Session, mapping_id: int) -> None:
    session.delete(get(session, mapping_id))
    session.flush()


def warnings_of(session: Session, row: BackendMapping) -> list[str]:
    """What the rule says that cannot work yet; it is accepted all the same
    (docs/design.md#data-model)."""
    found: list[str] = []
    for ref in dict.fromkeys(targets_of(row)):
        warn = _local_warning if ref.type is BackendType.LOCAL else _cloud_warning
        warning = warn(session, row, ref)
        if warning is not None and warning not in found:
            found.append(warning)
    if any(bare(name) == "num_ctx" for name in row.presets or ()):
        found.append(_NO_WINDOW)
    if row.fallback_on and len(targets_of(row)) == 1:
        found.append(f"fallback_on has no next target to go to; {_ADD_FALLBACK.format(row.id)}")
    return found


def response(session: Session, row: BackendMapping) -> BackendMappingResponse:
    """The row as the API answers it, warnings included."""
    from .schemas import BackendMappingResponse

    answer = BackendMappingResponse.model_validate(row)
    return answer.model_copy(update={"warnings": warnings_of(session, row)})


def _cloud_warning(session: Session, row: BackendMapping, ref: TargetRef) -> str | None:
    if row.forward_auth and ref == next(one for one in targets_of(row) if one.type is not BackendType.LOCAL):
        return None  # the client brings its own login, which no other origin gets
    if credentials.find(session, ref.type, ref.name) is None:
        return f"{ref.backend} has no key yet; add it with: pointsman credential set {ref.backend}"
    return None


def _local_warning(session: Session, row: BackendMapping, ref: TargetRef) -> str | None:
    if ref.name == PRACTICE:
        return None
    query = select(LocalBackend)
    if ref.name:
        query = query.where(col(LocalBackend.name) == ref.name)
    backends = list(session.exec(query))
    name = ref.name or "NAME"
    if not backends:
        which = f"local/{ref.name} does not exist" if ref.name else "there is no local backend"
        return f"{which} yet; add it with: pointsman local add {name} --url URL"
    if not any(backend.enabled for backend in backends):
        return f"{ref.backend} is disabled; enable it, or choose another backend"
    if row.local_only and ref.name and _elsewhere(backends[0].base_url):
        return f"{ref.backend} is at {backends[0].base_url}, not on this computer: local_only will not use it"
    return None


def _elsewhere(base_url: str) -> bool:
    """Surely not this computer; a name is judged when it is connected to."""
    try:
        address = parse_base_url(base_url).address
    except ValueError:
        return False
    return address is not None and not is_loopback_address(address)
