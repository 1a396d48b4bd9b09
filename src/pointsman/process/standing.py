"""What a control plane that has just started has, left in the folder of sockets for the gateway's first screen, so that
nobody need ask its HTTP side, which is not loaded until somebody does. Not here: the screen (cli/welcome.py).
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

STANDING_FILE = "standing"
CONTROL_READY = -1
"""What the control plane says on the pipe where data-plane processes say their numbers: its socket takes connections."""


class Standing(NamedTuple):
    """backends: (key, base URL) of each that is stored. problems: why it is degraded. found: (key, title, base URL, why
    it is not used, "" = it is) of each server on this computer that is not; None while nobody has looked."""

    backends: Sequence[tuple[str, str]] = ()
    problems: Sequence[str] = ()
    keys_required: bool = False
    found: Sequence[tuple[str, str, str, str]] | None = None


def leave(folder: Path, standing: Standing) -> None:
    """Written whole, or not at all: the screen does without."""
    path = folder / STANDING_FILE
    with suppress(OSError):
        temporary = path.with_name(STANDING_FILE + ".new")
        temporary.write_text(json.dumps(standing))
        os.replace(temporary, path)


def found(folder: Path) -> Standing:
    """As it was left; empty where nothing was."""
    try:
        backends, problems, keys_required, servers = json.loads((folder / STANDING_FILE).read_text())
        near = None if servers is None else [(str(k), str(t), str(u), str(p)) for k, t, u, p in servers]
        return Standing([(str(key), str(url)) for key, url in backends], problems, bool(keys_required), near)
    except (OSError, ValueError, TypeError):
        return Standing()
