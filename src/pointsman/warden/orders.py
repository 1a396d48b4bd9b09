"""What callers of the warden may say, and what is answered. An order names engines; what they are started with stands in
the data folder alone. Not here: bytes (desk.py), what follows from an order (loop.py).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from ..errors import PointsmanError
from .desk import WardenCaller
from .recipe import NAME

MOST_ENGINES = 256
_MOST_REQUESTS = 10**6


class TakesOrders(Protocol):
    """Whoever carries orders out. Each raises PointsmanError with what to do instead."""

    def declare(self, names: list[str]) -> dict[str, str]: ...
    def want(self, caller: str, name: str, count: int) -> dict[str, Any]: ...
    def heard(self, caller: str, name: str) -> None: ...
    def use(self, caller: str, name: str, count: int) -> None: ...
    def begin(self, name: str) -> None: ...
    def end(self, name: str) -> None: ...
    def states(self) -> list[dict[str, Any]]: ...
    def set_budget(self, bytes_: int | None, share: float | None) -> None: ...
    def facts(self) -> dict[str, Any]: ...
    def log(self, name: str) -> str: ...


class Orders:
    """One method an `op`. An answer goes out where the order had an `id`, and whenever it was not carried out."""

    def __init__(self, told: TakesOrders) -> None:
        self._told = told
        self._ops: dict[str, Callable[[WardenCaller, dict[str, Any]], dict[str, Any]]] = {
            "watch": self._watch,
            "want": self._want,
            "busy": self._busy,
            "heard": self._heard,
            "declare": self._declare,
            "start": self._start,
            "stop": self._stop,
            "list": self._list,
            "budget": self._budget,
            "log": self._log,
        }

    def take(self, caller: WardenCaller, order: dict[str, Any]) -> None:
        """Carry out one order and answer it."""
        answer: dict[str, Any] = {}
        if isinstance(order.get("id"), int | str):
            answer["id"] = order["id"]
        try:
            op = self._ops.get(str(order.get("op")))
            if op is None:
                raise _Unclear(f"op must be one of {', '.join(self._ops)}")
            answer |= {"ok": True, **op(caller, order)}
        except _Unclear as error:
            answer["error"] = str(error)
        except PointsmanError as error:
            answer["error"] = error.public
        if "id" in answer or "error" in answer:
            caller.say(answer)

    def _watch(self, caller: WardenCaller, order: dict[str, Any]) -> dict[str, Any]:
        caller.watching = True
        for state in self._told.states():
            caller.say(state)
        return {}

    def _want(self, caller: WardenCaller, order: dict[str, Any]) -> dict[str, Any]:
        count = _count(order)
        state = self._told.want(caller.name, _name(order), count)
        if count:
            caller.say(state)
        return {}

    def _busy(self, caller: WardenCaller, order: dict[str, Any]) -> dict[str, Any]:
        self._told.use(caller.name, _name(order), _count(order))
        return {}

    def _heard(self, caller: WardenCaller, order: dict[str, Any]) -> dict[str, Any]:
        self._told.heard(caller.name, _name(order))
        return {}

    def _declare(self, caller: WardenCaller, order: dict[str, Any]) -> dict[str, Any]:
        names = order.get("engines")
        if not isinstance(names, list) or len(names) > MOST_ENGINES:
            raise _Unclear(f"engines must be a list of at most {MOST_ENGINES} names")
        return {"problems": self._told.declare([_checked(name) for name in names])}

    def _start(self, caller: WardenCaller, order: dict[str, Any]) -> dict[str, Any]:
        self._told.begin(_name(order))
        return {}

    def _stop(self, caller: WardenCaller, order: dict[str, Any]) -> dict[str, Any]:
        self._told.end(_name(order))
        return {}

    def _list(self, caller: WardenCaller, order: dict[str, Any]) -> dict[str, Any]:
        return {"engines": self._told.states(), **self._told.facts()}

    def _budget(self, caller: WardenCaller, order: dict[str, Any]) -> dict[str, Any]:
        size, share = order.get("bytes"), order.get("share")
        if share is not None and not (_is_number(share) and 0 < share <= 1):
            raise _Unclear("share must be more than 0 and at most 1")
        if size is not None and not (_is_number(size) and size >= 0):
            raise _Unclear("bytes must be a number, 0 for no limit")
        self._told.set_budget(None if size is None else int(size), share)
        return self._told.facts()

    def _log(self, caller: WardenCaller, order: dict[str, Any]) -> dict[str, Any]:
        return {"path": self._told.log(_name(order))}


class _Unclear(Exception):
    """An order that is not understood."""


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 2**63


def _checked(name: object) -> str:
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise _Unclear("an engine's name has up to 64 of a-z, 0-9, '.', '_' and '-'")
    return name


def _name(order: dict[str, Any]) -> str:
    return _checked(order.get("engine"))


def _count(order: dict[str, Any]) -> int:
    count = order.get("count", 1)
    if not isinstance(count, int) or isinstance(count, bool) or not 0 <= count <= _MOST_REQUESTS:
        raise _Unclear("count must be the number of this caller's requests, 0 or more")
    return count
