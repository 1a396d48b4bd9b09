"""The lock of a data folder, the folder of sockets, and what a gateway that was killed left of both. Not here: what is done
under the lock."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from ..config import LOCK_FILE
from ..errors import PointsmanError
from ..kinds import ErrorKind
from .private_files import lock_folder, private_folder

ORPHAN_SECONDS = 20.0
"""For so long the processes of a killed gateway are waited for."""
SOCKETS_PREFIX = "pointsman-"
"""Of the name of the folder of sockets."""


def take_lock(data_dir: Path) -> tuple[int, bool]:
    """The exclusive lock of a data folder, held while the gateway lives, and whether the one before was killed."""
    until = time.monotonic() + ORPHAN_SECONDS
    while (lock := lock_folder(data_dir, LOCK_FILE)) is None:
        if time.monotonic() > until or not _orphans_end(data_dir):
            break
        time.sleep(0.05)
    if lock is None:
        raise PointsmanError(
            ErrorKind.CONFLICT,
            f"another gateway or command is using {data_dir}; stop it, or give this one its own --data-dir",
        )
    return lock, _clear_away(lock)


def _orphans_end(data_dir: Path) -> bool:
    """Is the lock held by what a killed gateway left, which ends by itself in a moment (parent.py)?"""
    try:
        pid = int((data_dir / LOCK_FILE).read_text().split("\n", 1)[0])
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except (OSError, ValueError):
        pass
    return False


def sign(lock: int, runtime_dir: str) -> None:
    """Whose lock it is, and where its sockets are: for whoever comes after a kill -9."""
    with suppress(OSError):
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()}\n{runtime_dir}\n".encode(), 0)


def _clear_away(lock: int) -> bool:
    """Remove the sockets of a gateway that was killed. Was there one?"""
    with suppress(OSError):
        _, _, rest = os.pread(lock, 4096, 0).decode("utf-8", "replace").partition("\n")
        folder = Path(rest.partition("\n")[0])
        if folder.name.startswith(SOCKETS_PREFIX) and folder.is_absolute() and not folder.is_symlink():
            shutil.rmtree(folder, ignore_errors=True)
            return True
    return False


def runtime_folder() -> str:
    """A new folder for the sockets between the processes, this user's alone."""
    try:
        folder = tempfile.mkdtemp(prefix=SOCKETS_PREFIX, dir=_short_folder())
        private_folder(folder)
    except OSError as error:
        raise PointsmanError(
            ErrorKind.UNAVAILABLE,
            f"no temporary folder can be written ({error.strerror}); set TMPDIR to one that can, with a short path",
        ) from None
    return folder


def _short_folder() -> str | None:
    """Where the runtime folder goes: Unix socket paths must stay below about 100 bytes."""
    folder = os.environ.get("XDG_RUNTIME_DIR")
    if folder and len(folder) < 40 and os.access(folder, os.W_OK):
        return folder
    return "/tmp" if len(tempfile.gettempdir()) > 60 else None  # noqa: S108 -- mkdtemp makes it 0700
