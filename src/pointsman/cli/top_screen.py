"""How a frame of `pointsman top` looks, in a terminal of any size, with and without colours.

Not here: what is in it (top_frame.py).
"""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from .common import Row, printable, sized
from .top_frame import Frame, seconds_since
from .usage import dollars

_COLOURS = {
    "works": "green", "busy": "yellow", "starting": "yellow", "failing": "red", "down": "red", "refused": "red",
    "unusable": "red",
}  # fmt: skip
_AROUND = 6
"""Lines of the two lists that are no row: an empty one, headings, how many more there are."""
_MOST = 200
"""Rows of a list where nothing bounds them."""


def screen(frame: Frame | None, away: str, width: int, height: int | None) -> Group:
    """frame: the last one there was. away: why there is no newer one. width, height: of the terminal; None = any number of
    lines."""
    parts: list[Text | Table] = [_line("away", away, "red")] if away else []
    if frame is None:
        return Group(*parts)
    parts += _head(frame)
    told = [*frame.status["problems"], *frame.trouble]
    parts += [_line("degraded", problem, "red") for problem in told[:3]]
    room = _MOST if height is None else max(4, height - _AROUND - len(parts))
    backends, requests = _shares(room, len(frame.backends), len(frame.running["requests"]))
    parts += [Text(""), *_backends(frame.backends, backends, width)]
    parts += [Text(""), *_requests(frame.running, requests, width)]
    return Group(*parts)


def plain_screen(frame: Frame, width: int) -> str:
    """For a pipe: no colours, nothing cut off below."""
    console = Console(width=width, color_system=None, highlight=False)
    with console.capture() as found:
        console.print(screen(frame, "", width, None))
    return "\n".join(line.rstrip() for line in found.get().splitlines())


def _shares(room: int, backends: int, requests: int) -> tuple[int, int]:
    """How many rows of each are shown: what one does not need is the other's."""
    half = room // 2
    first = min(backends, max(half, room - requests))
    return first, min(requests, room - first)


def _line(word: str, said: str, colour: str = "") -> Text:
    text = Text(no_wrap=True, overflow="ellipsis")
    text.append(f"{word:<9}", style=colour or "bold")
    text.append(printable(said))
    return text


def _head(frame: Frame) -> Iterator[Text]:
    status = frame.status
    state = "ready" if status["ready"] else "degraded"
    up = _span(seconds_since(status["started_at"]))
    yield _line("Pointsman", f" {status['version']} at {status['url'] or '-'}, {state}, up {up}")
    minute, today = frame.minute, frame.today
    speed = frame.tokens_a_second
    said = "not known" if minute is None else f"{minute['requests']} requests, {minute['failed']} failed"
    yield _line(
        "minute", said + (", no tokens told" if speed is None else f", {speed:.1f} output tokens a second")
    )
    yield _line("today", "not known" if today is None else _money(today))
    size, times = (
        sum(row["sent_bytes"] or 0 for row in frame.left),
        sum(row["attempts"] for row in frame.left),
    )
    where = ", ".join(dict.fromkeys(row["backend"] for row in frame.left))
    yield _line(
        "left", f"{sized(size)} left this machine today, in {times} requests to {where}" if times else _NONE
    )


_NONE = "nothing left this machine today"


def _money(today: Row) -> str:
    said = f"{today['requests']} requests, {dollars(today['cost'] or 0.0)}"
    if today["unpriced"]:
        said += f" + {today['unpriced']} unknown"
    return said + (f", saved {dollars(today['saved'])}" if today["saved"] else "")


_WIDE = frozenset({"backend", "model", "target", "request", "last failure"})
_NARROW = 72
"""Columns; below them a list is shown by fewer headings."""
_LEFT_OUT = frozenset({"queued", "last failure", "request", "try", "output", "client"})


def _list(
    rows: list[dict[str, str | Text]], headings: tuple[str, ...], width: int, rest: int
) -> Iterator[Text | Table]:
    """rows: a text by heading. rest: rows that are not shown."""
    shown = [name for name in headings if width >= _NARROW or name not in _LEFT_OUT]
    table = Table(box=None, expand=True, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for name in shown:
        table.add_column(name, no_wrap=True, overflow="ellipsis", ratio=1 if name in _WIDE else None)
    for row in rows:
        table.add_row(*(row[name] for name in shown))
    yield table
    if rest > 0:
        yield Text(f"and {rest} more", style="dim")


def _backends(rows: list[Row], most: int, width: int) -> Iterator[Text | Table]:
    if not rows:
        yield Text("no backend yet; only the practice model answers")
        return
    troubled_first = sorted(rows, key=lambda one: (one["state"] not in _TROUBLED, -one["in_flight"]))
    shown: list[dict[str, str | Text]] = [
        {
            "backend": printable(row["key"]),
            "state": Text(row["state"], style=_COLOURS.get(row["state"], "")),
            "running": str(row["in_flight"]),
            "queued": str(row["queued"]),
            "last failure": _failure(row),
        }
        for row in troubled_first[:most]
    ]
    yield from _list(
        shown, ("backend", "state", "running", "queued", "last failure"), width, len(rows) - most
    )


_TROUBLED = frozenset({"failing", "down", "refused", "unusable"})


def _failure(row: Row) -> str:
    ago = seconds_since(row["last_failure"])
    return "-" if ago is None else printable(f"{_span(ago)} ago: {row['last_reason'] or 'it failed'}")


def _requests(running: Row, most: int, width: int) -> Iterator[Text | Table]:
    if not running["count"]:
        yield Text("nothing runs now")
        return
    shown: list[dict[str, str | Text]] = [
        {
            "request": printable(row["id"]),
            "since": _span(seconds_since(row["at"])),
            "model": printable(row["model"] or None),
            "target": printable(row["target"]),
            "try": printable(row["attempt"] or None),
            "output": "yes" if row["output"] else "not yet",
            "client": printable(row["client"] or None),
        }
        for row in running["requests"][:most]
    ]
    headings = ("request", "since", "model", "target", "try", "output", "client")
    yield from _list(shown, headings, width, running["count"] - len(shown))


def _span(seconds: float | None) -> str:
    """`12 s`, `3 min`, `5 h`, `2 d`."""
    if seconds is None:
        return "-"
    for unit, size in _UNITS:
        if seconds >= size:
            return f"{seconds // size:.0f} {unit}"
    return f"{seconds:.0f} s"


_UNITS = (("d", 86400), ("h", 3600), ("min", 60))
