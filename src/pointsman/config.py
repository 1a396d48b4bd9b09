"""How this process starts: environment and flags, read once, frozen. Not the rules: those live in the database."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from .errors import PointsmanError
from .kinds import ErrorKind

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 4480

DATABASE_FILE = "pointsman.db"
USAGE_FILE = "usage.db"
MASTER_KEY_FILE = "master.key"
KEY_VARIABLE = "POINTSMAN_MASTER_KEY"
CLIENT_KEY_VARIABLE = "POINTSMAN_CLIENT_KEY"
HOSTS_VARIABLE = "POINTSMAN_ALLOW_HOST"
ORIGINS_VARIABLE = "POINTSMAN_ALLOW_ORIGIN"
LOCAL_HOST_VARIABLE = "POINTSMAN_LOCAL_HOST"
ADMIN_TOKEN_FILE = "admin-token"
COMMAND_AGENT = "pointsman-command/"  # the User-Agent by which the command line says who it is
LAST_GOOD_FILE = "last-good.snapshot"
SESSIONS_FILE = "sessions.json"
SPOOL_FOLDER = "spool"
LOCK_FILE = "lock"
SERVE_FILE = "serve.json"
WARDEN_SOCKET = "warden.sock"
ENGINES_FOLDER = "engines"
OTEL_VARIABLE = "POINTSMAN_OTEL"
LOG_VARIABLE = "POINTSMAN_LOG"
LOG_PARTS = (
    "access", "control", "discovery", "gateway", "link", "models", "probes", "requests", "translation",
)  # fmt: skip
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


def default_data_dir() -> Path:
    """`POINTSMAN_DATA_DIR`, else the platform's user data folder."""
    named = os.environ.get("POINTSMAN_DATA_DIR")
    if named:
        try:
            return Path(named).expanduser().absolute()
        except RuntimeError:  # `~somebody` who does not exist
            raise _mistyped("POINTSMAN_DATA_DIR", named, "names nobody's home folder") from None
    import platformdirs

    return Path(platformdirs.user_data_dir("pointsman", appauthor=False))


_CAN_BE_OFF = frozenset({"response_memory_bytes"})
"""Limits that may be 0."""

_SIZES = {
    "": 1, "b": 1,
    "k": 2**10, "kib": 2**10, "kb": 10**3,
    "m": 2**20, "mib": 2**20, "mb": 10**6,
    "g": 2**30, "gib": 2**30, "gb": 10**9,
}  # fmt: skip
"""Units of sizes, in bytes, whatever their case: a letter alone is a power of 1024, as nginx reads it."""
_TIMES = {
    "ms": 0.001,
    **dict.fromkeys(("", "s", "sec", "second", "seconds"), 1.0),
    **dict.fromkeys(("m", "min", "minute", "minutes"), 60.0),
    **dict.fromkeys(("h", "hour", "hours"), 3600.0),
    **dict.fromkeys(("d", "day", "days"), 86400.0),
}
"""Units of times, in seconds."""
_UNITS: dict[str, tuple[Mapping[str, float], str]] = {
    "bytes": (_SIZES, "B, kB, MB, GB, KiB, MiB, GiB"),
    "rate": (_SIZES, "B, kB, MB, GB, KiB, MiB, GiB"),
    "seconds": (_TIMES, "ms, s, m, h, d"),
}
"""By the last word of a limit's name; any other is a plain number."""
_NUMBER = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+) ?([A-Za-z]*)", re.ASCII)
_MOST = 10**12
"""Of any limit, in its own unit: beyond it nothing is limited, and clocks and buffers do not count so far."""


def limit_of(name: str, text: str) -> float | int:
    """The value of a field of Limits as a person writes it: `64MB`, `64MiB`, `64k`, `60s`, `5m`, `500ms`, `100`. name:
    of the field, whose last word is its unit. Raises ValueError saying what is wrong."""
    kind = name.rpartition("_")[2]
    units, known = _UNITS.get(kind, ({"": 1}, "none"))
    found = _NUMBER.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"is not a number (units: {known})")
    number, unit = found.groups()
    factor = units.get(unit.lower())
    if factor is None:
        raise ValueError(f"has a unit that is not known here (units: {known})")
    value = float(number) * factor
    if value > _MOST:
        raise ValueError("is too large")
    if kind == "seconds":
        whole: float | int = value
    elif value != int(value):
        raise ValueError("is not a whole number")
    else:
        whole = int(value)
    if whole == 0 and name not in _CAN_BE_OFF:
        raise ValueError("must be more than zero")
    return whole


def _mistyped(variable: str, text: str, what: str) -> PointsmanError:
    shown = text if len(text) <= 60 else text[:60] + "..."
    return PointsmanError(ErrorKind.INVALID, f"{variable}={shown!r} {what}", param=variable)


def listed(variable: str, parse: Callable[[str], str]) -> tuple[str, ...]:
    """The values of a variable that has commas between, each in the form that `parse` gives it. Raises PointsmanError
    naming the variable; parse: raises ValueError saying what is wrong."""
    found: list[str] = []
    for text in os.environ.get(variable, "").split(","):
        if text.strip():
            try:
                found.append(parse(text))
            except ValueError as error:
                raise _mistyped(variable, text.strip(), str(error)) from None
    return tuple(found)


@dataclass(frozen=True, slots=True)
class LogWishes:
    """level: of every process, None = each process's own. parts: of parts alone. json: lines are JSON objects."""

    level: str | None = None
    parts: dict[str, str] = field(default_factory=dict)
    json: bool = False


def log_wishes() -> LogWishes:
    """`POINTSMAN_LOG`: words with commas between: a level, `json` or `text`, and `PART=LEVEL` (docs/logs.md). Raises
    PointsmanError naming the variable."""
    level: str | None = None
    parts: dict[str, str] = {}
    form = "text"
    for word in os.environ.get(LOG_VARIABLE, "").split(","):
        name, equals, wanted = word.strip().partition("=")
        if equals:
            if name not in LOG_PARTS:
                raise _mistyped(
                    LOG_VARIABLE, word, f"names no part of the log; there are {', '.join(LOG_PARTS)}"
                )
            parts[name] = _log_level(wanted)
        elif name.lower() in ("json", "text"):
            form = name.lower()
        elif name:
            level = _log_level(name)
    return LogWishes(level, parts, form == "json")


def _log_level(text: str) -> str:
    if text.upper() not in LOG_LEVELS:
        raise _mistyped(LOG_VARIABLE, text, f"is not one of {', '.join((*LOG_LEVELS, 'json', 'text'))}")
    return text.upper()


def otel_url() -> str:
    """`POINTSMAN_OTEL`: the OpenTelemetry collector's HTTP address (docs/telemetry.md), "" where nothing is sent. Raises
    PointsmanError naming the variable."""
    text = os.environ.get(OTEL_VARIABLE, "").strip()
    if text and not re.fullmatch(r"https?://[^\s/?#]+(?:/[^\s?#]*)?", text):
        raise _mistyped(OTEL_VARIABLE, text, "is no address; write one such as http://127.0.0.1:4318")
    return text.rstrip("/")


_HOST_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*", re.ASCII)


def local_host() -> str:
    """`POINTSMAN_LOCAL_HOST`: the name under which a container finds the machine it runs on, such as
    `host.docker.internal`; "" where it is not set. Raises PointsmanError naming the variable."""
    text = os.environ.get(LOCAL_HOST_VARIABLE, "").strip()
    name = text.lower().removesuffix(".")
    if name and (len(name) > 253 or not _HOST_NAME.fullmatch(name) or name[-1].isdigit()):
        raise _mistyped(LOCAL_HOST_VARIABLE, text, "is no host name; write one such as host.docker.internal")
    return name


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
    max_connections: int = 20_000
    idle_seconds: float = 75.0
    connect_seconds: float = 5.0
    first_output_cloud_seconds: float = 60.0
    first_output_local_seconds: float = 600.0
    between_chunks_seconds: float = 120.0
    total_seconds: float = 3600.0
    total_whole_seconds: float = 600.0
    queue_seconds: float = 60.0
    queue_length: int = 100
    backend_in_flight: int = 12_000
    max_requests: int = 12_000
    write_seconds: float = 60.0
    hold_seconds: float = 8.0
    drain_seconds: float = 120.0
    control_seconds: float = 120.0
    response_memory_bytes: int = 64 * 1024 * 1024
    response_memory_seconds: float = 24 * 3600.0

    @staticmethod
    def from_environment() -> Limits:
        """Every field can be set as POINTSMAN_<FIELD>, e.g. POINTSMAN_BODY_BYTES=64MB. Raises PointsmanError naming the
        variable."""
        values: dict[str, float | int] = {}
        for name in Limits.__dataclass_fields__:
            variable = f"POINTSMAN_{name.upper()}"
            text = os.environ.get(variable)
            if text is None:
                continue
            try:
                values[name] = limit_of(name, text)
            except ValueError as error:
                raise _mistyped(variable, text, str(error)) from None
        return Limits(**values)  # type: ignore[arg-type]

    def of_worker(self, worker: int, workers: int) -> Limits:
        """One process's part of what the whole gateway puts up with."""
        parts = {name: share(getattr(self, name), worker, workers) for name in _SHARED}
        return replace(self, **parts)


_SHARED = ("max_connections", "max_requests", "backend_in_flight", "queue_length")
"""Limits that count something of the whole gateway; any other is of one request or one connection."""


def share(limit: int, worker: int, workers: int) -> int:
    """How much of a number that all workers have together one of them may use. The parts add up to `limit`, but for a limit
    below the number of workers: each has one then, since one that may do nothing would refuse what is sent to it."""
    return max(1, limit // workers + (worker % workers < limit % workers))
