"""Names that a shell completes, asked of the gateway that runs: where none runs, or it is slow, there are none.

Not here: how a shell asks (click), and its setting up (completion.py).
"""

from __future__ import annotations

import re
from typing import Any

import click
from click.shell_completion import CompletionItem

from ..errors import PointsmanError
from ..kinds import is_local_backend
from .folder import data_folder

_SECONDS = 0.5
"""Nobody waits longer for a key that is pressed."""
_SAFE = re.compile(r"[A-Za-z0-9_@%+./:][\w@%+./:-]*", re.ASCII).fullmatch
"""What stands on a command line as it is: a shell is given nothing that it would read as its own."""


def models(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
    """Names that rules have."""
    rules = _asked(ctx, "/api/mappings")
    return _beginning([str(rule["model_pattern"]) for rule in rules if rule["enabled"]], incomplete)


def backends(ctx: click.Context, incomplete: str, *, cloud: bool = False) -> list[CompletionItem[str]]:
    """`TYPE/NAME`, or `TYPE`. cloud: none that is local."""
    keys = [str(one["key"]) for one in _asked(ctx, "/api/backends")]
    return _beginning([key for key in keys if not cloud or not is_local_backend(key)], incomplete)


def servers(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
    """Local ones, by their names."""
    return _beginning([str(one["name"]) for one in _asked(ctx, "/api/local")], incomplete)


def _beginning(names: list[str], incomplete: str) -> list[CompletionItem[str]]:
    found = sorted({name for name in names if name.startswith(incomplete) and _SAFE(name)})
    return [CompletionItem(name) for name in found]


def _asked(ctx: click.Context, path: str) -> list[dict[str, Any]]:
    """A list of the admin API's; empty where it cannot be had: a prompt is no place for an error."""
    from .client import running_client

    try:
        client = running_client(data_folder(ctx.params.get("data_dir")), _SECONDS)
        if client is None:
            return []
        try:
            answer = client.request("GET", path)
        finally:
            client.close()
        return answer.json() if answer.status == 200 else []
    except (PointsmanError, click.UsageError, OSError, ValueError):
        return []
