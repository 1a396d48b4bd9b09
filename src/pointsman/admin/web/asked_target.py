"""What the name of a target that was asked says, as usage has it: `openai/work:gpt-4o-mini`. Pure."""

from __future__ import annotations

from ...kinds import is_local_backend


def backend_of(target: str | None) -> str:
    """The backend's key; "" where none was asked."""
    return (target or "").partition(":")[0]


def is_local(target: str | None) -> bool | None:
    """Whether it is a local server, also of a backend's key alone; None where none was asked."""
    return None if target is None else is_local_backend(backend_of(target))
