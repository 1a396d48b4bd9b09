"""Which Python runs, and whether its build says that it was made without optimisation: it then costs a request up to half
as much again. For `version`, `doctor` and, by `python -m pointsman.interpreter`, `make run`.

Not here: which Python is taken where there are several (set_up.py measures them; no flag tells it of all builds).
"""

from __future__ import annotations

import platform
import sys
import sysconfig
from collections.abc import Mapping

_DISTRIBUTION = "'--prefix=/usr'"
"""Debian 12 profiles its own way, and its configure line does not say so: of such a build nothing is known."""


def shortcoming(variables: Mapping[str, object]) -> str:
    """Of `sysconfig.get_config_vars()`: in what the build falls short; "" where nothing says that it does.

    `--enable-optimizations`, which CPython's "Configure Python" page recommends "for best performance", is off unless a
    builder asks for it: version managers that compile do not.
    """
    if variables.get("Py_DEBUG"):
        return "made with --with-pydebug"
    flags = str(variables.get("OPT") or "").split()
    if slow := next((flag for flag in flags if flag in ("-O0", "-Og")), ""):
        return f"compiled with {slow}"
    configured = str(variables.get("CONFIG_ARGS") or "")  # "" on Windows, where every build is profiled
    if configured and _DISTRIBUTION not in configured and "--enable-optimizations" not in configured:
        return "made without --enable-optimizations"
    return ""


def about() -> str:
    """In words, for a person."""
    found = shortcoming(sysconfig.get_config_vars())
    name = f"{platform.python_implementation()} {platform.python_version()}"
    return f"{name}, an unoptimised build ({found})" if found else name


def main() -> None:
    """Says nothing of a build that has no known shortcoming."""
    if shortcoming(sysconfig.get_config_vars()):
        sys.stdout.write(f"{about()}; where a faster one is here, `make clean run` takes it.\n")


if __name__ == "__main__":
    main()
