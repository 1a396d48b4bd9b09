"""`pointsman chaos URL`: a proxy in front of a backend that plays outages. Needs no gateway and no data folder."""

from __future__ import annotations

import asyncio
import json
import math
import signal
import sys
from pathlib import Path
from typing import Any

import click

from .once import Command


class _Share(click.FloatRange):
    """In percent; nan lies in no range, and click's own finds it in every one."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        share = float(super().convert(value, param, ctx))
        if math.isnan(share):
            self.fail(f"{value!r} is not a number.", param, ctx)
        return share


@click.command("chaos", cls=Command)
@click.argument("upstream", metavar="URL")
@click.option(
    "--listen", default="127.0.0.1:0", show_default=True, metavar="HOST:PORT", help="Port 0: a free one."
)
@click.option(
    "--fault",
    "faults",
    multiple=True,
    metavar="FAULT",
    help="What to play, such as 500 or cut-at=300; repeatable.",
)
@click.option("--share", type=_Share(0, 100), default=100.0, show_default=True, help="Percent of requests.")
@click.option(
    "--after", type=click.IntRange(min=0), default=0, show_default=True, help="Let so many pass first."
)
@click.option("--seed", type=int, help="Makes the choice the same every time.")
@click.option(
    "--list",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=lambda context, _, wanted: _list(context, wanted),
    help="List the faults.",
)
@click.option("--data-dir", type=click.Path(path_type=Path), help="Taken like every command's; not used.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print one line of JSON with the URL, and one at the end."
)
def command(
    upstream: str, listen: str, faults: tuple[str, ...], share: float, after: int, seed: int | None, data_dir: Path | None,
    as_json: bool,
) -> None:  # fmt: skip
    """Stand between the gateway and the backend at URL, and play faults.

    A line on standard input changes them while it runs: `500`, `cut-event=2 stall-at=100`, or `clear`.

    \b
    pointsman chaos http://127.0.0.1:11434 --fault 500 --share 30
    pointsman local add flaky --url http://127.0.0.1:PORT
    """
    from ..chaos import BadFault, FaultPlan, parse_fault
    from ..chaos.proxy import Proxy

    host, _, port = listen.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise click.BadParameter("write HOST:PORT, such as 127.0.0.1:8081", param_hint="--listen")
    try:
        plan = FaultPlan([parse_fault(text) for text in faults], share, after, seed)
    except BadFault as error:
        raise click.BadParameter(str(error), param_hint="--fault") from None
    try:
        proxy = Proxy(upstream, plan, host.strip("[]"), int(port))
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="URL") from None
    try:
        asyncio.run(_run(proxy, as_json))
    except OSError as error:
        raise click.ClickException(f"cannot listen on {listen}: {error.strerror}") from None
    _tell(
        {"counts": dict(proxy.counts)}, as_json, "; ".join(f"{word}: {n}" for word, n in proxy.counts.items())
    )


async def _run(proxy: Any, as_json: bool) -> None:
    from ..chaos import serve

    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    serving = asyncio.create_task(serve(proxy, stopping))
    while proxy.port == 0 and not serving.done():
        await asyncio.sleep(0.005)
    if not serving.done():
        _tell({"url": proxy.url}, as_json, f"chaos at {proxy.url}")
        _listen_to_lines(loop, proxy)
    await serving


def _listen_to_lines(loop: asyncio.AbstractEventLoop, proxy: Any) -> None:
    """Each line of standard input is a new set of faults."""
    from ..chaos import BadFault, FaultPlan, parse_fault

    tasks: set[asyncio.Task[None]] = set()

    def line() -> None:
        text = sys.stdin.readline()
        if not text:
            loop.remove_reader(sys.stdin.fileno())
            return
        try:
            faults = [] if text.strip() in ("", "clear") else [parse_fault(word) for word in text.split()]
        except BadFault as error:
            click.echo(str(error), err=True)
            return
        click.echo(f"now: {' '.join(map(str, faults)) or 'everything passes'}", err=True)
        task = loop.create_task(proxy.play(FaultPlan(faults, proxy.plan.share, 0, proxy.plan.seed)))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    try:
        loop.add_reader(sys.stdin.fileno(), line)
    except (OSError, ValueError):  # no standard input, or a file
        pass


def _tell(facts: dict[str, Any], as_json: bool, text: str) -> None:
    click.echo(json.dumps(facts) if as_json else text or "nothing came")


def _list(context: click.Context, wanted: bool) -> None:
    if not wanted or context.resilient_parsing:
        return
    from ..chaos.plan import FAULTS, parse_fault

    for word, about in FAULTS.items():
        number = f" ({about.number})" if about.number else ""
        click.echo(f"{parse_fault(word)!s:<18} {about.what}{number}")
    context.exit()
