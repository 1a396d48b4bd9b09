"""How this process starts: environment and flags, read once, frozen; and what starts others of ours. Not the rules: those
live in the database."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from .errors import PointsmanError
from .kinds import ErrorKind

OWN_PYTHON = (sys.executable, "-P")
"""Before `-m`. The folder in which somebody typed `pointsman serve` is none of ours: a `secrets.py` that lies there would be
imported in place of Python's own."""
LEAN_PYTHON = (*OWN_PYTHON, "-X", "no_debug_ranges")
"""Half a megabyte of each process is columns, which a traceback would underline (3.11 and later)."""
DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 4480

DATABASE_FILE = "pointsman.db"
USAGE_FILE = "usage.db"
MASTER_KEY_FILE = "master.key"
ADMIN_TOKEN_FILE = "admin-token"
COMMAND_AGENT = "pointsman-command/"  # the User-Agent by which the command line says who it is
LAST_GOOD_FILE = "last-good.snapshot"
SESSIONS_FILE = "sessions.json"
SPOOL_FOLDER = "spool"
LOCK_FILE = "lock"
SERVE_FILE = "serve.json"
WARDEN_SOCKET = "warden.sock"
ENGINES_FOLDER = "engines"
LOG_FILE = "gateway.log"
LOG_PARTS = (
    "access", "control", "discovery", "gateway", "link", "models", "probes", "requests", "translation",
)  # fmt: skip
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")

# Variables; what each says stands below it, and with it in docs/reference/settings.md.
DATA_DIR_VARIABLE = "POINTSMAN_DATA_DIR"
"""The data folder, where no `--data-dir` names it: database, keys, log. Default: `pointsman` in the user's data folder."""
DATABASE_VARIABLE = "POINTSMAN_DATABASE_URL"
"""Where the database is: `sqlite:////path/to/file.db`, or a PostgreSQL ([scale.md](../scale.md)). Default: `pointsman.db` in
the data folder."""
KEY_VARIABLE = "POINTSMAN_MASTER_KEY"
"""What seals stored keys: 32 bytes in base64 or hex. Default: `master.key` in the data folder, made at the first start."""
KEY_FILE_VARIABLE = "POINTSMAN_MASTER_KEY_FILE"
"""A file with it, where `POINTSMAN_MASTER_KEY` is not set."""
CLIENT_KEY_VARIABLE = "POINTSMAN_CLIENT_KEY"
"""A first client key, at least 32 characters, so that a container has one from its start."""
CLIENT_KEY_FILE_VARIABLE = "POINTSMAN_CLIENT_KEY_FILE"
"""A file with it; both are refused."""
HOSTS_VARIABLE = "POINTSMAN_ALLOW_HOST"
"""Names that clients may use for the gateway, with commas between, besides `--allow-host` and `pointsman host add`."""
ORIGINS_VARIABLE = "POINTSMAN_ALLOW_ORIGIN"
"""Web pages that may use it, with commas between, besides `--allow-origin` and `pointsman origin add`."""
LOCAL_HOST_VARIABLE = "POINTSMAN_LOCAL_HOST"
"""The name under which a container finds the machine it runs on, such as `host.docker.internal`."""
OTEL_VARIABLE = "POINTSMAN_OTEL"
"""An OpenTelemetry collector's HTTP address, such as `http://127.0.0.1:4318`. Default: nothing is sent."""
WITHOUT_DATABASE_VARIABLE = "POINTSMAN_LIMITS_WITHOUT_DATABASE"
"""Of several gateways on one PostgreSQL: what becomes of requests with budgets, rates or a number at once where this one has
used its part and the database cannot be asked. `refuse`: 503. `allow`: it goes on as if it were the only one
([scale.md](../scale.md#limits-across-gateways)). Default: `refuse`."""
LOG_VARIABLE = "POINTSMAN_LOG"
"""How much the log has: words with commas between, a level, `json` or `text`, `stderr` (no file), `PART=LEVEL`. Default:
`info` for the control plane, `warning` for others, as text, and in the data folder's file, too."""


def default_data_dir() -> Path:
    """`POINTSMAN_DATA_DIR`, else the platform's user data folder."""
    named = os.environ.get(DATA_DIR_VARIABLE)
    if named:
        try:
            return Path(named).expanduser().absolute()
        except RuntimeError:  # `~somebody` who does not exist
            raise _mistyped(DATA_DIR_VARIABLE, named, "names nobody's home folder") from None
    import platformdirs

    return Path(platformdirs.user_data_dir("pointsman", appauthor=False))


_CAN_BE_OFF = frozenset({"cache_bytes", "leave_seconds", "response_memory_bytes"})
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


def span_of(seconds: int) -> str:
    """A time as a person writes it: `7d`, `1h`, `90m`, `45s`."""
    for unit, size in (("d", 86_400), ("h", 3600), ("m", 60)):
        if seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


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
    """level: of every process, None = each process's own. parts: of parts alone. json: lines are JSON objects. file:
    they stand in the data folder, too."""

    level: str | None = None
    parts: dict[str, str] = field(default_factory=dict)
    json: bool = False
    file: bool = True


def log_wishes() -> LogWishes:
    """`POINTSMAN_LOG`: words with commas between: a level, `json` or `text`, `stderr`, and `PART=LEVEL` (docs/logs.md).
    Raises PointsmanError naming the variable."""
    level: str | None = None
    parts: dict[str, str] = {}
    form, file = "text", True
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
        elif name.lower() == "stderr":
            file = False
        elif name:
            level = _log_level(name)
    return LogWishes(level, parts, form == "json", file)


def _log_level(text: str) -> str:
    if text.upper() not in LOG_LEVELS:
        raise _mistyped(
            LOG_VARIABLE, text, f"is not one of {', '.join((*LOG_LEVELS, 'json', 'text', 'stderr'))}"
        )
    return text.upper()


def otel_url() -> str:
    """`POINTSMAN_OTEL`: the OpenTelemetry collector's HTTP address (docs/telemetry.md), "" where nothing is sent. Raises
    PointsmanError naming the variable."""
    text = os.environ.get(OTEL_VARIABLE, "").strip()
    if text and not re.fullmatch(r"https?://[^\s/?#]+(?:/[^\s?#]*)?", text):
        raise _mistyped(OTEL_VARIABLE, text, "is no address; write one such as http://127.0.0.1:4318")
    return text.rstrip("/")


def limits_without_database() -> str:
    """`POINTSMAN_LIMITS_WITHOUT_DATABASE`: `refuse` or `allow`. Raises PointsmanError naming the variable."""
    text = os.environ.get(WITHOUT_DATABASE_VARIABLE, "").strip().lower() or "refuse"
    if text not in ("refuse", "allow"):
        raise _mistyped(WITHOUT_DATABASE_VARIABLE, text, "is neither refuse nor allow")
    return text


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
    """What the data plane puts up with. Sizes in bytes, times in seconds (docs/reliability-promises.md#times-and-sizes);
    what stands beside each is in docs/reference/settings.md."""

    header_bytes: int = 64 * 1024  # of a request's head
    header_count: int = 100  # lines of a request's head
    body_bytes: int = 32 * 1024 * 1024  # of a request's body, as it comes and as it is unpacked
    header_seconds: float = 10.0  # until a request's head is there
    body_idle_seconds: float = 30.0  # without a byte of a body
    body_grace_seconds: float = 10.0  # after which a body must come at `POINTSMAN_BODY_RATE`
    body_rate: int = 1024  # of a body that comes slowly, at least
    max_connections: int = 20_000  # of clients, all processes together
    idle_seconds: float = 75.0  # a client's connection without a request
    connect_seconds: float = 5.0  # to look up a backend's name, and to connect
    first_output_cloud_seconds: float = 60.0  # until a cloud backend's first output
    first_output_local_seconds: float = 600.0  # until a local backend's first byte
    between_chunks_seconds: float = 120.0  # of silence within an answer, the slow client's own not counted
    total_seconds: float = 3600.0  # for a whole request that streams
    total_whole_seconds: float = 600.0  # for one that does not
    queue_seconds: float = 60.0  # that a request waits for a place at a backend
    queue_length: int = 100  # requests that wait for a place at one backend, all processes together
    backend_in_flight: int = 12_000  # requests at one backend at once, all processes together
    max_requests: int = 12_000  # at once, all processes together; fewer where open files are few
    write_seconds: float = 60.0  # that a client takes nothing of its answer
    hold_seconds: float = 8.0  # before a waiting stream gets its head and keep-alives
    drain_seconds: float = 120.0  # that requests get to end when the gateway stops
    leave_seconds: float = 0.0  # before that, in which clients are still served and /readyz says 503 already
    control_seconds: float = 120.0  # that an answer of the pages or the admin API stands still
    response_memory_bytes: int = 64 * 1024 * 1024  # a process, of Responses remembered; 0 = none
    response_memory_seconds: float = 24 * 3600.0  # that a response is remembered after its last use
    cache_bytes: int = 256 * 1024 * 1024  # of kept answers together, on disk; 0 = nothing is kept

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
