"""`pointsman serve`, once its words have been read: the same process becomes `python -m pointsman.cli.serving OPTIONS
WORDS ...`, which has none of what read them. That is two megabytes for as long as the gateway runs. OPTIONS: a
ServeOptions as JSON; WORDS: what was typed, for whoever lists processes. Not here: what serving is (process/supervisor.py).
"""

from __future__ import annotations

import dataclasses
import errno
import json
import os
import sys
from pathlib import Path
from typing import Any, NoReturn

from ..errors import PointsmanError
from ..process.supervisor import LEAN_PYTHON, ServeOptions, serve

_PATHS = ("data_dir", "unix")


def hand_on(options: ServeOptions) -> NoReturn:
    """Become that process."""
    sys.stdout.flush()
    sys.stderr.flush()
    words = [*LEAN_PYTHON, "-m", "pointsman.cli.serving", as_text(options), *sys.argv[1:]]
    os.execv(words[0], words)  # noqa: S606 - no shell is wanted


def as_text(options: ServeOptions) -> str:
    """For read_options()."""
    values = {one.name: getattr(options, one.name) for one in dataclasses.fields(options)}
    return json.dumps(values, default=os.fspath)


def read_options(text: str) -> ServeOptions:
    """The very options that as_text() was given."""
    values: dict[str, Any] = json.loads(text)
    values |= {name: tuple(one) for name, one in values.items() if isinstance(one, list)}
    values |= {name: Path(values[name]) for name in _PATHS if values[name] is not None}
    return ServeOptions(**values)


def main() -> int:
    """The exit code. What cannot be started is said as the other commands say what they cannot do."""
    options = read_options(sys.argv[1])
    try:
        return serve(options)
    except PointsmanError as error:
        return _failed(error, options.json)
    except KeyboardInterrupt:
        sys.stderr.write("\nAborted!\n")
    except OSError as error:
        if error.errno != errno.EPIPE:  # nobody reads on
            raise
    return 1


def _failed(error: PointsmanError, as_json: bool) -> int:
    from click.exceptions import Exit

    from ..admin.problem import problem_body
    from .common import fail

    try:
        fail(problem_body(error), as_json)
    except Exit as done:
        return done.exit_code


if __name__ == "__main__":
    sys.exit(main())
