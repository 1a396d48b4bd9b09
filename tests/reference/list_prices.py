"""`python -m tests.reference.list_prices` makes the list of prices that comes with the gateway (make prices), from the
genai-prices that this Python, or the folder that is named, has. What is set right in it: ledger/price_files.py.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import msgspec

from pointsman.ledger.price_files import read

FILE = Path(__file__).parents[2] / "src/pointsman/admin/store/list_prices.json"


def plain(value: Any) -> Any:
    """The package's objects in the form of its own data.json."""
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    kind = type(value).__name__
    if kind == "ModelPrice":
        return {name: plain(one) for name, one in vars(value).items() if one is not None}
    if kind in ("ClauseOr", "ClauseAnd"):
        ((name, clauses),) = vars(value).items()
        return {name.rstrip("_"): plain(clauses)}
    if kind in ("dict", "mappingproxy"):
        return {name: plain(one) for name, one in value.items()}
    if hasattr(value, "__dataclass_fields__"):
        return {
            name: plain(one) for name, one in vars(value).items() if one is not None and name != "extractors"
        }
    return value if isinstance(value, int | None) else str(value)


def slim(value: Any) -> Any:
    """Without what a reader fills in: the defaults at the end of each array."""
    if isinstance(value, tuple):
        return [slim(one) for one in value]
    if isinstance(value, dict):
        return {name: slim(one) for name, one in value.items()}
    if not isinstance(value, msgspec.Struct):
        return value
    found = list(msgspec.structs.astuple(value))
    if not value.__struct_config__.array_like:
        return {name: slim(one) for name, one in zip(value.__struct_fields__, found, strict=True)}
    defaults = list(
        msgspec.structs.astuple(type(value)(*found[: len(found) - len(value.__struct_defaults__)]))
    )
    while (
        found
        and len(found) > len(defaults) - len(value.__struct_defaults__)
        and found[-1] == defaults[len(found) - 1]
    ):
        found.pop()
    return [slim(one) for one in found]


def made(day: str) -> bytes:
    package = distribution("genai-prices")
    (licence,) = [one for one in package.files or () if one.name == "LICENSE"]
    providers = [one for one in read(plain(import_module("genai_prices.data").providers), "") if one.models]
    head = {"source": f"genai-prices {package.version}", "day": day, "licence": licence.read_text()}
    lines = [msgspec.json.encode(slim(one)) for one in providers]
    return msgspec.json.encode(head)[:-1] + b',"providers":[\n' + b",\n".join(lines) + b"\n]}\n"


def main() -> None:
    """Arguments: the day of the release, and where genai-prices is if not here."""
    sys.path += sys.argv[2:]
    FILE.write_bytes(made(sys.argv[1]))
    sys.stdout.write(f"{FILE.name}: {FILE.stat().st_size} bytes\n")


if __name__ == "__main__":
    main()
