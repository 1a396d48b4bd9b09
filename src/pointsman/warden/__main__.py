"""`python -m pointsman.warden`: the warden's process, started by the supervisor. Not here: what it does (loop.py)."""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import fields
from pathlib import Path

from .loop import Warden, WardenOptions
from .resident import Terms


def _terms(said: list[str]) -> Terms:
    """`min_stay=0.5`: fields of Terms that are seconds or numbers."""
    known = {field.name: field.type for field in fields(Terms) if field.name != "back_off"}
    values: dict[str, float | int] = {}
    for text in said:
        name, _, value = text.partition("=")
        if name not in known:
            raise SystemExit(f"--term: {name!r} is not one of {', '.join(known)}")
        values[name] = int(value) if known[name] == "int" else float(value)
    return Terms(**values)  # type: ignore[arg-type]


def main() -> None:
    """Returns when all engines are stopped, or the gateway is gone."""
    parser = argparse.ArgumentParser(prog="pointsman.warden")
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--runtime-dir", required=True)
    parser.add_argument("--life-fd", type=int, required=True)
    parser.add_argument("--beat-fd", type=int)
    parser.add_argument("--budget", type=int, help="bytes for all engines; a share of the memory otherwise")
    parser.add_argument("--term", action="append", default=[], metavar="NAME=VALUE", help="a field of Terms")
    given = parser.parse_args()
    os.umask(0o077)
    for descriptor in filter(None, (given.life_fd, given.beat_fd)):
        os.set_inheritable(descriptor, False)
    os.set_blocking(given.life_fd, False)
    options = WardenOptions(
        given.data_dir, given.runtime_dir, given.life_fd, given.beat_fd, given.budget, _terms(given.term)
    )
    try:
        warden = Warden(options)
    except OSError as error:
        sys.exit(f"pointsman: the warden cannot start ({error})")
    warden.run()


if __name__ == "__main__":
    main()
