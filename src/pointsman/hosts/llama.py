"""`python -m pointsman.hosts.llama --gguf FILE --port N`: llama.cpp's own HTTP server, from a wheel, as a child process.

All its paths and words are llama.cpp's (`/health` 503 while it loads). Ours are the life line, exit codes and last line.
Not here: which is taken where `llama-server` is installed too (commands.py). The only module that imports xllamacpp.
"""

from __future__ import annotations

import argparse
import os
import signal
from pathlib import Path
from typing import Any, NoReturn

from ..errors import PointsmanError
from ..modelstore.files import ModelFiles, gguf_file
from . import life, wire

_STEP = 512
"""Tokens of an input that are read between two looks at the client (llama.cpp's own is 2,048): it may have left."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m pointsman.hosts.llama", description=__doc__)
    parser.add_argument(
        "--gguf", required=True, type=Path, help="the model's file, or the first of its parts"
    )
    parser.add_argument("--name", help="how requests name it (default: the file's name)")
    parser.add_argument(
        "--ctx", type=int, default=0, help="window of an answer in tokens (0: the model's own)"
    )
    parser.add_argument(
        "--parallel", type=int, default=1, help="answers made at once, each with a window of its own"
    )
    parser.add_argument(
        "--sleep-idle-seconds", type=int, default=-1, help="give the memory back after so many idle ones"
    )
    parser.add_argument("--mmproj", type=Path, help="the file that lets the model see pictures")
    parser.add_argument("--embeddings", action="store_true", help="serve an embedding model")
    life.add_listener(parser)
    options = parser.parse_args()
    life.hold_life_line(options)
    os.umask(0o077)  # its socket is its user's alone
    life.listen(options).close()  # llama.cpp does not tell a port that is taken from a bad file
    if options.socket:
        wire.clear_socket(options.socket)
    try:
        files = gguf_file(options.gguf)
    except PointsmanError as error:
        life.fatal(life.NO_MODEL, error.public)
    _serve(options, files)


def _serve(options: argparse.Namespace, files: ModelFiles) -> NoReturn:
    """Loads and serves for good; the process ends where that fails."""
    try:
        from xllamacpp import Server
    except ImportError as error:
        life.fatal(life.NO_MODEL, f"{error}: pip install 'pointsman[llama]'")
    try:
        server = Server(_params(options, files))
    except RuntimeError as error:
        life.fatal(life.NO_MODEL, f"cannot load {files.path}: {error} (llama.cpp's lines above say why)")
    life.say_listening(server.listening_address)
    while True:
        signal.pause()


def _params(options: argparse.Namespace, files: ModelFiles) -> Any:
    from xllamacpp import CommonParams

    params = CommonParams()
    params.model.path = str(files.path)
    params.model_alias = {options.name or files.path.name}
    params.hostnames = [options.socket or "127.0.0.1"]
    params.port = options.port or 0
    params.n_parallel = options.parallel
    params.n_ctx = (options.ctx or files.shape.window or 0) * options.parallel
    params.sleep_idle_seconds = options.sleep_idle_seconds
    params.endpoint_slots = params.endpoint_props = True
    params.ui = False
    params.cors_origins = ""  # no web page may ask
    if options.embeddings:
        params.embedding = True
    else:
        params.n_batch = _STEP
    if options.mmproj is not None:
        params.mmproj.path = str(options.mmproj)
    return params


if __name__ == "__main__":
    main()
