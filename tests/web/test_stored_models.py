"""Models on this disk: what they take and whether that fits; one is removed once its name was typed, and nothing else is."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.gateway import Gateway
from tests.engines_real.gguf_of import TINY, write

from .visitor import Visitor

HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "llama"
    found.mkdir()
    write(TINY, found / "tiny-Q4_0.gguf")
    shutil.copy(found / "tiny-Q4_0.gguf", found / f"{HOSTILE}.gguf")
    (found / "cut.gguf").write_bytes((found / "tiny-Q4_0.gguf").read_bytes()[:2_000])
    return found


@pytest.fixture
def guest(tmp_path: Path, folder: Path) -> Iterator[Visitor]:
    (tmp_path / "home").mkdir()
    env = {"HOME": str(tmp_path / "home"), "LLAMA_CACHE": str(folder), "HF_HOME": "", "OLLAMA_MODELS": ""}
    with Gateway(tmp_path / "data", env=env) as gateway:
        made = Visitor(gateway.url, gateway.admin_token)
        yield made
        made.close()


def test_models_on_the_disk_are_listed_and_one_is_removed_by_its_name(guest: Visitor, folder: Path) -> None:
    text = guest.text("/ui/backends/disk")
    assert "3 models" in text
    assert "Fits" in text
    assert "Broken" in text
    assert f"pointsman local add NAME --gguf {folder / 'tiny-Q4_0.gguf'}" in text
    assert "<img" not in text
    assert "&lt;img src=x" in text
    fields = {"name": "tiny-Q4_0.gguf", "path": str(folder / "tiny-Q4_0.gguf")}
    assert guest.post("/ui/backends/disk/remove", fields | {"typed": "tiny"}).status == 422
    assert (folder / "tiny-Q4_0.gguf").exists()
    page = guest.follow("/ui/backends/disk/remove", fields | {"typed": "tiny-Q4_0.gguf"}).body.decode()
    assert "tiny-Q4_0.gguf is removed" in page
    assert "2 models" in page
    assert sorted(one.name for one in folder.iterdir()) == sorted([f"{HOSTILE}.gguf", "cut.gguf"])


def test_what_is_no_model_on_the_disk_is_not_removed(guest: Visitor, tmp_path: Path) -> None:
    other = tmp_path / "data" / "admin-token"
    for path in (str(other), "../data/admin-token"):
        answer = guest.post("/ui/backends/disk/remove", {"name": "x", "typed": "x", "path": path})
        assert answer.status == 404
    assert other.exists()
