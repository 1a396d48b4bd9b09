"""How numbers and moments are written on pages. Pure. Unknown is a dash, and zero is only written for zero."""

from __future__ import annotations

from datetime import UTC, datetime

from markupsafe import Markup, escape

NONE = "—"


def ms(value: float | None) -> str:
    """A duration in milliseconds: `240 ms`, `3.11 s`, `14.6 s`, `3 min 20 s`."""
    if value is None:
        return NONE
    if value < 999.5:
        return f"{value:.0f} ms" if value >= 10 or value == 0 else f"{value:.1f} ms"
    seconds = value / 1000
    if seconds < 9.995:
        return f"{seconds:.2f} s"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    return span(seconds)


def span(seconds: float | None) -> str:
    """A longer time: `40 s`, `3 min 20 s`, `2 h 5 min`, `3 d 4 h`."""
    if seconds is None:
        return NONE
    whole = round(seconds)
    for size, unit, small, below in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            rest = whole % size // small
            return f"{whole // size} {unit}" + (f" {rest} {below}" if rest else "")
    return f"{whole} s"


def count(value: float | None) -> str:
    """A whole number, in groups of three: `3,412`."""
    return NONE if value is None else f"{value:,.0f}"


def tokens(value: float | None) -> str:
    """Short above ten thousand: `4,180`, `31.2k`, `8.4M`."""
    if value is None or value < 10_000:
        return count(value)
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size * 0.9995:
            return f"{value / size:.1f}{unit}"
    return count(value)


def money(value: float | None) -> str:
    """US dollars: `$3.18`, four more digits below a cent, `0` only for nothing at all."""
    if value is None:
        return NONE
    if value == 0:
        return "0"
    sign, size = ("-" if value < 0 else ""), abs(value)
    if size >= 0.995:
        return f"{sign}${size:,.2f}"
    return f"{sign}${size:.4f}" if size >= 0.00005 else f"{sign}<$0.0001"


def share(part: float, whole: float) -> str:
    """Per cent; 0 and 100 only where it is none and all."""
    if whole <= 0:
        return NONE
    value = 100 * part / whole
    if part == whole or part == 0:
        return f"{value:.0f} %"
    return "<1 %" if value < 1 else ">99 %" if value > 99 else f"{value:.0f} %"


def size(value: float | None) -> str:
    """Bytes: `4.1 GB`."""
    if value is None:
        return NONE
    for unit in ("bytes", "KB", "MB", "GB"):
        if value < 1000 or unit == "GB":
            return f"{value:,.0f} {unit}" if unit == "bytes" or value >= 100 else f"{value:.1f} {unit}"
        value /= 1000
    raise AssertionError


def protocol(value: str) -> str:
    """A protocol as people call it: `openai_chat` is Chat."""
    return value.rpartition("_")[2].capitalize()


_NOUNS = {
    "mapping": ("rule", "rules"), "credential": ("provider", "providers"), "local": ("local server", "local servers"),
    "group": ("group of keys", "groups of keys"), "key": ("client key", "client keys"),
}  # fmt: skip
"""What the pages call a noun of the command line, one and many."""


def noun(name: str, many: int = 1) -> str:
    """A noun of the command line (store/nouns.py) as the pages say it: a `mapping` is a rule."""
    one, more = _NOUNS.get(name, (name, f"{name}s"))
    return one if many == 1 else more


def moment(at: datetime | float | None, form: str = "time") -> Markup | str:
    """A `<time>` that the browser makes local (static/time.js). at: aware, or unix seconds. form: `time` (14:28:51),
    `short` (14:28), `day` (1 Nov 2026), `full`, `ago` (28 min ago)."""
    if at is None:
        return NONE
    when = at.astimezone(UTC) if isinstance(at, datetime) else datetime.fromtimestamp(at, UTC)
    stamp = when.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    shown = {"time": "%H:%M:%S", "short": "%H:%M", "day": "%Y-%m-%d"}.get(form, "%Y-%m-%d %H:%M:%S") + " UTC"
    text = when.strftime(shown if form != "day" else "%Y-%m-%d")
    return Markup('<time datetime="{}" data-form="{}">{}</time>').format(escape(stamp), form, text)
