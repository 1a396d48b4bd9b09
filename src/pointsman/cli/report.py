"""`pointsman doctor --report`: how a gateway stands, as one text for an issue, with nothing secret in it.

Kept are fields that are known to be harmless; a text that people typed is a number of its kind (`key-1`), and names of
backends and models stay, since they are what an issue is about. Not here: what doctor looks at (admin/control/doctor.py).
"""

from __future__ import annotations

import json
import platform
import re
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from .. import __version__
from ..admin.control.redaction import redacted
from ..config import LOG_FILE
from ..providers.known import KNOWN
from ..wire.authority import is_loopback_host
from .common import printable
from .logs import LogLine, kept_lines

_EXTRAS = {"mlx": "mlx-lm", "llama": "xllamacpp", "otel": "opentelemetry-sdk"}
"""What `pip install pointsman[...]` brings, by a package of each."""
_LIBRARIES = (
    "msgspec",
    "httptools",
    "uvloop",
    "fastapi",
    "pydantic",
    "sqlalchemy",
    "cryptography",
    "click",
    "rich",
)
_LINES = 30
"""Of the log: warnings and what is worse."""
_OPEN_FIELDS = frozenset(
    {
        "backend_type", "backend_name", "backend_model", "model_pattern", "model", "customs", "compare", "fallback_on",
        "spread", "auth", "profile", "per", "budget_per", "protocols", "dialects", "currency", "on",
    }
)  # fmt: skip
"""Of texts in the configuration, those that stay as they are."""
_NAMED = frozenset({"locals", "credentials"})
"""Sections whose `name` is a backend's, and stays."""
_KNOWN_HOSTS = frozenset(
    host for one in KNOWN if (host := urlsplit(one.base_url).hostname) and host.islower()
)
_URL = re.compile(r"\b[A-Za-z][A-Za-z0-9+.-]{1,20}://[^\s\"'<>,;]*[^\s\"'<>,;.:!?)]")
_ADDRESS = re.compile(
    r"(?<![\w.:])(?:\d{1,3}\.){3}\d{1,3}(?![\w.])|(?<![\w:])(?:[0-9a-fA-F]{1,4}:){2,7}[0-9a-fA-F:]{1,39}"
)
_HOST = re.compile(r"(?<![\w./-])(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?\.)+[A-Za-z]{2,24}(?![\w/-])")
_PATH = re.compile(r"(?<![\w.:/])~?/(?!v1/|api/|ui/)(?:[^\s/:;,()\"']+/)+[^\s/:;,()\"']+")
"""Of a file; not of a request."""
_FRAME = re.compile(r'  File "(?:.*/)?([^/"]+/[^/"]+)", line (\d+), in (\w+)')


class Masks:
    """What was typed, and by what it is told instead: the same for the same, all over the report."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = str(data_dir)
        self._told: dict[str, str] = {}
        self._counts: dict[str, int] = {}

    def of(self, kind: str, text: str) -> str:
        """`key-1`."""
        if text not in self._told:
            self._counts[kind] = self._counts.get(kind, 0) + 1
            self._told[text] = f"{kind}-{self._counts[kind]}"
        return self._told[text]

    def clean(self, text: str) -> str:
        """A sentence of the gateway's own without what was typed into it."""
        found = _URL.sub(lambda url: self.url(url[0]), text.replace(self._data_dir, "DATA-DIR"))
        found = _PATH.sub("[path]", found)
        for typed in sorted(self._told, key=len, reverse=True):
            found = re.sub(rf"(?<![\w-]){re.escape(typed)}(?![\w-])", self._told[typed], found)
        found = _ADDRESS.sub(
            lambda one: one[0] if is_loopback_host(one[0]) else self.of("address", one[0]), found
        )
        found = _HOST.sub(lambda one: one[0] if _is_open(one[0]) else self.of("host", one[0]), found)
        return printable(redacted(found))

    def url(self, text: str) -> str:
        """Scheme and port; of the host only whose is known, or that it is this computer. No login, path or query."""
        try:
            parts = urlsplit(text)
            host, port = parts.hostname or "", parts.port
        except ValueError:
            return "[url]"
        shown = host if _is_open(host) or is_loopback_host(host) else self.of("host", host) if host else ""
        shown = f"[{shown}]" if ":" in shown else shown
        return f"{parts.scheme}://{shown}{'' if port is None else f':{port}'}"


def _is_open(host: str) -> bool:
    """Of a provider known by name, or a file or module of ours."""
    return host in _KNOWN_HOSTS or host.endswith((".py", ".db", ".log", ".key", ".json", ".sock", ".toml"))


def made(
    data_dir: Path, doctor: Mapping[str, Any], asked: Mapping[str, Any], environ: Mapping[str, str]
) -> dict[str, Any]:
    """The report. doctor: its answer. asked: what the admin API answered by path; what could not be asked is left out."""
    masks = Masks(data_dir)
    configuration = _document(asked.get("/api/config", {}).get("document", {}), masks)
    extras = {name: _version(package) for name, package in _EXTRAS.items()}
    return {
        "pointsman": __version__,
        "python": sys.version.split()[0],
        "system": platform.platform(),
        "machine": platform.machine(),
        "extras": {name: found for name, found in extras.items() if found},
        "libraries": {name: _version(name) for name in _LIBRARIES},
        "variables": sorted(name for name in environ if name.startswith("POINTSMAN_")),
        "status": _status(asked.get("/api/status"), masks),
        "backends": [_backend(one, masks) for one in asked.get("/api/backends") or ()],
        "configuration": configuration,
        "checks": [
            {name: masks.clean(str(one[name])) for name in one if one[name]} for one in doctor["checks"]
        ],
        "log": _log(data_dir, masks),
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _status(status: Mapping[str, Any] | None, masks: Masks) -> dict[str, Any] | None:
    if status is None:
        return None
    counts = ("ready", "started_at", "keys_required", "mappings", "backends", "client_keys")
    told = {name: status[name] for name in counts}
    return told | {"problems": list(map(masks.clean, status["problems"])), "workers": len(status["workers"])}


def _backend(shown: Mapping[str, Any], masks: Masks) -> dict[str, Any]:
    plain = (
        "key",
        "state",
        "engine_state",
        "found",
        "leaves_machine",
        "in_flight",
        "queued",
        "last_reason",
        "protocols",
    )
    found = {name: shown[name] for name in plain if shown[name] not in (None, [])}
    where = {} if shown["base_url"] is None else {"base_url": masks.url(shown["base_url"])}
    return found | where | ({"why": masks.clean(shown["why"])} if shown["why"] else {})


def _document(document: Mapping[str, Any], masks: Masks) -> dict[str, Any]:
    """The shape of `config export`."""
    return {section: _value(section, section, value, masks) for section, value in document.items()}


def _value(section: str, field: str, value: Any, masks: Masks) -> Any:
    if isinstance(value, dict):
        # Names of fields are ours only where they are known: headers and the like have the user's own.
        return {_field(name, masks): _value(section, name, inner, masks) for name, inner in value.items()}
    if isinstance(value, list):
        return [_value(section, field, one, masks) for one in value]
    if not isinstance(value, str) or not value:
        return value
    if field == "base_url":
        return masks.url(value)
    if field in _OPEN_FIELDS or (field == "name" and section in _NAMED):
        return printable(redacted(value))
    return masks.of(section.removesuffix("s") if field == "name" else field.removesuffix("s"), value)


def _field(name: str, masks: Masks) -> str:
    """A field's own name where it is one."""
    return name if re.fullmatch(r"[a-z][a-z0-9_]{0,40}", name) else masks.of("field", name)


def _log(data_dir: Path, masks: Masks) -> list[str]:
    """The newest troubles: when, who and what; of a traceback where it was, and not what it said."""
    try:
        lines = kept_lines(data_dir / LOG_FILE)
    except OSError:
        return []
    bad = [line for line in lines if line.fields.get("level") in ("warning", "error", "critical")]
    return [_line(line, masks) for line in bad[-_LINES:]]


def _line(line: LogLine, masks: Masks) -> str:
    fields = line.fields
    said = " ".join(str(fields[name]) for name in ("time", "level", "process", "part") if name in fields)
    frames = _FRAME.findall(str(fields.get("error") or ""))[-6:]
    where = "".join(f" < {file}:{number} {name}" for file, number, name in reversed(frames))
    return f"{printable(said)}: {masks.clean(str(fields.get('message')))}{printable(where)}"


def _check(one: Mapping[str, str]) -> str:
    said = f"{one['status']:<7} {one['name']}: {one['detail']}"
    return f"{said} Fix: {one['fix']}" if "fix" in one else said


def written(report: Mapping[str, Any]) -> str:
    """As text that stands in an issue."""
    parts = [f"Pointsman {report['pointsman']}, Python {report['python']}, {report['system']}"]
    for name, value in report.items():
        if name in ("pointsman", "python", "system") or value in (None, [], {}):
            continue
        if name == "checks":
            rows = [_check(one) for one in value]
        elif isinstance(value, list):
            rows = [one if isinstance(one, str) else json.dumps(one) for one in value]
        elif isinstance(value, dict):
            rows = [
                f"{key}: {json.dumps(inner)}" for key, inner in value.items() if inner not in (None, [], {})
            ]
        else:
            rows = [str(value)]
        parts += ["", f"## {name}", *rows]
    return "\n".join(parts) + "\n"
