"""`pointsman ui`: the pages in a browser, signed in by a code that works once."""

from __future__ import annotations

import json
import os
import sys
import webbrowser

import click

from ..errors import PointsmanError
from ..kinds import ErrorKind
from .common import Invocation, with_options
from .once import Command


@click.command("ui", cls=Command)
@click.option("--print", "only_print", is_flag=True, help="Print the address and open no browser.")
@with_options
def command(invocation: Invocation, only_print: bool) -> None:
    """Open the pages in a browser, signed in.

    The address works once, within a minute. Without a browser here (over ssh) it is printed instead.
    """
    with invocation.session():
        url = invocation.send("GET", "/api/status").json()["url"]
        if not url or not url.startswith("http"):
            raise PointsmanError(
                ErrorKind.UNAVAILABLE, "No gateway with an address runs here; start one: pointsman serve"
            )
        made = invocation.send("POST", "/api/sign-in").json()
    address = f"{url}/ui/sign-in#{made['code']}"
    opened = not only_print and not invocation.as_json and _has_screen() and webbrowser.open(address)
    if invocation.as_json:
        click.echo(json.dumps({"url": address, "seconds": made["seconds"]}))
    elif opened:
        click.echo("The pages are open in your browser.")
    else:
        click.echo(f"Open this within {made['seconds']:.0f} s; it works once:\n{address}")


def _has_screen() -> bool:
    """On a machine without one, a text browser would be started in this terminal."""
    return sys.platform == "darwin" or "DISPLAY" in os.environ or "WAYLAND_DISPLAY" in os.environ
