"""Removing a model from the disk: only what lies inside the folder it was found in, whatever its links point at."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from ..errors import PointsmanError
from ..kinds import ErrorKind
from .files import parts_of
from .places import StoredModel


def find(name: str, models: list[StoredModel]) -> StoredModel:
    """The model of that name, or whose file or folder it is. Raises PointsmanError naming the choices."""
    found = [one for one in models if name in (one.name, str(one.mine))]
    if len(found) == 1:
        return found[0]
    if found:
        choices = ", ".join(f"{one.mine} ({one.place})" for one in found)
        raise PointsmanError(ErrorKind.INVALID, f"{name} is there more than once; name its path: {choices}")
    raise PointsmanError(ErrorKind.NOT_FOUND, f"there is no model {name}; pointsman local models lists them")


def remove(model: StoredModel) -> int:
    """Removes it and returns the bytes that are free now. Raises PointsmanError where it is another program's to do, or
    where it leads out of its folder."""
    if model.remove_with:
        raise PointsmanError(
            ErrorKind.INVALID,
            f"{model.place} keeps its own list of what it has; remove it with: {model.remove_with}",
        )
    if not _inside(model.mine, model.root):
        raise PointsmanError(ErrorKind.INVALID, f"{model.mine} leads out of {model.root}; remove it by hand")
    if model.mine.is_dir():
        shutil.rmtree(model.mine)  # enters no link
        _leave_no_empty(model.mine.parent, model.root)
        return model.size
    freed = sum(_unlink(one, model.root) for one in parts_of(model.mine))
    _leave_no_empty(model.mine.parent, model.root)
    return freed


def _unlink(path: Path, root: Path) -> int:
    """A file, or a cache's link with the blob that it stands for, if no other link does. Returns its bytes."""
    if not path.is_symlink():
        size = path.stat().st_size
        path.unlink()
        return size
    blob = path.resolve()
    path.unlink()
    repository = root / path.relative_to(root).parts[0]
    if not _inside(blob, repository) or not blob.is_file():
        return 0
    snapshots = (
        Path(folder) / name for folder, _, names in os.walk(repository / "snapshots") for name in names
    )
    if any(one.is_symlink() and one.resolve() == blob for one in snapshots):
        return 0
    size = blob.stat().st_size
    blob.unlink()
    return size


def _inside(path: Path, root: Path) -> bool:
    """Below the root by name, and no folder on the way is a link: its own place is inside too."""
    try:
        return (
            path != root
            and path.parent.resolve().is_relative_to(root.resolve())
            and path.is_relative_to(root)
        )
    except OSError:
        return False


def _leave_no_empty(folder: Path, root: Path) -> None:
    while folder != root and folder.is_relative_to(root):
        try:
            folder.rmdir()
        except OSError:
            return
        folder = folder.parent
