"""What the API's shapes are made with: strict input, answers without checks, patches of what can be
changed.

A column is declared once, in tables.py; schemas.py makes each shape from that by inheritance and by
the two decorators here. Not here: any column.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import reduce
from inspect import get_annotations
from operator import or_
from types import NoneType, UnionType
from typing import Annotated, Any, TypeAlias, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, BeforeValidator, Field, ValidationInfo, create_model
from pydantic.json_schema import SkipJsonSchema
from sqlmodel import SQLModel

Shape = TypeVar("Shape", bound=BaseModel)

_Null: TypeAlias = SkipJsonSchema[None]
"""What no schema shows: a null is taken only to be refused in words of ours."""


class Input(SQLModel):
    """An unknown field is an error, never dropped. Errors do not quote what was sent: it may be
    a key.
    """

    model_config = {"extra": "forbid", "hide_input_in_errors": True, "from_attributes": False}


class Output(SQLModel):
    """Built from a row field by field; never the row itself."""

    model_config = {"from_attributes": True}


def unchecked(shape: type[Shape]) -> type[Shape]:
    """Class decorator for an answer: its fields keep their types and defaults and lose their
    checks.

    A row that was edited by hand must be shown as it stands; refusing it would hide the whole list.
    """
    fields: dict[str, Any] = {
        name: (_bare(info.annotation), Field(**_default(info))) for name, info in shape.model_fields.items()
    }
    return _remade(shape, fields)


def patch_of(whole: type[BaseModel], without: Collection[str] = ()) -> Callable[[type[Shape]], type[Shape]]:
    """Class decorator for a PATCH: it gets each field of `whole`, with its checks, and each may be
    left out.

    An explicit null is refused where the field cannot be empty. Read it by
    `model_dump(exclude_unset=True)`.
    """

    def decorated(shape: type[Shape]) -> type[Shape]:
        fields: dict[str, Any] = {}
        for name, info in whole.model_fields.items():
            if name in without:
                continue
            kind = _declared(whole, name)
            if NoneType not in get_args(info.annotation):
                kind = Annotated[kind | _Null, BeforeValidator(_refuse_null)]
            # a factory: the API's document must not say that null is what a field left out becomes
            fields[name] = (kind, Field(default_factory=_left_out, repr=info.repr))
        return _remade(shape, fields)

    return decorated


def with_fields(fields: Mapping[str, Any]) -> Callable[[type[Shape]], type[Shape]]:
    """Class decorator for a shape that has these fields too: name -> (type, default), as
    `create_model` takes them.
    """
    return lambda shape: _remade(shape, fields)


def shown(shape: type[Shape], row: SQLModel, more: Mapping[str, Any]) -> Shape:
    """An answer of a row's own columns and these other fields."""
    own = {name: getattr(row, name) for name in shape.model_fields if name not in more}
    return shape.model_validate({**own, **more})


def _remade(shape: type[Shape], fields: Mapping[str, Any]) -> type[Shape]:
    return create_model(
        shape.__name__, __base__=shape, __module__=shape.__module__, __doc__=shape.__doc__, **fields
    )


def _default(info: Any) -> dict[str, Any]:
    if info.default_factory is not None:
        return {"default_factory": info.default_factory}
    return {} if info.is_required() else {"default": info.default}


def _left_out() -> None:
    return None


def _refuse_null(value: object, info: ValidationInfo) -> object:
    if value is None:
        raise ValueError(f"{info.field_name} cannot be null; leave it out to keep it")
    return value


def _declared(shape: type[BaseModel], name: str) -> Any:
    """The field's type as its class says it, checks included."""
    owner = next(one for one in shape.__mro__ if name in get_annotations(one))
    return get_annotations(owner, eval_str=True)[name]


def _bare(kind: Any) -> Any:
    """The type without what `Annotated` says about it, also inside unions and lists."""
    origin, inside = get_origin(kind), get_args(kind)
    if origin is None:
        return kind
    if origin is Annotated:
        return _bare(inside[0])
    bare = tuple(map(_bare, inside))
    return reduce(or_, bare) if origin in (Union, UnionType) else origin[bare]
