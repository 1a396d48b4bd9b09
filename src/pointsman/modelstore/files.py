"""A model on the disk: a folder for MLX, or a GGUF file with its further parts. Its size, its shape, what is missing.

Not here: where models are looked for (places.py).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import PointsmanError
from ..kinds import ErrorKind
from .gguf import BadGguf, read_head
from .memory import ModelShape, shape_of_config, shape_of_gguf

MLX = "mlx"
GGUF = "gguf"
_PART = re.compile(r"(.*)-(\d{5})-of-(\d{5})\.gguf", re.IGNORECASE)
_CONFIG_BYTES = 2**20


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """kind: MLX or GGUF. path: what an engine is given, the folder or the (first) file. files: all that belong to it.
    size: their bytes. weights: bytes of those that are held in memory."""

    kind: str
    path: Path
    files: tuple[Path, ...]
    size: int
    weights: int
    shape: ModelShape


def mlx_folder(folder: Path) -> ModelFiles:
    """A folder with config.json and safetensors. Raises PointsmanError naming what is not there."""
    try:
        with (folder / "config.json").open("rb") as file:
            config: Any = json.loads(file.read(_CONFIG_BYTES))
    except FileNotFoundError:
        raise _bad(f"{folder} has no config.json: it is no folder of an MLX model") from None
    except (OSError, ValueError):
        raise _bad(f"{folder}/config.json cannot be read: fetch the model again") from None
    files = tuple(sorted(one for one in folder.iterdir() if one.is_file()))
    weights = [one for one in files if one.suffix == ".safetensors"]
    absent = sorted(_named_in_index(folder) - {one.name for one in files})
    if not weights or absent:
        raise _bad(
            f"{folder} has not all its weights ({', '.join(absent) or '*.safetensors'}): fetch the model again"
        )
    shape = shape_of_config(config if isinstance(config, dict) else {})
    return ModelFiles(MLX, folder, files, _bytes(files), _bytes(weights), shape)


def _named_in_index(folder: Path) -> set[str]:
    try:
        index = json.loads((folder / "model.safetensors.index.json").read_bytes())
        return {str(name) for name in index["weight_map"].values()}
    except FileNotFoundError:
        return set()
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise _bad(f"{folder}/model.safetensors.index.json cannot be read: fetch the model again") from None


def gguf_file(path: Path) -> ModelFiles:
    """A GGUF file, or the first of several parts. Raises PointsmanError saying what is wrong with it."""
    try:
        with path.open("rb") as file:
            head = read_head(file)
        files = parts_of(path)
        absent = [one.name for one in files if not one.is_file()]
        if absent:
            raise _bad(f"{path} needs {', '.join(absent)} beside it: fetch the model again")
        size = _bytes(files)
    except BadGguf as error:
        raise _bad(f"{path}: {error}") from None
    except OSError as error:
        raise _bad(f"{path} cannot be read: {error.strerror}") from None
    return ModelFiles(GGUF, path, files, size, size, shape_of_gguf(head))


def parts_of(path: Path) -> tuple[Path, ...]:
    """The files of a GGUF model of which this is one: itself, or `NAME-00001-of-0000N.gguf` to the last."""
    found = _PART.fullmatch(path.name)
    if found is None:
        return (path,)
    stem, _, count = found.groups()
    return tuple(
        path.with_name(f"{stem}-{number:05d}-of-{count}.gguf")
        for number in range(1, min(int(count), 999) + 1)
    )


def is_later_part(name: str) -> bool:
    """Whether a GGUF file's name is that of a second or later part, which is no model of its own."""
    found = _PART.fullmatch(name)
    return found is not None and int(found.group(2)) != 1


def _bytes(files: Iterable[Path]) -> int:
    return sum(one.stat().st_size for one in files)


def _bad(text: str) -> PointsmanError:
    return PointsmanError(ErrorKind.INVALID, text)
