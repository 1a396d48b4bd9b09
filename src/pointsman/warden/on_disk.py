"""Models on this disk as people are told of them: what they take in memory, and whether that fits this machine.

Not here: which there are (modelstore/places.py), removing one (modelstore/removal.py).
"""

from __future__ import annotations

from dataclasses import dataclass

from ..modelstore.memory import estimate, largest_window
from ..modelstore.places import StoredModel, stored_models
from ..process.machine import memory_bytes
from .memory import SHARE


@dataclass(frozen=True, slots=True)
class ModelOnDisk:
    """name: how commands call it. kind: gguf or mlx. path: what an engine is given;
    entry: what is removed. size, memory: bytes, on the disk and with its whole window. fits: in
    the share of the memory that engines may take; fitting_window: tokens with which it does. state: ready, paused or
    broken, and then why. remove_with: the command by which its own program removes it, "" where we may. None where nobody
    knows."""

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
    state: str
    problem: str | None
    remove_with: str


def models_on_disk() -> list[ModelOnDisk]:
    """All, by name. Reads the heads of files: some seconds where there are many."""
    limit = memory_bytes()
    return [_told(one, None if limit is None else int(limit * SHARE)) for one in stored_models()]


def _told(model: StoredModel, limit: int | None) -> ModelOnDisk:
    files = model.files
    memory = None if files is None else estimate(files.weights, files.shape, None).total
    window = 0 if files is None or limit is None else largest_window(files.weights, files.shape, limit)
    return ModelOnDisk(
        name=model.name,
        kind=files.kind if files else None,
        place=model.place,
        path=str(files.path if files else model.mine),
        entry=str(model.mine),
        size=model.size,
        window=files.shape.window if files else None,
        memory=memory,
        fits=None if memory is None or limit is None else memory <= limit,
        fitting_window=window or None,
        state="paused" if model.paused else "broken" if files is None else "ready",
        problem=model.problem or None,
        remove_with=model.remove_with,
    )
