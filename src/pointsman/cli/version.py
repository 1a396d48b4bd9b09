"""`pointsman version`: which version this is, for people and for bug reports."""

from __future__ import annotations

import json

import click

from .. import __version__
from .common import Invocation, with_options
from .once import Command


@click.command("version", cls=Command)
@with_options
def command(invocation: Invocation) -> None:
    """Print the version."""
    click.echo(json.dumps({"version": __version__}) if invocation.as_json else f"pointsman {__version__}")
