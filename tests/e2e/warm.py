"""Commands of a person where no gateway runs, each a process of its own with streams and an exit code, forked from one that
has imported what they import: that is nine tenths of such a command's time. Not here: commands that start from nothing
(run_cli), which the tests of one command each use, so that what a command imports by itself is seen too."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from .gateway import POINTSMAN, clean_environment

if TYPE_CHECKING:
    from multiprocessing.context import ForkServerContext


@cache
def _warm() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        ["pointsman.cli.main", "pointsman.admin.app", "pointsman.admin.store.migrations"]
    )
    return context


def _command(streams: list[str], words: list[str], env: dict[str, str]) -> None:
    """Becomes the command: ends in SystemExit, as the installed script does."""
    os.environ.clear()
    os.environ.update(env)
    for number, path in enumerate(streams):
        opened = os.open(path, os.O_RDWR)
        os.dup2(opened, number)
        os.close(opened)
    for number, mode in enumerate("rww"):  # the streams of a program, not those of its forker
        stream = open(number, mode, encoding="utf-8", closefd=False)  # noqa: SIM115
        setattr(sys, ("stdin", "stdout", "stderr")[number], stream)
    sys.argv = words
    from pointsman.cli.main import main

    main()


def run_warm(
    data_dir: Path, *words: str, stdin: str = "", timeout: float = 60
) -> subprocess.CompletedProcess[str]:
    """What run_cli says of the same command."""
    command = [POINTSMAN, *words, "--data-dir", str(data_dir)]
    with tempfile.TemporaryDirectory() as folder:
        streams = [Path(folder, name) for name in ("in", "out", "err")]
        for path, text in zip(streams, (stdin, "", ""), strict=True):
            path.write_text(text)
        process = _warm().Process(
            target=_command, args=([str(path) for path in streams], command, clean_environment())
        )
        process.start()
        process.join(timeout)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise subprocess.TimeoutExpired(command, timeout)
        out, err = (path.read_text() for path in streams[1:])
        code = process.exitcode
        process.close()
        return subprocess.CompletedProcess(command, code, out, err)
