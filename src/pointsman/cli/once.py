"""Commands whose options that take one value are given once: click keeps the last of several and says nothing of the others.

Not here: options that may be repeated (`multiple=True`), which are.
"""

from __future__ import annotations

import click


class Command(click.Command):
    """Refuses what is given twice, with exit code 2."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """See click."""
        _refuse_twice(self, ctx, args)
        return super().parse_args(ctx, args)


class Group(click.Group):
    """A group of such commands, with options of its own that are given once, too."""

    command_class = Command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """See click."""
        _refuse_twice(self, ctx, args)
        return super().parse_args(ctx, args)


def _refuse_twice(command: click.Command, ctx: click.Context, args: list[str]) -> None:
    if ctx.resilient_parsing:  # a shell completes what is not whole yet
        return
    _, _, order = command.make_parser(ctx).parse_args(args=list(args))
    seen: set[str] = set()
    for param in order:
        if isinstance(param, click.Option) and not (param.multiple or param.count or param.is_flag):
            if param.opts[0] in seen:
                raise click.UsageError(_twice(command, param), ctx)
            seen.add(param.opts[0])


def _twice(command: click.Command, param: click.Option) -> str:
    text = f"{param.opts[0]} is given twice, and takes one value."
    others = [one for one in command.params if isinstance(one, click.Option) and one.multiple]
    if others:
        text += f" What may be repeated: {', '.join(one.opts[0] for one in others)}."
    return text
