"""What models are on this disk, in the folders where the usual programs put them.

Each place is a row: a name, its folder, how its models are found. Not here: removing (removal.py), fetching (pull.py).
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import PointsmanError
from .caches import hub_cache, repo_of, snapshots_of
from .files import ModelFiles, gguf_file, is_later_part, mlx_folder

_QUANTISATION = re.compile(
    r"(?:^|[-._])((?:I?Q\d\w*|BF16|F16|F32|MXFP4\w*))(?=[-.]|$)", re.IGNORECASE | re.ASCII
)
_DEEP = 4
_MANY = 2000
"""How deep and how many entries are looked at in a folder that people sort themselves."""


@dataclass(frozen=True, slots=True)
class StoredModel:
    """name: how commands call it. place: which program's folder it is in. root: that folder. files: None where it is not
    complete (`paused`) or cannot be read (`problem` says why). mine: the entry in `root` that holds it. remove_with: the
    command by which its own program removes it, "" where we may."""

    name: str
    place: str
    root: Path
    mine: Path
    size: int
    files: ModelFiles | None
    paused: bool = False
    problem: str = ""
    remove_with: str = ""


@dataclass(frozen=True, slots=True)
class StorePlace:
    """A folder of somebody's. find: the models below it."""

    name: str
    folder: Callable[[], Path]
    find: Callable[[StorePlace, Path], Iterator[StoredModel]]


def stored_models() -> list[StoredModel]:
    """All of all places, by name. A folder that is not there has none."""
    found = [
        model for place in PLACES if (root := place.folder()).is_dir() for model in place.find(place, root)
    ]
    return sorted(found, key=lambda one: (one.name.lower(), one.place))


def quantisation(name: str) -> str:
    """`Q4_K_M` of a GGUF file's name, "" where it has none."""
    found = _QUANTISATION.findall(name.removesuffix(".gguf"))
    return str(found[-1]).upper() if found else ""


def _read(make: Callable[[Path], ModelFiles], path: Path) -> tuple[ModelFiles | None, str]:
    try:
        return make(path), ""
    except PointsmanError as error:
        return None, error.public


# -- Hugging Face


def _in_hub(place: StorePlace, root: Path) -> Iterator[StoredModel]:
    for folder in _folders(root):
        repo = repo_of(folder)
        if not repo:
            continue
        parts = sum(_size(one) for one in _files(folder / "blobs", 1) if one.name.endswith(".incomplete"))
        snapshot = next(iter(snapshots_of(folder)), None)
        complete = parts == 0 and snapshot is not None
        if not complete:
            yield StoredModel(repo, place.name, root, folder, _tree(folder / "blobs"), None, paused=True)
        if snapshot is None:
            continue
        if complete and (snapshot / "config.json").exists() and any(snapshot.glob("*.safetensors")):
            files, problem = _read(mlx_folder, snapshot)
            yield StoredModel(repo, place.name, root, folder, _tree(folder / "blobs"), files, problem=problem)
        for path in _ggufs(snapshot):
            files, problem = _read(gguf_file, path)
            name = f"{repo}:{quantisation(path.name) or path.name}"
            yield StoredModel(name, place.name, root, path, _whole(files, path), files, problem=problem)


# -- Ollama


def _in_ollama(place: StorePlace, root: Path) -> Iterator[StoredModel]:
    """A manifest a model; weights are a GGUF file among the blobs."""
    manifests = root / "manifests"
    for path in _files(manifests, 6):
        host, *middle = path.relative_to(manifests).parts
        if len(middle) < 2:
            continue
        *space, model, tag = (part for part in middle if part != "library")
        try:
            layers = json.loads(path.read_bytes())["layers"]
            size = sum(int(layer["size"]) for layer in layers)
            digest = next(one["digest"] for one in layers if str(one["mediaType"]).endswith(".image.model"))
            blob = root / "blobs" / str(digest).replace(":", "-")
        except (OSError, ValueError, KeyError, TypeError, StopIteration):
            continue
        name = "/".join([*([] if host == "registry.ollama.ai" else [host]), *space, f"{model}:{tag}"])
        files, problem = _read(gguf_file, blob)
        yield StoredModel(
            name, place.name, root, path, size, files, problem=problem, remove_with=f"ollama rm {name}"
        )  # fmt: skip


# -- folders of files


def _in_folder(place: StorePlace, root: Path) -> Iterator[StoredModel]:
    """GGUF files and folders with weights, named by their way from the root."""
    for path in _ggufs(root):
        files, problem = _read(gguf_file, path)
        yield StoredModel(
            _way(root, path), place.name, root, path, _whole(files, path), files, problem=problem
        )
    for path in _files(root, _DEEP):
        if path.name == "config.json" and any(path.parent.glob("*.safetensors")):
            files, problem = _read(mlx_folder, path.parent)
            yield StoredModel(
                _way(root, path.parent), place.name, root, path.parent, _tree(path.parent), files, problem=problem
            )  # fmt: skip


def _way(root: Path, path: Path) -> str:
    return path.relative_to(root).as_posix()


def _ollama_folder() -> Path:
    named = os.environ.get("OLLAMA_MODELS")
    if named:
        return Path(named).expanduser()
    own, service = Path.home() / ".ollama" / "models", Path("/usr/share/ollama/.ollama/models")
    return service if not own.is_dir() and service.is_dir() else own


def _lm_studio_folder() -> Path:
    """Where its settings say, else its own folder, which was another one in older versions."""
    home = Path.home() / ".lmstudio"
    try:
        said: Any = json.loads((home / "settings.json").read_bytes())
        named = said.get("downloadsFolder")
        if isinstance(named, str) and named:
            return Path(named)
    except (OSError, ValueError, AttributeError):
        pass
    older = Path.home() / ".cache" / "lm-studio" / "models"
    return older if not (home / "models").is_dir() and older.is_dir() else home / "models"


def _llama_cpp_folder() -> Path:
    named = os.environ.get("LLAMA_CACHE")
    if named:
        return Path(named).expanduser()
    mac = Path.home() / "Library" / "Caches"
    base = (
        mac if sys.platform == "darwin" else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    )
    return base / "llama.cpp"


PLACES = (
    StorePlace("Hugging Face", hub_cache, _in_hub),
    StorePlace("Ollama", _ollama_folder, _in_ollama),
    StorePlace("LM Studio", _lm_studio_folder, _in_folder),
    StorePlace("llama.cpp", _llama_cpp_folder, _in_folder),
)


# -- the disk


def _ggufs(root: Path) -> list[Path]:
    """First parts only, and no files that go with another model (projectors of pictures)."""
    found = [
        one for one in _files(root, _DEEP) if one.suffix.lower() == ".gguf" and not is_later_part(one.name)
    ]
    return [one for one in found if not one.name.lower().startswith("mmproj")]


def _files(root: Path, deep: int) -> list[Path]:
    """Files below a folder, by name. Folders that are links are not entered."""
    found: list[Path] = []
    for folder, folders, names in os.walk(root):
        here = Path(folder)
        if len(here.relative_to(root).parts) >= deep:
            folders.clear()
        folders.sort()
        found += [here / name for name in sorted(names)]
        if len(found) > _MANY:
            break
    return found


def _folders(root: Path) -> list[Path]:
    try:
        return sorted(one for one in root.iterdir() if one.is_dir() and not one.is_symlink())
    except OSError:
        return []


def _whole(files: ModelFiles | None, path: Path) -> int:
    return files.size if files is not None else _size(path)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _tree(folder: Path) -> int:
    """Bytes of the files below, each once: links of a cache stand for one of its blobs."""
    return sum(_size(one) for one in _files(folder, 6) if not one.is_symlink())
