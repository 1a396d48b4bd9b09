"""Vendored libraries are what their authors published, with their licences, and nothing lies beside them unnamed."""

from __future__ import annotations

import hashlib
import tomllib
from pathlib import Path

import pytest

import pointsman

FOLDERS = (Path(pointsman.__file__).parent / "admin/web/static/vendor", Path(__file__).parent / "vendor")
SAID = {"name", "version", "file", "sha256", "licence", "licence_file", "from", "for"}


def libraries(folder: Path) -> list[dict[str, str]]:
    found: list[dict[str, str]] = tomllib.loads((folder / "vendor.toml").read_text())["library"]
    return found


@pytest.mark.parametrize("folder", FOLDERS, ids=["for browsers", "for tests"])
def test_every_vendored_file_is_the_one_that_was_published(folder: Path) -> None:
    for library in libraries(folder):
        assert set(library) == SAID, library
        digest = hashlib.sha256((folder / library["file"]).read_bytes()).hexdigest()
        assert digest == library["sha256"], f"{library['file']} was changed, or vendor.toml was not"
        licence = (folder / library["licence_file"]).read_text()
        assert "permission" in licence.lower() or "Mozilla Public License" in licence


@pytest.mark.parametrize("folder", FOLDERS, ids=["for browsers", "for tests"])
def test_nothing_lies_beside_them_unnamed(folder: Path) -> None:
    named = {one for library in libraries(folder) for one in (library["file"], library["licence_file"])}
    others = {path.name for path in folder.iterdir()} - named - {"vendor.toml"}
    assert {one for one in others if "LICENSE" not in one} == set()
