"""What `pointsman serve` was asked, and the same as one word of a command. Not here: how it is asked (cli/serve.py), and
what is done (supervisor.py).
"""

from __future__ import annotations

import dataclasses
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import config

_PATHS = ("data_dir", "unix")


@dataclass(slots=True)
class ServeOptions:
    """What `pointsman serve` was asked."""

    data_dir: Path
    host: str = config.DEFAULT_HOST
    port: int = config.DEFAULT_PORT
    unix: Path | None = None  # a Unix socket to listen on
    unix_group: str | None = None  # who may use it beside this user
    tcp: bool = True  # listen on host and port
    workers: int = 1
    discover: bool = True  # look for model servers on this computer
    discover_ports: tuple[int, ...] = ()  # where to look beside the usual ports
    node: str = ""  # its name among the gateways on one PostgreSQL, "" = the computer's
    node_url: str = ""  # where those reach it, "" = where it listens, if others can
    engine_budget: int | None = None  # bytes for all engines together, None = a share of the memory
    allow_hosts: tuple[str, ...] = ()
    allow_origins: tuple[str, ...] = ()
    told: str = "[]"  # what each option came to and who set it, as JSON, for people
    json: bool = False
    screen: tuple[str, ...] = ()  # the command that prints the first screen; gets --url and --standing


def as_text(options: ServeOptions) -> str:
    """For read_options()."""
    values = {one.name: getattr(options, one.name) for one in dataclasses.fields(options)}
    return json.dumps(values, default=os.fspath)


def read_options(text: str) -> ServeOptions:
    """The very options that as_text() was given."""
    values: dict[str, Any] = json.loads(text)
    values |= {name: tuple(one) for name, one in values.items() if isinstance(one, list)}
    values |= {name: Path(values[name]) for name in _PATHS if values[name] is not None}
    return ServeOptions(**values)
