"""Which data folder a command means. Not here: what is in it."""

from __future__ import annotations

from pathlib import Path

import click


def data_folder(given: object) -> Path:
    """The folder named on the command line, else the environment's or the platform's."""
    if isinstance(given, Path):
        try:
            return given.expanduser().absolute()
        except RuntimeError:
            raise click.BadParameter(f"{given} names nobody's home folder", param_hint="--data-dir") from None
    from ..config import default_data_dir

    return default_data_dir()
