"""`pointsman local pull`: what is fetched, where it lies, and what happens when it is broken off. A hub of our own on loopback."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import Result

from tests.e2e.gateway import POINTSMAN, clean_environment, wait_until
from tests.engines_real.gguf_of import head

from .commands import local
from .hub_double import REVISION, HubDouble

GGUF_HEAD = head({"general.architecture": "llama", "llama.context_length": 512})
WEIGHTS = random.Random(1).randbytes(400_000)
MLX = {
    "config.json": json.dumps({"model_type": "llama", "max_position_embeddings": 512}).encode(),
    "model.safetensors": WEIGHTS,
    "tokenizer.json": b"{}",
    "README.md": b"words",
    "modeling.py": b"print('no')",
}
GGUFS = {
    "m-Q8_0.gguf": GGUF_HEAD + WEIGHTS,
    "m-Q4_K_M.gguf": GGUF_HEAD + WEIGHTS[:200_000],
    "big/m-BF16-00001-of-00002.gguf": GGUF_HEAD + WEIGHTS[:50_000],
    "big/m-BF16-00002-of-00002.gguf": WEIGHTS[:60_000],
    "mmproj-F16.gguf": GGUF_HEAD,
}


@pytest.fixture
def hub() -> Iterator[HubDouble]:
    with HubDouble({"org/mlx": MLX, "org/m-GGUF": GGUFS, "org/nothing": {"README.md": b"x"}}) as running:
        yield running


class Disk:
    """A home of its own, with the commands."""

    def __init__(self, home: Path, hub: HubDouble) -> None:
        self.home, self.cache = home, home / "hub"
        self.environment = {"HF_HUB_CACHE": str(self.cache), "HF_ENDPOINT": hub.url, "HF_TOKEN": "secret"}

    def run(self, *words: str, code: int = 0, **more: str) -> Result:
        return local(self.home, *words, code=code, **{**self.environment, **more})

    def pull(self, *words: str, **more: str) -> Path:
        return Path(json.loads(self.run("pull", *words, "--json", **more).stdout)["path"])


@pytest.fixture
def disk(tmp_path: Path, hub: HubDouble) -> Disk:
    return Disk(tmp_path, hub)


def test_a_repository_for_mlx_comes_with_what_the_engine_reads(disk: Disk, hub: HubDouble) -> None:
    folder = disk.pull("org/mlx")
    assert folder == disk.cache / "models--org--mlx" / "snapshots" / REVISION
    assert sorted(os.listdir(folder)) == ["config.json", "model.safetensors", "tokenizer.json"]
    assert (folder / "model.safetensors").read_bytes() == WEIGHTS
    assert (folder / "model.safetensors").is_symlink()
    assert (disk.cache / "models--org--mlx" / "refs" / "main").read_text() == REVISION
    files = [path for path, *_ in hub.asked]
    assert disk.pull("org/mlx") == folder
    assert [path for path, *_ in hub.asked] == [*files, files[0]]  # the list alone: nothing comes twice


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (("org/m-GGUF",), "m-Q4_K_M.gguf"),
        (("org/m-GGUF:q8_0",), "m-Q8_0.gguf"),
        (("org/m-GGUF", "--file", "m-Q8_0.gguf"), "m-Q8_0.gguf"),
        (("org/m-GGUF:BF16",), "big/m-BF16-00001-of-00002.gguf"),
    ],
)
def test_of_a_gguf_repository_one_quantisation_comes(disk: Disk, words: tuple[str, ...], found: str) -> None:
    path = disk.pull(*words)
    assert path.relative_to(disk.cache / "models--org--m-GGUF" / "snapshots" / REVISION).as_posix() == found
    assert path.read_bytes() == GGUFS[found]
    parts = 2 if "00001" in found else 1
    assert len([one for one in (disk.cache / "models--org--m-GGUF" / "blobs").iterdir()]) == parts


def test_a_pull_that_broke_off_goes_on_where_it_was(disk: Disk, hub: HubDouble) -> None:
    hub.how.cut = 300_000
    said = disk.run("pull", "org/mlx", code=1).stderr
    assert "what has come is kept: run the command again" in said
    (part,) = (disk.cache / "models--org--mlx" / "blobs").glob("*.incomplete")
    assert part.stat().st_size == 300_000
    assert "paused; pull it again" in disk.run("models").stdout
    folder = disk.pull("org/mlx")
    assert (folder / "model.safetensors").read_bytes() == WEIGHTS
    assert "bytes=300000-" in [asked for _, asked, _ in hub.asked]


def test_ctrl_c_pauses_and_says_how_to_go_on(disk: Disk, hub: HubDouble) -> None:
    big = random.Random(2).randbytes(1_000_000)
    hub.repositories["org/big"] = {"b-Q4_0.gguf": GGUF_HEAD + big}
    hub.how.hold = 500_000
    running = subprocess.Popen(
        [POINTSMAN, "local", "pull", "org/big"],
        stderr=subprocess.PIPE,
        text=True,
        env=clean_environment(disk.environment),
    )
    blobs = disk.cache / "models--org--big" / "blobs"
    try:
        wait_until(
            "half has come",
            lambda: any(one.stat().st_size >= 500_000 for one in blobs.glob("*.incomplete")),
            30,
            0.02,
        )
        running.send_signal(signal.SIGINT)
    except AssertionError:
        running.kill()
        raise
    finally:
        _, said = running.communicate(timeout=20)
    assert running.returncode == 130, said
    assert "paused; go on with: pointsman local pull org/big" in said
    assert "Traceback" not in said
    assert disk.pull("org/big").read_bytes() == GGUF_HEAD + big


def test_a_server_that_knows_no_parts_sends_all_again(disk: Disk, hub: HubDouble) -> None:
    hub.how.cut = 300_000
    disk.run("pull", "org/mlx", code=1)
    hub.how.parts = False
    assert (disk.pull("org/mlx") / "model.safetensors").read_bytes() == WEIGHTS


@pytest.mark.parametrize("path", ["model.safetensors", "tokenizer.json"])
def test_bytes_that_were_not_promised_are_not_kept(disk: Disk, hub: HubDouble, path: str) -> None:
    hub.how.spoilt = {path}
    assert (
        f"the bytes of {path} are not those that were promised" in disk.run("pull", "org/mlx", code=1).stderr
    )
    hub.how.spoilt = set()
    assert (disk.pull("org/mlx") / path).read_bytes() == MLX[path]


def test_a_login_is_for_the_hub_and_not_for_who_it_sends_on_to(disk: Disk, hub: HubDouble) -> None:
    with HubDouble({"org/mlx": MLX}) as other:
        hub.how.elsewhere = other.url
        assert (disk.pull("org/mlx") / "model.safetensors").read_bytes() == WEIGHTS
        assert {login for *_, login in hub.asked} == {"Bearer secret"}
        assert other.asked
        assert {login for *_, login in other.asked} == {None}


@pytest.mark.parametrize(
    ("repo", "status", "said"),
    [
        ("org/nowhere", 200, "has no model org/nowhere"),
        ("org/mlx", 401, "wants a login: accept its terms at"),
        ("org/mlx", 503, "answered 503; try again later"),
        ("org/nothing", 200, "org/nothing has neither a GGUF file nor weights for MLX"),
        ("org/m-GGUF:Q3_K_S", 200, "there is no org/m-GGUF:Q3_K_S; org/m-GGUF has: BF16, Q4_K_M, Q8_0"),
        ("../../etc", 200, "is no repository"),
        ("org", 200, "is no repository"),
    ],
)
def test_what_cannot_be_fetched_says_why(
    disk: Disk, hub: HubDouble, repo: str, status: int, said: str
) -> None:
    hub.how.status = status
    assert said in disk.run("pull", repo, code=1).stderr
    assert not list(disk.cache.rglob("*.incomplete"))


def test_a_file_that_would_lie_outside_is_not_fetched(disk: Disk, hub: HubDouble) -> None:
    hub.repositories["org/evil"] = {**MLX, "../../../../evil.json": b"{}", "/tmp/evil.json": b"{}"}
    disk.pull("org/evil")
    assert not [path for path, *_ in hub.asked if "evil.json" in path]


def test_a_model_for_which_there_is_no_room_is_not_begun(
    disk: Disk, hub: HubDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The list says that more is to come than any disk has."""
    free = shutil.disk_usage(disk.cache.parent).free
    row = hub._row
    monkeypatch.setattr(
        hub,
        "_row",
        lambda path, data: {**row(path, data), "size": free} if len(data) > 9_999 else row(path, data),
    )
    said = disk.run("pull", "org/mlx", code=1).stderr
    assert "GB are free in" in said
    assert "HF_HUB_CACHE" in said
    assert len(hub.asked) == 1


def test_offline_is_said(disk: Disk, hub: HubDouble) -> None:
    said = disk.run("pull", "org/mlx", code=1, HF_ENDPOINT="http://127.0.0.1:9").stderr
    assert "cannot be reached" in said
    assert "offline?" in said
    assert "HF_HUB_OFFLINE is set" in disk.run("pull", "org/mlx", code=1, HF_HUB_OFFLINE="1").stderr
