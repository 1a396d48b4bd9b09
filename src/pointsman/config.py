"""How this process starts: environment and flags, read once, frozen. Not the rules: those live in the database."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 4480

DATABASE_FILE = "pointsman.db"
USAGE_FILE = "usage.db"
MASTER_KEY_FILE = "master.key"
KEY_VARIABLE = "POINTSMAN_MASTER_KEY"
ADMIN_TOKEN_FILE = "admin-token"
LAST_GOOD_FILE = "last-good.snapshot"
SPOOL_FOLDER = "spool"
LOCK_FILE = "lock"
SERVE_FILE = "serve.json"


def default_data_dir() -> Path:
    """`POINTSMAN_DATA_DIR`, else the platform's user data folder."""
    named = os.environ.get("POINTSMAN_DATA_DIR")
    if named:
        return Path(named).expanduser().absolute()
    import platformdirs

    return Path(platformdirs.user_data_dir("pointsman", appauthor=False))


_CAN_BE_OFF = frozenset({"response_memory_bytes"})
"""Limits that may be 0."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What the data plane puts up with. Sizes in bytes, times in seconds
    (docs/reliability-promises.md#times-and-sizes)."""

    header_bytes: int = 64 * 1024
    header_count: int = 100
    body_bytes: int = 32 * 1024 * 1024
    header_seconds: float = 10.0
    body_idle_seconds: float = 30.0
    body_grace_seconds: float = 10.0
    body_rate: int = 1024
    max_connections: int = 10_000
    idle_seconds: float = 75.0
    connect_seconds: float = 5.0
    first_output_cloud_seconds: float = 60.0
    first_output_local_seconds: float = 600.0
    between_chunks_seconds: float = 120.0
    total_seconds: float = 3600.0
    total_whole_seconds: float = 600.0
    queue_seconds: float = 60.0
    queue_length: int = 100
    backend_in_flight: int = 1000
    max_requests: int = 5000
    write_seconds: float = 60.0
    hold_seconds: float = 8.0
    drain_seconds: float = 120.0
    response_memory_bytes: int = 64 * 1024 * 1024
    response_memory_seconds: float = 24 * 3600.0

    @staticmethod
    def from_environment() -> Limits:
        """Every field can be set as POINTSMAN_<FIELD>, e.g. POINTSMAN_BODY_BYTES. Raises ValueError naming the variable."""
        values: dict[str, float | int] = {}
        for name, field in Limits.__dataclass_fields__.items():
            variable = f"POINTSMAN_{name.upper()}"
            text = os.environ.get(variable)
            if text is None:
                continue
            kind = int if field.type == "int" else float
            try:
                value = kind(text)
            except ValueError:
                raise ValueError(f"{variable}={text!r} is not a number") from None
            if value < 0 or (value == 0 and name not in _CAN_BE_OFF):
                raise ValueError(f"{variable}={text!r} must be more than zero")
            values[name] = value
        return Limits(**values)  # type: ignore[arg-type]
