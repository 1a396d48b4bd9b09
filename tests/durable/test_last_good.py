"""The last good rules on disk: sealed, never stale, and never mistaken for a reason to begin an empty database."""

from __future__ import annotations

import errno
import json
import os
import shutil
import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from pointsman.admin.control import last_good as last_good_module
from pointsman.admin.control.control_plane import ControlPlane
from pointsman.admin.control.last_good import LastGood
from pointsman.admin.vault import Vault
from pointsman.errors import PointsmanError
from pointsman.link.messages import Snapshot
from pointsman.routing.specs import BackendSpec
from pointsman.secret import Secret
from tests.e2e.gateway import Gateway, run_cli, wait_until
from tests.e2e.warm import run_warm
from tests.e2e.web import Connection
from tests.e2e.wires import CHAT

Make = Callable[..., Gateway]
CANARY = "sk-canary-0123456789-abcdefghij"
RULES = Snapshot(
    3, "epoch", backends=(BackendSpec("openai", "openai", "", "https://x", api_key=Secret(CANARY)),)
)


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    return folder


def vault(folder: Path) -> Vault:
    return Vault.load(folder, {}, False)


def test_it_is_sealed_and_private_and_opens_again(data_dir: Path) -> None:
    kept = LastGood(data_dir)
    kept.keep(RULES, vault(data_dir))
    assert CANARY.encode() not in kept.path.read_bytes()
    assert stat.S_IMODE(kept.path.stat().st_mode) == 0o600
    snapshot, problem = LastGood(data_dir).read({})
    assert problem is None
    assert snapshot is not None
    assert snapshot.backends[0].api_key == Secret(CANARY)


def test_it_is_not_written_when_nothing_changed_not_even_at_a_start(data_dir: Path) -> None:
    key = vault(data_dir)
    LastGood(data_dir).keep(RULES, key)
    before = (data_dir / "last-good.snapshot").stat()
    again = LastGood(data_dir)
    again.keep(Snapshot(99, "another epoch", backends=RULES.backends), key)
    again.keep(RULES, key)
    after = (data_dir / "last-good.snapshot").stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)
    again.keep(Snapshot(100, "epoch"), key)
    assert (data_dir / "last-good.snapshot").stat().st_ino != before.st_ino


@pytest.mark.parametrize("spoil", ["cut", "flip", "other key", "no key", "mode", "words"])
def test_what_does_not_open_is_said_and_not_used(data_dir: Path, spoil: str) -> None:
    kept = LastGood(data_dir)
    kept.keep(RULES, vault(data_dir))
    text = kept.path.read_text()
    if spoil == "cut":
        kept.path.write_text(text[: len(text) // 2])
    elif spoil == "flip":
        kept.path.write_text(text[:-9] + ("A" if text[-9] != "A" else "B") + text[-8:])
    elif spoil == "words":
        kept.path.write_text("hello")
    elif spoil == "mode":
        kept.path.chmod(0o644)
    else:
        (data_dir / "master.key").unlink()
        if spoil == "other key":
            vault(data_dir)
    snapshot, problem = LastGood(data_dir).read({})
    assert snapshot is None
    assert problem
    assert CANARY not in problem


def test_a_full_disk_never_leaves_an_old_one(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It might hold a key that has been revoked. It is written when there is room again."""
    kept, key = LastGood(data_dir), vault(data_dir)
    kept.keep(RULES, key)
    with monkeypatch.context() as patch:

        def no_room(path: Path, text: str) -> None:
            raise OSError(errno.ENOSPC, "no room")

        patch.setattr(last_good_module, "write_over", no_room)
        kept.keep(Snapshot(4, "epoch"), key)
    assert kept.failed
    assert not kept.path.exists()
    kept.keep(Snapshot(4, "epoch"), key)
    assert not kept.failed
    assert kept.path.exists()


def test_a_rotation_seals_it_anew(own_gateway: Make) -> None:
    gateway = own_gateway()
    gateway.backend("openai", "http://127.0.0.1:9", key=CANARY, allow_http=True)
    old = LastGood(gateway.data_dir).read({})[0]
    before = (gateway.data_dir / "last-good.snapshot").read_text()
    gateway.api("POST", "/api/secrets/rotate")
    assert (gateway.data_dir / "last-good.snapshot").read_text().split(".")[1] != before.split(".")[1]
    assert LastGood(gateway.data_dir).read({})[0] == old


@pytest.mark.parametrize("how", ["removed", "emptied"])
def test_a_database_that_was_there_is_not_begun_anew(data_dir: Path, how: str) -> None:
    ControlPlane.open(data_dir, {}).close()
    for path in data_dir.glob("pointsman.db*"):
        path.unlink()
    if how == "emptied":
        (data_dir / "pointsman.db").touch(0o600)
    with pytest.raises(PointsmanError, match="put it back") as caught:
        ControlPlane.open(data_dir, {})
    assert caught.value.retry_after
    assert not (data_dir / "pointsman.db").exists() or not (data_dir / "pointsman.db").stat().st_size
    (data_dir / "last-good.snapshot").unlink()
    ControlPlane.open(data_dir, {}).close()


def test_tables_that_are_missing_are_trouble_with_words(data_dir: Path) -> None:
    ControlPlane.open(data_dir, {}).close()
    with closing(sqlite3.connect(data_dir / "pointsman.db")) as database:
        database.execute("DROP TABLE client_keys")
    with pytest.raises(PointsmanError, match="put back a backup") as caught:
        ControlPlane.open(data_dir, {})
    assert caught.value.retry_after


def with_a_rule(data: Path, *commands: str) -> list[str]:
    """A data folder with the rule `m`, and more commands; what each of those printed."""
    words = ["mapping add m --to local/practice --model practice:fast", *commands]
    done = [run_warm(data, *line.split()) for line in words]
    assert [one.returncode for one in done] == [0] * len(done), [one.stderr for one in done]
    return [one.stdout for one in done[1:]]


def without_database(data: Path) -> Path:
    """Moves it away. Where to."""
    away = data.with_name("away")
    away.mkdir(exist_ok=True)
    for path in data.glob("pointsman.db*"):
        shutil.move(path, away / path.name)
    return away


def test_a_start_without_the_database_serves_and_says_what_to_do(own_gateway: Make, tmp_path: Path) -> None:
    data = tmp_path / "data"
    with_a_rule(data)
    away = without_database(data)
    gateway = own_gateway()
    assert gateway.fetch("POST", CHAT.path, CHAT.ask("m")).status == 200
    ready = gateway.fetch("GET", "/readyz").json()
    assert ready["status"] == "degraded"
    assert "put it back" in ready["problems"][0]
    assert "last-good.snapshot" in ready["problems"][0]
    for method, path in [
        ("GET", "/api/mappings"),
        ("POST", "/api/mappings"),
        ("GET", "/ui"),
        ("HEAD", "/ui"),
    ]:
        answer = gateway.api_answer(method, path, {} if method == "POST" else None)
        assert answer.status == 503, (method, path)
        assert int(answer.header("retry-after") or 0) > 0
        assert answer.header("content-type") == "application/problem+json"
        if method != "HEAD":
            problem = answer.json()
            assert problem["code"] == "unavailable"
            assert str(gateway.data_dir) not in json.dumps(problem)
    said = run_cli(gateway.data_dir, "mapping", "list")
    assert said.returncode == 1
    assert "put it back" in said.stdout + said.stderr
    assert not (gateway.data_dir / "pointsman.db").exists()
    (worker,) = gateway.pids("pointsman.gateway")
    for path in away.iterdir():
        shutil.move(path, gateway.data_dir / path.name)
    wait_until("it is back", lambda: gateway.api_answer("GET", "/api/mappings").status == 200, 5)
    wait_until("it is ready", lambda: gateway.fetch("GET", "/readyz").json()["status"] == "ready", 5)
    assert gateway.pids("pointsman.gateway") == [worker], "the data plane was not started again"


def test_on_standby_a_key_is_still_needed_and_a_revoked_one_is_worthless(
    own_gateway: Make, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    good, bad, _ = with_a_rule(
        data, "key create --name good --json", "key create --name bad --json", "key revoke 2"
    )
    assert json.loads(bad)["id"] == 2
    without_database(data)
    gateway = own_gateway()
    statuses = [
        gateway.fetch("POST", CHAT.path, CHAT.ask("m"), **headers).status
        for headers in (
            {"authorization": f"Bearer {json.loads(good)['secret']}"},
            {"authorization": f"Bearer {json.loads(bad)['secret']}"},
            {},
        )
    ]
    assert statuses == [200, 401, 401]


def test_rules_kept_by_a_gateway_for_this_machine_alone_are_not_open_to_others(
    own_gateway: Make, tmp_path: Path
) -> None:
    with_a_rule(tmp_path / "data")
    gateway = own_gateway()
    assert gateway.fetch("POST", CHAT.path, CHAT.ask("m")).status == 200
    gateway.options = ("--host", "0.0.0.0")
    gateway.stop()
    without_database(gateway.data_dir)
    gateway.start()
    gateway.url = gateway.url.replace("0.0.0.0", "127.0.0.1")
    assert gateway.fetch("POST", CHAT.path, CHAT.ask("m")).status == 401


def test_a_folder_that_others_can_read_does_not_end_a_gateway_that_serves(
    own_gateway: Make, tmp_path: Path
) -> None:
    with_a_rule(tmp_path / "data")
    gateway = own_gateway()
    gateway.data_dir.chmod(0o755)
    (control,) = gateway.pids("pointsman.admin")
    os.kill(control, 9)
    client = Connection(gateway.url)
    try:
        wait_until("it was refused", lambda: gateway.read_log().count("starting it again") >= 2, 20)
        assert client.request("POST", CHAT.path, json.dumps(CHAT.ask("m")).encode()).status == 200
    finally:
        client.close()
    assert "chmod 700" in gateway.read_log()
    gateway.data_dir.chmod(0o700)
    wait_until("it is back", lambda: gateway.api_answer("GET", "/api/mappings").status == 200, 10)


@pytest.mark.parametrize("how", ["removed", "emptied"])
def test_a_database_lost_while_running_is_degraded_and_takes_no_change(own_gateway: Make, how: str) -> None:
    """`/readyz` said ready, and changes went into a file that was gone."""
    gateway = own_gateway(expect_clean_log=False)
    gateway.rule("m", "local/practice=practice:fast")
    kept = {path: path.read_bytes() for path in gateway.data_dir.glob("pointsman.db*")}
    if how == "removed":
        for path in kept:
            path.unlink()
    else:
        os.truncate(gateway.data_dir / "pointsman.db", 0)

    def problems() -> list[str]:
        said = gateway.fetch("GET", "/readyz")
        assert said.status == 200
        return list(said.json()["problems"]) if said.json()["status"] == "degraded" else []

    wait_until("it is told", problems, 15)
    body = {"model_pattern": "n", "backend_type": "openai"}
    assert gateway.api_answer("POST", "/api/mappings", body).status == 503
    assert any("database" in one.lower() for one in problems())
    chat = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
    assert gateway.fetch("POST", "/v1/chat/completions", chat).status == 200
    for path in gateway.data_dir.glob("pointsman.db*"):
        path.unlink()
    for path, data in kept.items():
        path.write_bytes(data)
        path.chmod(0o600)
    wait_until("it is over", lambda: not problems(), 20)
    gateway.rule("n", "local/practice=practice:fast")


@pytest.fixture(scope="module")
def served_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder of a gateway that has served and was stopped."""
    data = tmp_path_factory.mktemp("served") / "data"
    with Gateway(data):
        pass
    assert (data / "last-good.snapshot").exists()
    return data


@pytest.mark.parametrize(
    ("how", "spoiled"),
    [("removed", b""), ("emptied", b"nonsense\n"), ("removed", b"\xff" * 300)],
    ids=["empty", "text", "bytes"],
)
def test_no_database_and_a_damaged_snapshot_is_one_line_and_exit_code_1(
    served_once: Path, tmp_path: Path, how: str, spoiled: bytes
) -> None:
    """It started again and again, for ever."""
    data = tmp_path / "data"
    shutil.copytree(served_once, data)
    for path in data.glob("pointsman.db*"):
        path.unlink()
    if how == "emptied":
        (data / "pointsman.db").touch(0o600)
    (data / "last-good.snapshot").write_bytes(spoiled)
    done = run_cli(data, "serve", "--port", "0", timeout=60)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "put it back from your backup" in line
    assert "last good rules cannot be used either" in line
