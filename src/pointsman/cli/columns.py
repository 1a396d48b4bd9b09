"""A row's columns as options: each is declared once in its noun's table, and `add`, `update` and
`set` take their options and build the request's body from it.

Not here: the tables (mapping.py, local.py, credential.py), and what a value may be (the API says
that).
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import KW_ONLY, dataclass
from enum import Enum
from typing import Any

import click

from ..kinds import BACKEND_PROTOCOLS

Body = dict[str, Any]
Command = Callable[..., None]


class Verb(Enum):
    """What a command does with the columns that it is given."""

    ADD = "add"  # makes a row: what is not named has the API's default
    SET = "set"  # makes or replaces one, and can empty a column
    UPDATE = "update"  # changes what is named; switches go both ways


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a noun's table.

    option: as it is typed. field: the API's name. add, update: the help text in that command ("" =
    none), None = that command does not take it; `set` takes what `add` takes. kind: what click
    makes of the text, bool = a switch. alone: what the option says without a value. many:
    repeatable. required, default: in `add`. clear: the switch that empties the column, and its
    help. blank_clears: '' empties it in `update`. body: what a value puts into the request, None
    or () = empty it. summary: what a list of rows says of
    a value in its last column. sentence: what `explain` says of it, None = nothing.
    """

    option: str
    field: str
    add: str | None = None
    update: str | None = None
    _: KW_ONLY
    kind: Any = str
    metavar: str | None = None
    alone: Any = None
    many: bool = False
    required: bool = False
    default: Any = None
    clear: tuple[str, str] | None = None
    blank_clears: bool = False
    body: Callable[[Any], Body] | None = None
    summary: Callable[[Any], Iterable[str]] | None = None
    sentence: Callable[[Any], str | None] | None = None

    def help(self, verb: Verb) -> str | None:
        return self.update if verb is Verb.UPDATE else self.add

    def options(self, verb: Verb) -> Iterable[Callable[[Command], Command]]:
        """What click shows and reads."""
        text = self.help(verb)
        if text is None:
            return
        if self.kind is bool:
            both = verb is not Verb.ADD and self.clear is None and "/" not in self.option
            flags = f"{self.option}/--no-{self.option[2:]}" if both else self.option
            yield click.option(flags, self.field, is_flag=True, default=None, help=text or None)
        else:
            first: dict[str, Any] = {}
            if self.alone is not None:
                first |= {"is_flag": False, "flag_value": self.alone}
            if verb is not Verb.UPDATE:
                first |= {"required": self.required}
                if self.default is not None:
                    first |= {"default": self.default, "show_default": True}
            yield click.option(
                self.option,
                self.field,
                type=self.kind,
                metavar=self.metavar,
                multiple=self.many,
                help=text or None,
                **first,
            )
        if self.clear is not None and verb is not Verb.ADD:
            switch, what = self.clear
            yield click.option(switch, f"no_{self.field}", is_flag=True, help=what)

    def fields(self, value: Any) -> Body:
        """The part of the request's body that this value is. None or (): the column is emptied."""
        if self.body is not None:
            return self.body(value)
        return {self.field: list(value) if self.many else value}


def takes(columns: Sequence[Column], verb: Verb, besides: str = "") -> Callable[[Command], Command]:
    """Gives a command the columns' options; it gets what they say as `body`. Put it above
    `with_options`. besides: an argument of it that can be all that is changed.
    """

    def decorated(command: Command) -> Command:
        @functools.wraps(command)
        def wrapped(**given: Any) -> None:
            body = _body(columns, verb, given)
            if verb is Verb.UPDATE and not body and not given.get(besides):
                raise click.UsageError(f"nothing to change; see {_name()} --help")
            command(body=body, **given)

        made: Command = wrapped
        for option in reversed([one for column in columns for one in column.options(verb)]):
            made = option(made)
        return made

    return decorated


def _body(columns: Sequence[Column], verb: Verb, given: dict[str, Any]) -> Body:
    """Takes the columns' values out of what click read."""
    named: list[tuple[Column, Any]] = []
    for column in columns:
        if column.help(verb) is None:
            continue
        value, clear = given.pop(column.field), given.pop(f"no_{column.field}", False)
        if clear and value not in (None, ()):
            assert column.clear is not None
            raise click.UsageError(f"{column.option} and {column.clear[0]} exclude each other")
        if value == "" and column.blank_clears and verb is Verb.UPDATE:
            value, clear = None, True
        if clear or value not in (None, ()):
            named.append((column, value))
    body: Body = {}
    for column, value in named:  # only now: some ask for a key
        body |= column.fields(value)
    return body


def _name() -> str:
    context = click.get_current_context()
    noun = context.parent.info_name if context.parent is not None else ""
    return f"pointsman {noun} {context.info_name}"


def summary(columns: Sequence[Column], row: dict[str, Any]) -> str:
    """What the columns that say something in a list say of this row, in their order."""
    parts: list[str] = []
    for column in columns:
        if column.summary is not None:
            parts += column.summary(row[column.field])
    return " ".join(parts)


def sentences(columns: Sequence[Column], row: dict[str, Any]) -> Iterator[str]:
    """What the columns say of this row in `explain`."""
    for column in columns:
        text = column.sentence(row[column.field]) if column.sentence is not None else None
        if text is not None:
            yield text


DIALECT = Column(
    "--dialect", "dialects", "A protocol it speaks; repeatable.", "",
    kind=click.Choice([protocol.value for protocol in BACKEND_PROTOCOLS]), many=True,
    clear=("--no-dialect", "Go back to what is usual there, and what it answers to a try."),
    body=lambda values: {"dialects": list(values) if values else None},
)  # fmt: skip
"""Credentials and local servers have it; without it protocols are tried."""

_AT_ONCE = "Send it so many requests at once, over all processes of --workers; more wait in a queue."
MAX_IN_FLIGHT = Column(
    "--max-in-flight", "max_in_flight", _AT_ONCE, _AT_ONCE, kind=click.IntRange(1, 10_000), metavar="N",
    clear=("--no-max-in-flight", "Go back to the gateway's own limit."),
)  # fmt: skip
"""Both have this one, too."""

_UNSAID = "Its streams never say why they end: take their last word alone as the end, not as a cut."
SILENT_END = Column("--silent-end", "silent_end", _UNSAID, _UNSAID, kind=bool)
"""And this."""

_WAY = (
    "Reach it by this proxy: http://, https://, socks5:// or socks5h://HOST:PORT; none: straight;"
    " inherit, the default: as HTTPS_PROXY, ALL_PROXY and NO_PROXY say."
)
PROXY = Column(
    "--proxy", "proxy", _WAY, _WAY, metavar="URL|none|inherit",
    body=lambda value: {"proxy": None if value == "inherit" else value},
)  # fmt: skip
_TRUST = "Trust the certificates in this PEM file for it, and no others (in place of the system's)."
CA_FILE = Column(
    "--ca-file", "ca_file", _TRUST, _TRUST, metavar="PATH",
    clear=("--system-ca", "Go back to the system's authorities."),
    body=lambda value: {"ca_file": value and os.path.abspath(os.path.expanduser(value))},
)  # fmt: skip
"""How it is reached, and who may sign for it: both have these, too."""


def way(row: Body) -> str | None:
    """What a list says of these."""
    said = [f"proxy {row['proxy']}"] if row.get("proxy") else []
    return ", ".join([*said, f"CA {row['ca_file']}"] if row.get("ca_file") else said) or None
