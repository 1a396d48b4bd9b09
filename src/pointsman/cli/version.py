"""`pointsman version`: which version this is, for people and for bug reports."""

from __future__ import annotations

import json

import click

from .. import __version__, interpreter, native
from .common import Invocation, with_options
from .once import Command


@click.command("version", cls=Command)
@with_options
def command(invocation: Invocation) -> None:
    """Print the version, what of it runs as machine code, and by which Python."""
    runs, about = native.how()
    python = interpreter.about()
    if invocation.as_json:
        click.echo(json.dumps({"version": __version__, "runs": runs, "about": about, "python": python}))
    else:
        click.echo(f"pointsman {__version__} ({runs}): {about} {python}.")
