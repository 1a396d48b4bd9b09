"""`pointsman top`: the running gateway, live in the terminal.

Not here: what is asked (top_frame.py), how it looks (top_screen.py).
"""

from __future__ import annotations

import os
import select
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from .common import Invocation, fail_with, on_terminal, with_options
from .once import Command

if TYPE_CHECKING:
    from .top_frame import Watched

LOOK_SECONDS = 1.0
_PIPE_WIDTH = 200
"""Columns into a pipe, where COLUMNS does not say."""
_ENDS = frozenset(b"qQ\x04")


@click.command("top", cls=Command)
@click.option(
    "--once", is_flag=True, help="One look, and no more; so it is into a pipe, too, and with --json."
)
@with_options
def command(invocation: Invocation, *, once: bool) -> None:
    """Watch the gateway: requests, backends, tokens a second, money, what left this machine.

    It looks once a second; q or Ctrl-C ends it. A gateway that goes away is waited for. What has run: pointsman usage.
    """
    from .top_frame import Watched

    watched = Watched(invocation.data_dir)
    try:
        if once or invocation.as_json or not on_terminal():
            _look_once(invocation, watched)
        else:
            _live(watched)
    except KeyboardInterrupt:
        raise click.exceptions.Exit(130) from None
    finally:
        watched.close()


def _look_once(invocation: Invocation, watched: Watched) -> None:
    from .top_screen import plain_screen

    frame = watched.look()
    if frame is None:
        fail_with(invocation, watched.why_away)
    width = shutil.get_terminal_size((_PIPE_WIDTH, 24)).columns
    click.echo(frame.as_json() if invocation.as_json else plain_screen(frame, width))


def _live(watched: Watched) -> None:
    """Until q. The terminal is as before when this returns, or raises."""
    from rich.console import Console
    from rich.live import Live

    from .top_screen import screen

    console = Console(highlight=False)
    last = None
    with _keys() as pressed, Live(console=console, screen=True, auto_refresh=False) as live:
        while True:
            frame = watched.look()
            last = frame or last
            live.update(screen(last, watched.why_away, console.width, console.height), refresh=True)
            if pressed(LOOK_SECONDS):
                return


@contextmanager
def _keys() -> Iterator[Callable[[float], bool]]:
    """What waits for so many seconds at most, and tells whether a key was pressed that ends it. Keys are not echoed."""
    import termios
    import tty

    file = sys.stdin.fileno() if sys.stdin.isatty() else None
    before = None if file is None else termios.tcgetattr(file)

    def pressed(seconds: float) -> bool:
        if file is None:
            time.sleep(seconds)
            return False
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0 and select.select([file], [], [], left)[0]:
            keys = os.read(file, 64)
            if not keys or _ENDS & set(keys):  # none: the terminal is gone
                return True
        return False

    try:
        if file is not None:
            tty.setcbreak(file)
        yield pressed
    finally:
        if file is not None and before is not None:
            termios.tcsetattr(file, termios.TCSADRAIN, before)
