"""What options of rules take: a target, conditions, presets, reasons, a time. Not here: the options (mapping.py)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ..kinds import BackendType, FallbackOn
from .common import BackendParam, SecondsParam

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

Target = tuple[BackendType, str, str | None]


class FallbackParam(click.ParamType[Any]):
    """`TYPE[/NAME][=MODEL]`."""

    name = "TYPE[/NAME][=MODEL]"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem[str]]:
        """See click."""
        from .completing import backends

        return backends(ctx, incomplete)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Target:
        if isinstance(value, tuple):
            return value
        backend, sign, model = str(value).partition("=")
        if sign and not model:
            self.fail("there is nothing after '='; leave it out to keep the model's own name", param, ctx)
        backend_type, name = BackendParam().convert(backend, param, ctx)
        return backend_type, name, model or None


class WeightsParam(click.ParamType[Any]):
    """`3,1`."""

    name = "N,N..."

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> list[int]:
        if isinstance(value, list):
            return value
        try:
            return [int(one) for one in str(value).split(",")]
        except ValueError:
            self.fail(
                f"{value!r} is not numbers with commas between; write one a target, such as 3,1", param, ctx
            )


class PresetParam(click.ParamType[Any]):
    """`temperature=0.2`, `top_p?=0.9`."""

    name = "NAME=VALUE"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, Any]:
        from ..conversation.presets import read

        if isinstance(value, tuple):
            return value
        try:
            return read(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


class ReasonParam(click.ParamType[Any]):
    """A reason; stuck may say after how many turns: `stuck=4`."""

    name = "|".join(FallbackOn)

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, int | None]:
        if isinstance(value, tuple):
            return value
        word, sign, number = str(value).partition("=")
        if word not in set(FallbackOn) or (sign and word != FallbackOn.STUCK):
            reasons = ", ".join(f"'{reason}'" for reason in FallbackOn)
            self.fail(f"{value!r} is no reason; write one of: {reasons}, 'stuck=N'", param, ctx)
        if not sign:
            return word, None
        try:
            return word, int(number)
        except ValueError:
            self.fail(f"{number!r} is not a number of turns; write one such as stuck=3", param, ctx)


class ShadowParam(FallbackParam):
    """`local/box=qwen3`, kept as `local/box:qwen3`."""

    name = "local[/NAME][=MODEL]"


class PercentParam(click.ParamType[Any]):
    """`10%`, `10`."""

    name = "PERCENT"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        text = str(value).strip().removesuffix("%")
        if not text.isdecimal():
            self.fail(f"{value!r} is no percentage; write a whole one such as 10%", param, ctx)
        return int(text)


class TimeParam(click.ParamType[Any]):
    """Whole seconds: `1h`, `30m`, `7d`."""

    name = "TIME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        return round(SecondsParam().convert(value, param, ctx))


class ConditionParam(click.ParamType[Any]):
    """`tokens>60000`."""

    name = "CONDITION"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from ..routing.conditions import parse

        try:
            return parse(str(value)).text
        except ValueError as error:
            self.fail(str(error), param, ctx)
