"""docs/reference/settings.md: every variable and option of the start, and what the database keeps for all."""

from __future__ import annotations

import re
from dataclasses import fields
from typing import Any

import click

from pointsman.admin.store.tables import PLAIN_SETTINGS
from pointsman.cli.install_service import _PROXIES, _READ
from pointsman.cli.serve import command as serve
from pointsman.config import _CAN_BE_OFF, _MOST, _SHARED, Limits

from .source import beside, described

NOT_SET = {
    "POINTSMAN_API_KEY": "given to the programs that `pointsman launch` starts, and named in the files that `connect` writes",
    "POINTSMAN_ENGINE": "put into the environment of engines, which are found again by it",
    "POINTSMAN_KEY": "stands for a client key in lines to copy",
    "_POINTSMAN_COMPLETE": "set by your shell as it completes",
}
"""Names that are in the source and that nobody sets."""
_UNITS = {"bytes": (1024, "B"), "seconds": (1, "s"), "rate": (1, "B/s")}


def page() -> str:
    found = described(r"POINTSMAN_[A-Z_]+", '= "POINTSMAN_')
    lines = [
        "# Settings",
        "",
        "Made from the code by `make docs`. What rules, backends and keys have is set by [commands](commands.md), the",
        "[admin API](rest.md), the pages, or [one file](../config.md), and holds at once. What stands here says how the gateway",
        "starts. What each came to, and by whom: the page Settings, or `GET /api/settings`.",
        "",
        "## Options of the start",
        "",
        "Of `pointsman serve`, kept by `pointsman install-service`. An option goes before its variable. From the next start on.",
        "",
        "| option | variable | default | |",
        "|---|---|---|---|",
        *map(
            _option,
            (param for param in serve.params if isinstance(param, click.Option) and param.name != "as_json"),
        ),
        "",
        "## Variables",
        "",
        "From the next start on; one that cannot be read is told by name, before the port is open.",
        "",
        "| variable | |",
        "|---|---|",
        *(f"| `{name}` | {text} |" for name, text in found.items() if name not in NOT_SET),
        "",
        "## Limits",
        "",
        "Variables, too. Sizes with units if you like (`64k`, `64MB`, `64MiB`; a letter alone and `iB` are powers of 1024), and times",
        f"(`500ms`, `60s`, `5m`, `1h`, `1d`). More than 0, at most {_MOST:,} in the unit of the default; whole numbers but for times.",
        "From the next start on: an environment belongs to a process from its beginning.",
        "",
        "| variable | default | |",
        "|---|---|---|",
        *_limits(),
        "",
        f"Where a gateway has several processes, {_and(f'`{_variable(name)}`' for name in _SHARED)} are divided among them.",
        "",
        "## Of others",
        "",
        f"The proxies' ({_and(f'`{name.upper()}`' for name in sorted(_PROXIES))}, or in small letters), {_and(f'`{name}`' for name in sorted(_READ))}, and",
        "`HF_...` mean here and to engines what they mean elsewhere. An engine that runs is looked for also where its own variables",
        "put it ([discovery](../discovery.md)).",
        "",
        "## Kept in the database",
        "",
        "For the whole gateway; at once. What is not *shown* is a secret or of no use to anybody, and in no answer.",
        "",
        "| name | | |",
        "|---|---|---|",
        *_stored(),
        "",
        "## Names that are not for setting",
        "",
        *(f"* `{name}`: {text}." for name, text in sorted(NOT_SET.items())),
    ]
    return "\n".join(lines) + "\n"


def _option(param: click.Option) -> str:
    names = "/".join(f"`{name}`" for name in (*param.opts, *param.secondary_opts))
    variable = f"`{param.envvar}`" if param.envvar else ""
    return f"| {names} | {variable} | {_default(param)} | {_text(param)} |"


def _text(param: click.Option) -> str:
    text = (param.help or "").replace("|", "\\|")
    kind: Any = param.type
    bounds = f" {kind.min} to {kind.max}." if isinstance(kind, click.IntRange) else ""
    return re.sub(r"(?<![`\w-])(--[a-z-]+|POINTSMAN_[A-Z_]+)", r"`\1`", text) + bounds


def _default(param: click.Option) -> str:
    value = param.default
    if isinstance(value, bool):
        return f"`{param.opts[0] if value else param.secondary_opts[0]}`"
    return f"`{value}`" if isinstance(value, (str, int)) else ""


def _limits() -> list[str]:
    said = beside("config.py", r"    ([a-z_]+): (?:int|float) = [^\n#]")
    rows = []
    for field in fields(Limits):
        off = "; 0 is allowed" if field.name in _CAN_BE_OFF and "0 = " not in said[field.name] else ""
        rows.append(f"| `{_variable(field.name)}` | {_amount(field)} | {said[field.name]}{off} |")
    return rows


def _variable(name: str) -> str:
    return f"POINTSMAN_{name.upper()}"


def _amount(field: Any) -> str:
    size, unit = _UNITS.get(field.name.rpartition("_")[2], (0, ""))
    value = field.default
    if size == 1024 and value % 2**20 == 0:
        return f"{value // 2**20:,} MiB"
    if size == 1024 and value % 2**10 == 0:
        return f"{value // 2**10:,} KiB"
    return f"{value:,.0f} {unit}".rstrip()


def _stored() -> list[str]:
    said = beside("admin/store/settings.py", r"([A-Z_]+ = \"[a-z_]+\")")
    found = {line.split('"')[1]: text for line, text in said.items()} | described(
        "price_reference", "price_reference"
    )
    return [
        f"| `{name}` | {text.rstrip('.')} | {'shown' if name in PLAIN_SETTINGS else ''} |"
        for name, text in sorted(found.items())
    ]


def _and(names: Any) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}"
