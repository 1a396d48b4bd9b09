"""The master key: lost, wrong, rotated. Local backends go on and nothing is overwritten."""

from __future__ import annotations

import base64
import json
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from .gateway import Gateway, run_cli
from .load import FixedUpstream, Outcome, run, under_load
from .replies import either
from .warm import run_warm
from .wires import CHAT

if TYPE_CHECKING:
    from pointsman.practice.scripted import ScriptedUpstream

Make = Callable[..., Gateway]
Upstreams = Callable[..., "ScriptedUpstream"]


def new_key() -> str:
    return base64.b64encode(os.urandom(32)).decode()


def sealed(data_dir: Path) -> str:
    with closing(sqlite3.connect(data_dir / "pointsman.db")) as database:
        return str(database.execute("SELECT encrypted_api_key FROM cloud_credentials").fetchone()[0])


def filled(gateway: Gateway, server: ScriptedUpstream) -> None:
    server.always(either(CHAT, "ok"))
    gateway.api("PUT", "/api/credentials/openai", {"api_key": "sk-kept", "base_url": server.url})
    gateway.api("POST", "/api/local", {"name": "box", "base_url": server.url}, status=201)
    gateway.rule("cloud", "openai")
    gateway.rule("box", "local/box")
    assert gateway.fetch("POST", CHAT.path, CHAT.ask("cloud")).status == 200


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, ScriptedUpstream]]:
    """(the data folder that a gateway left behind, the server that its rows name)"""
    from pointsman.practice.scripted import ScriptedUpstream

    data = tmp_path_factory.mktemp("kept") / "data"
    with ScriptedUpstream() as server:
        with Gateway(data) as gateway:
            filled(gateway, server)
        yield data, server


@pytest.fixture
def data(kept: tuple[Path, ScriptedUpstream], tmp_path: Path) -> Path:
    """A copy of it, where `own_gateway` serves from."""
    return Path(shutil.copytree(kept[0], tmp_path / "data"))


@pytest.mark.parametrize("how", ["wrong", "missing", "damaged"])
def test_without_its_master_key_it_starts_degraded_says_why_and_overwrites_nothing(
    own_gateway: Make, data: Path, how: str
) -> None:
    before = sealed(data)
    path = data / "master.key"
    right = path.read_bytes()
    if how == "missing":
        path.unlink()
    else:
        path.write_text(new_key() if how == "wrong" else "not a key")
    changed = path.read_bytes() if path.exists() else None
    gateway = own_gateway()
    assert gateway.fetch("POST", CHAT.path, CHAT.ask("box")).status == 200, (
        "a local backend without a key serves"
    )
    refused = gateway.fetch("POST", CHAT.path, CHAT.ask("cloud"))
    assert refused.status >= 500
    assert "key" in CHAT.check_error(refused.json())
    assert "master key" in gateway.fetch("GET", "/readyz").body.decode().lower()
    doctor = run_cli(gateway.data_dir, "doctor")
    assert doctor.returncode == 1
    assert "master key" in (doctor.stdout + doctor.stderr).lower()
    assert "master key" in gateway.read_log().lower()
    answer = gateway.api_answer("PUT", "/api/credentials/openai/new", {"api_key": "sk-new"})
    assert answer.status in (409, 422, 503), "nothing new is sealed under a wrong key"
    gateway.stop()
    assert (path.read_bytes() if path.exists() else None) == changed, "no new master key over existing rows"
    assert sealed(gateway.data_dir) == before
    path.write_bytes(right)
    path.chmod(0o600)
    gateway.start()
    assert gateway.fetch("POST", CHAT.path, CHAT.ask("cloud")).status == 200


def test_a_master_key_that_others_can_read_is_refused_with_the_fix(data: Path) -> None:
    (data / "master.key").chmod(0o644)
    done = run_warm(data, "doctor")
    assert done.returncode == 1
    assert "chmod 600" in done.stdout + done.stderr


def test_a_file_that_others_can_read_stops_the_start_with_the_fix(data: Path) -> None:
    """Which files, and the folder: tests/admin/control/test_process.py."""
    (data / "pointsman.db").chmod(0o644)
    done = run_cli(data, "serve", "--port", "0", timeout=30)
    assert done.returncode == 1
    assert "chmod 600" in done.stderr
    assert "Traceback" not in done.stderr


def test_rotating_the_master_key_while_serving_fails_no_request(own_gateway: Make) -> None:
    gateway = own_gateway()

    async def scene() -> Outcome:
        import asyncio

        async with FixedUpstream("a") as server:
            body = {"api_key": "sk-kept", "base_url": server.url}
            await asyncio.to_thread(gateway.api, "PUT", "/api/credentials/openai", body)
            await asyncio.to_thread(gateway.rule, "m", "openai")

            async def rotate(_: Outcome) -> None:
                for _turn in range(3):
                    before = sealed(gateway.data_dir), (gateway.data_dir / "master.key").read_bytes()
                    await asyncio.to_thread(gateway.cli, "secrets", "rotate")
                    assert sealed(gateway.data_dir) != before[0]
                    assert (gateway.data_dir / "master.key").read_bytes() != before[1]

            return await under_load(gateway.url, "m", rotate, at_least=300, connections=4)

    assert run(scene()).failures == []
    gateway.stop()
    gateway.start()
    assert "master key" not in gateway.fetch("GET", "/readyz").body.decode().lower()


def test_a_rotated_key_still_opens_everything_after_a_restart(
    own_gateway: Make, data: Path, kept: tuple[Path, ScriptedUpstream]
) -> None:
    done = run_warm(data, "secrets", "rotate", "--json")
    assert done.returncode == 0, done.stderr
    json.loads(done.stdout)
    gateway, (_, server) = own_gateway(), kept
    assert gateway.fetch("POST", CHAT.path, CHAT.ask("cloud")).status == 200
    assert server.requests[-1].headers["authorization"] == "Bearer sk-kept"


def test_a_master_key_from_the_environment_is_rotated_by_giving_the_new_one(
    own_gateway: Make, upstream: Upstreams
) -> None:
    old, new = new_key(), new_key()
    gateway, server = own_gateway(env={"POINTSMAN_MASTER_KEY": old}), upstream()
    filled(gateway, server)
    assert not (gateway.data_dir / "master.key").exists()
    printed = gateway.cli("secrets", "rotate", stdin=new + "\n")
    assert "POINTSMAN_MASTER_KEY" in printed
    assert new not in printed
    assert gateway.fetch("POST", CHAT.path, CHAT.ask("cloud")).status == 200
    gateway.stop()
    gateway.env = {"POINTSMAN_MASTER_KEY": new}
    gateway.start()
    assert gateway.fetch("POST", CHAT.path, CHAT.ask("cloud")).status == 200
    gateway.stop()
    gateway.env = {"POINTSMAN_MASTER_KEY": old}
    gateway.start()
    assert gateway.fetch("POST", CHAT.path, CHAT.ask("cloud")).status >= 500


def test_a_master_key_file_named_in_the_environment_is_used(own_gateway: Make, tmp_path: Path) -> None:
    path = tmp_path / "elsewhere.key"
    path.write_text(os.urandom(32).hex() + "\n")
    path.chmod(0o600)
    gateway = own_gateway(env={"POINTSMAN_MASTER_KEY_FILE": str(path)})
    gateway.api("PUT", "/api/credentials/openai", {"api_key": "sk-x"})
    assert not (gateway.data_dir / "master.key").exists()
