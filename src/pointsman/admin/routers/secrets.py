"""`/api/secrets`: the master key's state, and changing it. The key itself is never in an answer."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from ..store.rotation import RotationResult, rotate
from .base import Run, errors

router = APIRouter(prefix="/api/secrets", tags=["secrets"])


class MasterKeyState(BaseModel):
    """Where the master key came from, and what a rotation needs. problem: why stored keys cannot be used."""

    source: str
    key_id: str | None
    problem: str | None
    needs_new_key: bool


class Rotation(BaseModel):
    """new_key: 32 bytes in base64 or hex; needed when the environment holds the master key, else made."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    new_key: str | None = Field(None, repr=False, max_length=256, json_schema_extra={"writeOnly": True})


@router.get("", responses=errors())
def show(control: Run) -> MasterKeyState:
    """The master key's id and source."""
    vault = control.vault
    return MasterKeyState(
        source=vault.source.value,
        key_id=vault.key_id,
        problem=vault.problem,
        needs_new_key=vault.path is None,
    )


@router.post("/rotate", responses=errors(409))
def change(control: Run, body: Rotation | None = None) -> RotationResult:
    """Seal every stored key under a new master key, in one transaction, while the gateway serves."""
    new_key = body.new_key if body is not None else None
    done = rotate(control.store, control.vault, new_key, beside=control.recordings.stage)
    control.publish()
    return done
