"""Hugging Face's cache, as their library lays it out: `models--ORG--NAME/{blobs,snapshots,refs}`. Names of its folders,
and which of them holds a repository's files.

Source: huggingface_hub's guide "Understand caching". Not here: fetching into it (pull.py), other programs' folders
(places.py).
"""

from __future__ import annotations

import os
import re
from pathlib import Path

_REPO = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}", re.ASCII)
PREFIX = "models--"


def is_repo(text: str) -> bool:
    """Whether it is written as a repository of the hub is: `ORG/NAME`."""
    return _REPO.fullmatch(text) is not None and "--" not in text and ".." not in text


def hub_home() -> Path:
    """The folder that Hugging Face's programs share."""
    named = os.environ.get("HF_HOME")
    if named:
        return Path(named).expanduser()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "huggingface"


def hub_cache() -> Path:
    """Its folder of models."""
    named = os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE")
    return Path(named).expanduser() if named else hub_home() / "hub"


def repo_folder(repo: str) -> Path:
    return hub_cache() / (PREFIX + repo.replace("/", "--"))


def repo_of(folder: Path) -> str:
    """The repository whose folder of the cache it is; "" where it is none."""
    return folder.name.removeprefix(PREFIX).replace("--", "/", 1) if folder.name.startswith(PREFIX) else ""


def snapshots_of(folder: Path) -> list[Path]:
    """A repository's snapshots, that of `main` first, then the newest."""
    try:
        main = (folder / "refs" / "main").read_text().strip()
    except OSError:
        main = ""
    try:
        found = [one for one in (folder / "snapshots").iterdir() if one.is_dir()]
    except OSError:
        return []
    return sorted(found, key=lambda one: (one.name != main, -one.stat().st_mtime, one.name))


def snapshot_of(repo: str) -> Path | None:
    """The folder of a repository's files that are on the disk, None where there are none."""
    return next(iter(snapshots_of(repo_folder(repo))), None)
