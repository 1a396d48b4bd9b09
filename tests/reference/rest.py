"""docs/reference/rest.md: every operation of the admin API, by its own document."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from pointsman.cli.client import open_client


def page() -> str:
    with tempfile.TemporaryDirectory() as folder, open_client(Path(folder)) as client:
        found: dict[str, Any] = client.request("GET", "/api/openapi.json").json()
    lines = [
        "# Admin API",
        "",
        "Made from the code by `make docs`. On the gateway's own port, with the admin token (`Authorization: Bearer pma-...`, from",
        "`admin.token` in the data folder). The whole document, with every field: `GET /api/openapi.json`. Errors are problem+json",
        "with a `code` of [errors.md](errors.md).",
        "",
    ]
    by_tag: dict[str, list[str]] = {}
    for path, operations in found["paths"].items():
        for method, one in operations.items():
            by_tag.setdefault((one.get("tags") or ["other"])[0], []).append(_row(path, method, one))
    for tag in sorted(by_tag):
        lines += [f"## {tag}", "", "| | |", "|---|---|", *by_tag[tag], ""]
    return "\n".join(lines)


def _row(path: str, method: str, one: dict[str, Any]) -> str:
    said = " ".join((one.get("description") or one.get("summary") or "").split()).replace("|", "\\|")
    return f"| `{method.upper()} {path}` | {said} |"
