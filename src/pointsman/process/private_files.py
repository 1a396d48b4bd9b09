"""Files only their owner may read (keys, tokens, databases): checked like ssh does, written whole or not.

Not here: what is in them.
"""

from __future__ import annotations

import fcntl
import os
import socket
import stat
from contextlib import suppress
from pathlib import Path

from ..errors import PointsmanError
from ..kinds import ErrorKind


def mode_problem(path: Path) -> str | None:
    """Why a secret file or folder that others can reach is not used, with the fix; None when it is fine.
    Raises OSError when it cannot be looked at."""
    info = path.stat()
    if info.st_uid not in (os.geteuid(), 0):
        return f"{path} belongs to another user; run: chown {os.geteuid()} {path}"
    if stat.S_IMODE(info.st_mode) & 0o077:
        mode = "700" if stat.S_ISDIR(info.st_mode) else "600"
        return f"{path} can be read or changed by other users; run: chmod {mode} {path}"
    return None


def private_folder(folder: Path | str) -> None:
    """Only its owner may enter it, whatever the umask made of it. Raises OSError."""
    os.chmod(folder, 0o700)


def private_socket(path: str) -> socket.socket:
    """A Unix socket, bound there in place of whoever left one, that only its owner may connect to: 0600 under
    any umask and from the first moment on. Not listening yet. Raises OSError.
    """
    with suppress(FileNotFoundError):
        if stat.S_ISSOCK(os.lstat(path).st_mode):  # anything else is not ours to remove: bind() refuses
            os.unlink(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with suppress(OSError):  # Linux gives the file the descriptor's mode less the umask; macOS refuses
            os.fchmod(listener.fileno(), 0o600)
        listener.bind(path)
        os.chmod(path, 0o600)
        listener.setblocking(False)
    except BaseException:
        listener.close()
        raise
    return listener


def lock_folder(folder: Path, name: str) -> int | None:
    """The descriptor of the folder's lock file, which is this process's until it is closed; None
    while another has it. The file's time is when it was taken. Makes the folder. Raises
    PointsmanError where it cannot be used.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            lock = os.open(folder / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError:  # a folder that cannot be written now can still be served from
            lock = os.open(folder / name, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise PointsmanError(
            ErrorKind.UNAVAILABLE,
            f"The data folder {folder} cannot be used ({error.strerror}); choose another with --data-dir.",
        ) from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        return None
    with suppress(OSError):
        os.utime(lock)  # whoever waits sees by it that this is another one's turn
    return lock


def write_new(path: Path, text: str) -> None:
    """Make a 0600 file that must not exist yet. A crash leaves none or a whole one. Raises OSError."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.link(temporary, path)  # unlike a rename, never replaces
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)


def write_over(path: Path, text: str) -> None:
    """Make a 0600 file, or replace one. A crash leaves the old or the new one, whole. Raises OSError."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    write_new(temporary, text)
    try:
        replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def replace(source: Path, target: Path) -> None:
    """One rename, on disk when this returns. Raises OSError."""
    os.replace(source, target)
    sync_folder(target.parent)


def sync_folder(folder: Path) -> None:
    """Makes a new name or a rename survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
