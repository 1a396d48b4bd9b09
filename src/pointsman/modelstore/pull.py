"""Fetching a model from a hub into Hugging Face's cache: what is needed of it, with pause and resume, checked bytes.

A part that was broken off stays as `blobs/ETAG.incomplete` and the next run goes on behind it. Other programs find what is
whole where their library looks for it. Not here: HTTP (hub.py), the screen.
"""

from __future__ import annotations

import fnmatch
import hashlib
import os
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import BinaryIO

from ..errors import PointsmanError
from ..kinds import ErrorKind
from .caches import hub_cache, is_repo, repo_folder
from .files import is_later_part, parts_of
from .hub import Hub, HubFile, HubRepository
from .places import quantisation

_MLX_FILES = (
    "*.json", "model*.safetensors", "weights*.safetensors", "tokenizer.model", "*.tiktoken", "*.txt", "*.jsonl", "*.jinja",
)  # fmt: skip
"""What mlx-lm reads of a folder; no Python files, which it would not run either."""
_LIKED = ("Q4_K_M", "Q4_K_S", "Q5_K_M", "Q4_0", "Q8_0")
"""Which quantisation is taken where none was named, in this order."""
_CHUNK = 2**20
_SPARE = 2**28

Progress = Callable[[str, int, int], None]
"""(file, bytes of everything that are here, bytes of everything)."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be fetched: the files, and the path of the model among them, "" for the whole folder."""

    repository: HubRepository
    files: tuple[HubFile, ...]
    model: str

    @property
    def size(self) -> int:
        return sum(one.size for one in self.files)


def wanted(hub: Hub, text: str, file: str | None) -> Wanted:
    """text: `ORG/NAME`, or `ORG/NAME:QUANTISATION`. file: a file of the repository by name. Raises PointsmanError saying
    what there is to choose from."""
    name, _, tag = text.partition(":")
    if not is_repo(name):
        raise PointsmanError(
            ErrorKind.INVALID, f"{name} is no repository; write it as ORG/NAME or ORG/NAME:Q4_K_M"
        )
    repository = hub.repository(name)
    ggufs = [
        one.path
        for one in repository.files
        if one.path.lower().endswith(".gguf") and not is_later_part(one.path)
    ]
    if file is not None or tag or not any(one.path.endswith(".safetensors") for one in repository.files):
        model = _chosen([path for path in ggufs if "mmproj" not in path.lower()], name, tag, file)
        names = {one.as_posix() for one in parts_of(Path(model))}
        return _checked(
            Wanted(repository, tuple(one for one in repository.files if one.path in names), model), names
        )
    files = [
        one for one in repository.files if any(fnmatch.fnmatchcase(one.path, form) for form in _MLX_FILES)
    ]
    if not any(one.path == "config.json" for one in files):
        raise PointsmanError(ErrorKind.INVALID, f"{name} has no config.json: it is no model that MLX can run")
    return Wanted(repository, tuple(files), "")


def _chosen(ggufs: list[str], name: str, tag: str, file: str | None) -> str:
    if not ggufs:
        raise PointsmanError(ErrorKind.INVALID, f"{name} has neither a GGUF file nor weights for MLX")
    choices = ", ".join(sorted({quantisation(path) or path for path in ggufs}))
    if file is not None:
        found = [path for path in ggufs if path == file or path.rpartition("/")[2] == file]
    else:
        kinds = [tag.upper()] if tag else [*_LIKED, *sorted({quantisation(path) for path in ggufs})]
        found = next((fit for kind in kinds if (fit := [p for p in ggufs if quantisation(p) == kind])), [])
    if len(found) == 1:
        return found[0]
    said = file or f"{name}:{tag}"
    what = (
        f"{said} is several files ({', '.join(found)}); name one with --file"
        if found
        else f"there is no {said}"
    )
    raise PointsmanError(ErrorKind.INVALID, f"{what}; {name} has: {choices}")


def _checked(found: Wanted, names: Iterable[str]) -> Wanted:
    absent = sorted(set(names) - {one.path for one in found.files})
    if absent:
        raise PointsmanError(ErrorKind.UPSTREAM_ERROR, f"{found.repository.name} lacks {', '.join(absent)}")
    return found


def pull(hub: Hub, what: Wanted, progress: Progress) -> Path:
    """Fetches what is not here yet and returns the model's folder or file. Raises PointsmanError: no room, nobody answers,
    bytes that are not what the hub promised. Broken off in whatever way, it may be run again."""
    folder = repo_folder(what.repository.name)
    blobs, snapshot = folder / "blobs", folder / "snapshots" / what.repository.revision
    try:
        for place in (blobs, snapshot, folder / "refs"):
            place.mkdir(parents=True, exist_ok=True)
        _check_room(blobs, what)
        done = 0
        for file in what.files:
            blob = blobs / file.etag
            if not blob.exists():
                _fetch(hub, what, file, blob, _telling(progress, file.path, done, what.size))
            done += file.size
            progress(file.path, done, what.size)
            _link(snapshot / file.path, blob)
        (folder / "refs" / "main").write_text(what.repository.revision)
    except OSError as error:
        raise PointsmanError(
            ErrorKind.UNAVAILABLE, f"{hub_cache()} cannot be written: {error.strerror}; what has come is kept"
        ) from None
    return snapshot / what.model if what.model else snapshot


def _telling(progress: Progress, path: str, before: int, whole: int) -> Callable[[int], None]:
    return lambda here: progress(path, before + here, whole)


def _check_room(blobs: Path, what: Wanted) -> None:
    need = sum(one.size - _part_size(blobs, one) for one in what.files if not (blobs / one.etag).exists())
    room = shutil.disk_usage(blobs).free - _SPARE
    if need > room:
        raise PointsmanError(
            ErrorKind.UNAVAILABLE,
            f"{need / 1e9:.1f} GB are to come and {max(0, room) / 1e9:.1f} GB are free in {hub_cache()}; make room, or set"
            " HF_HUB_CACHE to a folder that has it",
        )


def _part(blobs: Path, file: HubFile) -> Path:
    return blobs / f"{file.etag}.incomplete"


def _part_size(blobs: Path, file: HubFile) -> int:
    try:
        return _part(blobs, file).stat().st_size
    except OSError:
        return 0


def _fetch(hub: Hub, what: Wanted, file: HubFile, blob: Path, progress: Callable[[int], None]) -> None:
    part = _part(blob.parent, file)
    with part.open("ab") as out:
        _lock(out, what)
        here = out.tell()
        if here > file.size:
            out.truncate(here := 0)
        if here < file.size:
            source, begin = hub.bytes_of(what.repository, file, here)
            with source:
                out.truncate(begin)
                _copy(hub, source, out, file.size - begin, lambda come: progress(begin + come))
    if _sum_of(part, file) != file.etag:
        part.unlink()
        raise PointsmanError(
            ErrorKind.UPSTREAM_ERROR,
            f"the bytes of {file.path} are not those that were promised; run the command again",
        )
    os.replace(part, blob)


def _lock(out: BinaryIO, what: Wanted) -> None:
    """Two that write the same part would mix their bytes."""
    import fcntl

    try:
        fcntl.flock(out, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise PointsmanError(ErrorKind.CONFLICT, f"{what.repository.name} is being fetched already") from None


def _copy(hub: Hub, source: HTTPResponse, out: BinaryIO, count: int, progress: Callable[[int], None]) -> None:
    come = 0
    while come < count:
        try:
            data = source.read1(min(_CHUNK, count - come))
        except (OSError, HTTPException) as error:
            raise _broken_off(hub, repr(error)) from None
        if not data:
            raise _broken_off(hub, "the connection was closed")
        out.write(data)
        come += len(data)
        progress(come)


def _broken_off(hub: Hub, why: str) -> PointsmanError:
    return PointsmanError(
        ErrorKind.UPSTREAM_UNREACHABLE,
        f"{hub.endpoint} broke off ({why}); what has come is kept: run the command again",
    )


def _sum_of(path: Path, file: HubFile) -> str:
    """SHA-256, or git's SHA-1 of a blob: as long as the one that was promised."""
    digest = (
        hashlib.sha256()
        if len(file.etag) == 64
        else hashlib.sha1(b"blob %d\0" % file.size, usedforsecurity=False)
    )
    with path.open("rb") as source:
        while data := source.read(_CHUNK):
            digest.update(data)
    return digest.hexdigest()


def _link(link: Path, blob: Path) -> None:
    """A link that also holds when the whole cache is moved."""
    link.parent.mkdir(parents=True, exist_ok=True)
    if link.is_symlink() or link.exists():
        link.unlink()
    link.symlink_to(os.path.relpath(blob, link.parent))
