"""What the supervisor tells a process that it starts, in words like `--worker 1`. Read without argparse, which would take
0.4 MB of each process for good. Not here: what people type (cli/).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar, get_origin

import msgspec
from msgspec.structs import fields

Orders = TypeVar("Orders", bound=msgspec.Struct)


def orders(kind: type[Orders], words: Iterable[str]) -> Orders:
    """kind: its field `some_name` is said by `--some-name VALUE`; a tuple's once for each value; a bool by the word alone,
    which makes it true. Raises ValueError of words that say something else."""
    known = {f"--{field.name.replace('_', '-')}": field for field in fields(kind)}
    told: dict[str, Any] = {}
    rest = iter(words)
    for word in rest:
        field = known.get(word)
        if field is None:
            raise ValueError(f"{word} is no option of this process, but: {', '.join(known)}")
        if field.type is bool:
            told[field.name] = True
            continue
        value = next(rest, None)
        if value is None:
            raise ValueError(f"{word} comes without its value")
        if get_origin(field.type) is tuple:
            told.setdefault(field.name, []).append(value)
        else:
            told[field.name] = value
    # what does not fit is a ValueError of msgspec's, with the place; a Path is what it does not know
    return msgspec.convert(told, kind, strict=False, dec_hook=lambda known, value: known(value))
