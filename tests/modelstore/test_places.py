"""`pointsman local models` and `rm`: a home with folders as the usual programs leave them."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from pointsman.modelstore.places import quantisation
from tests.engines_real.gguf_of import TINY, write

from .commands import local

REVISION = "a" * 40


def put_in_cache(cache: Path, repo: str, files: dict[str, Path]) -> Path:
    """As Hugging Face's library lays a repository out."""
    folder = cache / ("models--" + repo.replace("/", "--"))
    snapshot = folder / "snapshots" / REVISION
    snapshot.mkdir(parents=True)
    (folder / "blobs").mkdir()
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text(REVISION)
    for number, (name, path) in enumerate(files.items()):
        blob = folder / "blobs" / f"{number:064d}"
        shutil.copy(path, blob)
        (snapshot / name).symlink_to(os.path.relpath(blob, snapshot))
    return folder


class Home:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.cache = path / ".cache" / "huggingface" / "hub"
        write(TINY, path / "tiny.gguf")
        self.gguf = path / "tiny.gguf"
        put_in_cache(self.cache, "org/mlx", {one.name: one for one in TINY.iterdir()})
        put_in_cache(
            self.cache,
            "org/gg",
            {"m-Q4_0.gguf": self.gguf, "m-Q8_0.gguf": self.gguf, "mmproj-F16.gguf": self.gguf},
        )
        self._ollama(path / ".ollama" / "models")
        studio = path / ".lmstudio" / "models" / "pub" / "x"
        studio.mkdir(parents=True)
        shutil.copy(self.gguf, studio / "x-Q5_K_M.gguf")
        shutil.copytree(TINY, path / ".lmstudio" / "models" / "pub" / "y-mlx")
        old = path / ".cache" / "llama.cpp"
        old.mkdir()
        (old / "cut.gguf").write_bytes(self.gguf.read_bytes()[:2_000])

    def _ollama(self, root: Path) -> None:
        (root / "blobs").mkdir(parents=True)
        shutil.copy(self.gguf, root / "blobs" / "sha256-11")
        for host, space, model in (("registry.ollama.ai", "library", "tiny"), ("hf.co", "org", "tiny")):
            manifest = root / "manifests" / host / space / model / "latest"
            manifest.parent.mkdir(parents=True)
            layer = {
                "mediaType": "application/vnd.ollama.image.model",
                "digest": "sha256:11",
                "size": 889_504,
            }
            manifest.write_text(json.dumps({"layers": [layer]}))
        (root / "manifests" / "odd").write_text("{")

    def run(self, *words: str, code: int = 0) -> Result:
        return local(self.path, *words, code=code)

    def models(self) -> dict[str, dict[str, Any]]:
        return {
            f"{row['place']} {row['name']}": row for row in json.loads(self.run("models", "--json").stdout)
        }


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def test_models_of_all_places_are_listed(home: Home) -> None:
    rows = home.models()
    assert set(rows) == {
        "Hugging Face org/mlx", "Hugging Face org/gg:Q4_0", "Hugging Face org/gg:Q8_0", "Ollama tiny:latest",
        "Ollama hf.co/org/tiny:latest", "LM Studio pub/x/x-Q5_K_M.gguf", "LM Studio pub/y-mlx", "llama.cpp cut.gguf",
    }  # fmt: skip
    mlx = rows["Hugging Face org/mlx"]
    assert (mlx["kind"], mlx["window"], mlx["fits"], mlx["state"]) == ("mlx", 4096, True, "ready")
    assert mlx["size"] == sum(one.stat().st_size for one in TINY.iterdir())
    assert rows["Ollama tiny:latest"]["kind"] == "gguf"
    assert rows["llama.cpp cut.gguf"]["state"] == "broken"
    assert "the download was cut off" in home.run("models").stdout


def test_nothing_on_the_disk_is_no_error(tmp_path: Path) -> None:
    assert json.loads(local(tmp_path, "models", "--json").stdout) == []


def test_a_quantisation_of_a_cache_is_removed_and_the_others_stay(home: Home) -> None:
    home.run("rm", "org/gg:Q4_0", "--yes")
    rows = home.models()
    assert "Hugging Face org/gg:Q4_0" not in rows
    assert rows["Hugging Face org/gg:Q8_0"]["state"] == "ready"
    assert len(list((home.cache / "models--org--gg" / "blobs").iterdir())) == 2


def test_a_blob_that_another_revision_stands_on_stays(home: Home) -> None:
    folder = home.cache / "models--org--gg"
    other = folder / "snapshots" / ("b" * 40)
    other.mkdir()
    (other / "m-Q4_0.gguf").symlink_to((folder / "snapshots" / REVISION / "m-Q4_0.gguf").resolve())
    assert json.loads(home.run("rm", "org/gg:Q4_0", "--yes", "--json").stdout)["freed"] == 0
    assert (other / "m-Q4_0.gguf").exists()


def test_folders_and_files_are_removed_with_what_is_empty_then(home: Home) -> None:
    home.run("rm", "org/mlx", "--yes")
    home.run("rm", "pub/y-mlx", "--yes")
    home.run("rm", str(home.path / ".lmstudio" / "models" / "pub" / "x" / "x-Q5_K_M.gguf"), "--yes")
    assert not (home.cache / "models--org--mlx").exists()
    assert (home.path / ".lmstudio" / "models").is_dir()
    assert not (home.path / ".lmstudio" / "models" / "pub").exists()


def test_links_out_of_a_folder_are_never_followed(home: Home, tmp_path: Path) -> None:
    """Neither a linked file of a cache, nor a linked folder among the models, nor what one inside a model leads to."""
    precious = tmp_path / "precious"
    shutil.copytree(TINY, precious)
    snapshot = home.cache / "models--org--gg" / "snapshots" / REVISION
    shutil.copy(home.gguf, precious / "p-Q6_K.gguf")
    (snapshot / "p-Q6_K.gguf").symlink_to(precious / "p-Q6_K.gguf")
    studio = home.path / ".lmstudio" / "models"
    (studio / "linked").symlink_to(precious)
    (studio / "pub" / "y-mlx" / "more").symlink_to(precious)
    assert "LM Studio linked" not in home.models()
    home.run("rm", "org/gg:Q6_K", "--yes")
    home.run("rm", "pub/y-mlx", "--yes")
    assert sorted(os.listdir(precious)) == sorted([*os.listdir(TINY), "p-Q6_K.gguf"])


def test_what_is_ollamas_is_left_to_ollama(home: Home) -> None:
    said = home.run("rm", "tiny:latest", "--yes", code=1).stderr
    assert "remove it with: ollama rm tiny:latest" in said
    assert "Ollama tiny:latest" in home.models()


def test_nothing_is_removed_unasked(home: Home) -> None:
    assert "say --yes" in home.run("rm", "org/mlx", code=2).stderr
    assert "there is no model org/nowhere" in home.run("rm", "org/nowhere", "--yes", code=1).stderr
    assert "Hugging Face org/mlx" in home.models()


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("Qwen3-4B-Q4_K_M.gguf", "Q4_K_M"), ("m.IQ2_XXS.gguf", "IQ2_XXS"), ("a-bf16-00001-of-00002.gguf", "BF16"),
        ("gpt-oss-20b-MXFP4.gguf", "MXFP4"), ("plain.gguf", ""), ("q4_0.gguf", "Q4_0"),
    ],
)  # fmt: skip
def test_a_quantisation_is_read_of_a_name(name: str, found: str) -> None:
    assert quantisation(name) == found
