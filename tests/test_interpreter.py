"""What a build of Python says of itself: configure lines as builders leave them."""

from __future__ import annotations

import subprocess
import sys

import pytest

from pointsman import interpreter

_O3 = "-DNDEBUG -g -fwrapv -O3 -Wall"


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"OPT": _O3, "CONFIG_ARGS": "'--prefix=/home/a/.pyenv/versions/3.12.1'"}, "--enable-optimizations"),
        ({"OPT": _O3, "CONFIG_ARGS": "'--prefix=/opt/py' '--enable-optimizations' '--with-lto'"}, ""),
        ({"OPT": _O3, "CONFIG_ARGS": "'--enable-shared' '--prefix=/usr' '--with-dtrace'"}, ""),
        ({"OPT": "-g -Og -Wall", "CONFIG_ARGS": "'--prefix=/usr'"}, "-Og"),
        ({"OPT": "-O0", "CONFIG_ARGS": "'--enable-optimizations'"}, "-O0"),
        ({"Py_DEBUG": 1, "OPT": _O3, "CONFIG_ARGS": "'--enable-optimizations'"}, "--with-pydebug"),
        ({"Py_DEBUG": 0, "EXT_SUFFIX": ".cp311-win_amd64.pyd"}, ""),
    ],
    ids=["pyenv", "optimised", "Debian 12", "Og", "O0", "debug", "Windows"],
)
def test_a_build_is_called_unoptimised_where_it_says_so_itself(
    variables: dict[str, object], said: str
) -> None:
    found = interpreter.shortcoming(variables)
    assert (said in found) if said else (found == "")


def test_make_run_hears_of_an_unoptimised_build_only() -> None:
    command = [sys.executable, "-m", "pointsman.interpreter"]
    told = subprocess.run(command, capture_output=True, text=True, check=True)
    assert bool(told.stdout) == ("unoptimised" in interpreter.about())
    assert told.stdout.count("\n") <= 1
    assert (interpreter.about() in told.stdout) or not told.stdout
