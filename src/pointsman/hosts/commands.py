"""Which command runs a model that is on the disk: the argument list, how it says that it is ready, its memory.

Standard library only: no engine is imported to say how it is started. Not here: starting it, and commands that a person
writes.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..config import OWN_PYTHON
from ..errors import PointsmanError
from ..kinds import ErrorKind
from ..modelstore.caches import is_repo, snapshot_of
from ..modelstore.files import ModelFiles, gguf_file, mlx_folder
from ..modelstore.memory import MemoryEstimate, estimate

HEALTH_PATH = "/health"
"""Of all of them: 503 while the model is loaded, 200 when it can be asked. Anything else, or the end of the process: it
is dead, and its log's last line says why."""
PORT = "{port}"
SOCKET = "{socket}"
"""Stand in an argument list for what whoever starts it chooses."""
_MLX_REST = 85 * 2**20
"""What the MLX host takes without a model (measured: 87 MB with one of 1 MB); it keeps a second window, of inputs that it
has read before (hosts/mlx.py, --cache-bytes)."""
_MLX, _LLAMA = "mlx_lm", "xllamacpp"
"""Modules of the two extras."""


@dataclass(frozen=True, slots=True)
class HostCommand:
    """How a model is run.

    engine: name of the row that knows how it behaves. program: what is run, for a person. on_port, on_socket: argument
    lists; PORT and SOCKET in them are replaced. sleeps: it gives the model's
    memory back by itself when it is idle, and wakes by itself. window: tokens it will have, None where nobody can tell.
    """

    engine: str
    program: str
    on_port: tuple[str, ...]
    on_socket: tuple[str, ...]
    memory: MemoryEstimate
    window: int | None
    model: str
    sleeps: bool

    def listening_on_port(self, port: int) -> list[str]:
        return [part.replace(PORT, str(port)) for part in self.on_port]

    def listening_on_socket(self, path: str) -> list[str]:
        return [part.replace(SOCKET, path) for part in self.on_socket]


def mlx_command(model: str, *, context: int | None = None, options: tuple[str, ...] = ()) -> HostCommand:
    """For `--mlx PATH_OR_REPO`. model: a folder, or a repository that has been fetched. context: window in tokens, None:
    the model's own. options: further arguments for the host. Raises PointsmanError saying what to install or fetch."""
    files = mlx_folder(_mlx_path(model))
    if not _installed(_MLX):
        raise PointsmanError(ErrorKind.NOT_IMPLEMENTED, "MLX is not installed: pip install 'pointsman[mlx]'")
    window = _window(files, context)
    own = () if context is None else ("--context", str(context))
    base = (
        *OWN_PYTHON,
        "-m",
        "pointsman.hosts.mlx",
        "--model",
        str(files.path),
        "--name",
        _name(model, files.path),
    )
    rest = (*own, *options)
    return HostCommand(
        "mlx_host", "pointsman.hosts.mlx", (*base, "--port", PORT, *rest), (*base, "--socket", SOCKET, *rest),
        estimate(files.weights, files.shape, window, windows=2, rest=_MLX_REST), window, _name(model, files.path), False,
    )  # fmt: skip


def gguf_command(
    path: str, *, context: int | None = None, sleep_idle_seconds: int | None = None, options: tuple[str, ...] = (),
    which: Callable[[str], str | None] = shutil.which,
) -> HostCommand:  # fmt: skip
    """For `--gguf PATH`: llama.cpp's own program where it is on PATH, else the one of `pointsman[llama]`.
    sleep_idle_seconds: after so many it gives the model's memory back, None: never. options: further arguments, of the
    program that is taken. Raises PointsmanError saying what is wrong with the file, or what to install."""
    files = gguf_file(Path(path).expanduser().absolute())
    window = _window(files, context)
    name = files.path.name
    program = which("llama-server")
    on_port: tuple[str, ...]
    on_socket: tuple[str, ...]
    if program is not None:
        base: tuple[str, ...] = (program, "--model", str(files.path), "--alias", name, "--no-webui", "--ctx-size",
                                 str(window or 0), "--parallel", "1")  # fmt: skip
        on_port, on_socket = ("--host", "127.0.0.1", "--port", PORT), ("--host", SOCKET)
        shown = "llama-server"
    elif _installed(_LLAMA):
        base = (*OWN_PYTHON, "-m", "pointsman.hosts.llama", "--gguf", str(files.path), "--name", name, "--ctx",
                str(window or 0))  # fmt: skip
        on_port, on_socket, shown = ("--port", PORT), ("--socket", SOCKET), "pointsman.hosts.llama"
    else:
        raise PointsmanError(
            ErrorKind.NOT_IMPLEMENTED,
            "no llama.cpp is here: pip install 'pointsman[llama]', or put llama-server on PATH",
        )
    sleep = () if sleep_idle_seconds is None else ("--sleep-idle-seconds", str(sleep_idle_seconds))
    rest = (*sleep, *options)
    return HostCommand(
        "llama_cpp", shown, (*base, *on_port, *rest), (*base, *on_socket, *rest),
        estimate(files.weights, files.shape, window), window, name, sleep_idle_seconds is not None,
    )  # fmt: skip


def is_sure_to_sleep(which: Callable[[str], str | None] = shutil.which) -> bool:
    """Does what `gguf_command` takes know how to give its memory back? Ours does; a llama-server of somebody's may be older
    than that option."""
    return which("llama-server") is None and _installed(_LLAMA)


def _mlx_path(model: str) -> Path:
    folder = Path(model).expanduser()
    if folder.is_dir():
        return folder.absolute()
    if not is_repo(model):
        raise PointsmanError(
            ErrorKind.INVALID, f"{model} is neither a folder nor a repository such as ORG/NAME"
        )
    found = snapshot_of(model)
    if found is None:
        raise PointsmanError(ErrorKind.INVALID, f"{model} is not on this disk: pointsman local pull {model}")
    return found


def _name(model: str, folder: Path) -> str:
    """How requests name it: the repository, or the folder's own name."""
    return folder.name if os.path.isdir(os.path.expanduser(model)) else model


def _window(files: ModelFiles, context: int | None) -> int | None:
    own = files.shape.window
    if context is not None and own is not None and context > own:
        raise PointsmanError(
            ErrorKind.INVALID,
            f"{files.path.name} was made for {own} tokens; {context} are more than it can read",
        )
    return context or own


def _installed(module: str) -> bool:
    """Whether this Python has it, without importing it."""
    return importlib.util.find_spec(module) is not None
