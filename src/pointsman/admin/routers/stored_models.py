"""`/api/stored-models`: model files on this disk. They are fetched and served by commands alone (`pointsman local pull`,
`add`)."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel

from ...modelstore import removal
from ...modelstore.places import stored_models
from ...warden.on_disk import models_on_disk
from ..store.shapes import Output
from .base import errors

router = APIRouter(prefix="/api/stored-models", tags=["local"])


class StoredModelShown(Output):
    """One model on the disk. path: what an engine is given; entry: what is removed. size, memory: bytes on the disk, and
    in memory with its whole window; fits: whether that is what engines may take at most, fitting_window: tokens with
    which it is. state: paused: the fetch goes on with `local pull`; broken: problem says why. remove_with: the command by
    which its own program removes it."""

    name: str
    kind: str | None
    place: str
    path: str
    entry: str
    size: int
    window: int | None
    memory: int | None
    fits: bool | None
    fitting_window: int | None
    state: Literal["ready", "paused", "broken"]
    problem: str | None
    remove_with: str


class Removed(BaseModel):
    """freed: bytes."""

    name: str
    freed: int


@router.get("", responses=errors())
def show_list() -> list[StoredModelShown]:
    """All of them: Hugging Face's cache, Ollama's, LM Studio's, llama.cpp's."""
    return [StoredModelShown.model_validate(one) for one in models_on_disk()]


@router.delete("", responses=errors(404))
def remove(name: Annotated[str, Query(min_length=1, max_length=1024)]) -> Removed:
    """Remove a model from the disk, by its name or `entry`. Only what lies inside the folder it was found in; there is no
    way back but to fetch it again."""
    found = removal.find(name, stored_models())
    return Removed(name=found.name, freed=removal.remove(found))
