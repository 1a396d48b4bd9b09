"""`pointsman serve`, once its words have been read: the same process becomes `python -m pointsman.cli.serving OPTIONS
WORDS ...`, which has none of what read them. That is two megabytes for as long as the gateway runs. OPTIONS: a
ServeOptions as JSON; WORDS: what was typed, for whoever lists processes. Not here: what serving is (process/supervisor.py).
"""

from __future__ import annotations

import errno
import sys

from ..errors import PointsmanError
from ..process.serve_options import read_options
from ..process.supervisor import serve


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
