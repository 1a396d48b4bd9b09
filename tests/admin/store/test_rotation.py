"""The master key at start and its rotation: a crash anywhere leaves the old or the new state, both openable."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pointsman.admin.store import credentials, local_backends, sealing, settings
from pointsman.admin.store.database import Store
from pointsman.admin.store.rotation import open_vault, reseal, rotate
from pointsman.admin.store.schemas import CloudCredentialCreate, LocalBackendCreate
from pointsman.admin.vault import MasterKey, Vault, promote_key, stage_key, staged_path
from pointsman.errors import PointsmanError
from pointsman.kinds import BackendType, ErrorKind
from tests.children import child

KEYS = {"openai": "sk-a", "anthropic": "sk-b", "openai/groq": "sk-c", "local/box": "sk-d"}


def fill(store: Store, vault: Vault) -> None:
    with store.write() as session:
        for kind, name, key in (
            ("openai", "", "sk-a"),
            ("anthropic", "", "sk-b"),
            ("openai", "groq", "sk-c"),
        ):
            wish = CloudCredentialCreate(backend_type=BackendType(kind), name=name, api_key=key)
            credentials.put(session, vault, wish)
        keyed = LocalBackendCreate(name="box", base_url="http://127.0.0.1:1", api_key="sk-d")
        local_backends.create(session, vault, keyed)
        local_backends.create(session, vault, LocalBackendCreate(name="bare", base_url="http://127.0.0.1:2"))


def opened(store: Store, vault: Vault) -> dict[str, str]:
    with store.read() as session:
        found = {sealing.key_of(row): sealing.open_key(vault, row) for row in sealing.sealed_rows(session)}
    return {key: secret.reveal() for key, secret in found.items() if secret is not None}


@pytest.fixture
def filled(store: Store, vault: Vault) -> Iterator[Vault]:
    fill(store, vault)
    return vault


def test_every_row_is_sealed_anew_and_the_vault_goes_on(store: Store, filled: Vault, data_dir: Path) -> None:
    before = filled.key_id
    with store.read() as session:
        texts = {row.encrypted_api_key.text for row in sealing.sealed_rows(session) if row.encrypted_api_key}
        marks = [row.key_fingerprint for row in sealing.sealed_rows(session)]
    done = rotate(store, filled)
    assert (done.resealed, done.key_id, done.next_step) == (4, filled.key_id, None)
    assert done.key_id != before
    assert opened(store, filled) == KEYS
    assert opened(store, open_vault(store, data_dir, {})) == KEYS, "and after a restart"
    with store.read() as session:
        rows = sealing.sealed_rows(session)
        assert not texts & {row.encrypted_api_key.text for row in rows if row.encrypted_api_key}
        assert {row.encrypted_api_key.key_id for row in rows if row.encrypted_api_key} == {done.key_id}
        assert [row.key_fingerprint for row in rows] == marks, "the same keys keep their marks"
    assert not staged_path(data_dir / "master.key").exists()
    bodies = [text.rpartition(".")[2].encode() for text in texts]
    for path in data_dir.iterdir():
        assert not any(body in path.read_bytes() for body in bodies), "no old ciphertext is left"


def test_nothing_stored_can_be_rotated_too(store: Store, vault: Vault, data_dir: Path) -> None:
    assert rotate(store, vault).resealed == 0
    fill(store, vault)
    assert opened(store, open_vault(store, data_dir, {})) == KEYS


def test_a_key_of_the_environment_needs_the_new_one(store: Store, data_dir: Path) -> None:
    old, new = MasterKey.new(), MasterKey.new()
    vault = open_vault(store, data_dir, {"POINTSMAN_MASTER_KEY": old.text()})
    fill(store, vault)
    for text, word in (
        (None, "standard input"),
        ("  ", "standard input"),
        ("x", "32 bytes"),
        (old.text(), "in use"),
    ):
        with pytest.raises(PointsmanError, match=word) as caught:
            rotate(store, vault, text)
        assert (caught.value.kind, caught.value.param) == (ErrorKind.INVALID, "new_key")
    done = rotate(store, vault, new.text())
    assert "Set POINTSMAN_MASTER_KEY to the new key" in (done.next_step or "")
    assert new.text() not in (done.next_step or "")
    assert opened(store, vault) == KEYS
    assert not (data_dir / "master.key").exists()
    assert open_vault(store, data_dir, {"POINTSMAN_MASTER_KEY": old.text()}).problem is not None
    assert opened(store, open_vault(store, data_dir, {"POINTSMAN_MASTER_KEY": new.text()})) == KEYS


def test_a_named_key_file_is_replaced_in_place(store: Store, data_dir: Path, tmp_path: Path) -> None:
    named = tmp_path / "key"
    named.write_text(MasterKey.new().text())
    named.chmod(0o600)
    environ = {"POINTSMAN_MASTER_KEY_FILE": str(named)}
    vault = open_vault(store, data_dir, environ)
    fill(store, vault)
    assert rotate(store, vault).next_step is None
    assert opened(store, open_vault(store, data_dir, environ)) == KEYS


def test_a_given_key_is_taken_for_a_file_too(store: Store, filled: Vault, data_dir: Path) -> None:
    new = MasterKey.new()
    assert rotate(store, filled, new.text()).key_id == new.id
    assert MasterKey.parse((data_dir / "master.key").read_text()).same(new)


def test_one_row_that_does_not_open_stops_it_all(store: Store, filled: Vault, data_dir: Path) -> None:
    with store.write() as session:
        credentials.get(session, BackendType.OPENAI, "groq").base_url = "https://evil.example"
    before = filled.key_id
    with pytest.raises(PointsmanError, match="openai/groq cannot be opened") as caught:
        rotate(store, filled)
    assert caught.value.kind is ErrorKind.CONFLICT
    assert filled.key_id == before
    with store.write() as session:
        credentials.delete(session, BackendType.OPENAI, "groq")
    rest = {key: value for key, value in KEYS.items() if key != "openai/groq"}
    assert opened(store, filled) == rest
    assert opened(store, open_vault(store, data_dir, {})) == rest
    rotate(store, filled)
    assert opened(store, filled) == rest


def test_a_degraded_vault_does_not_rotate(store: Store, filled: Vault, data_dir: Path) -> None:
    degraded = open_vault(store, data_dir, {"POINTSMAN_MASTER_KEY": MasterKey.new().text()})
    with pytest.raises(PointsmanError, match="put the right one back"):
        rotate(store, degraded, MasterKey.new().text())
    assert opened(store, filled) == KEYS


def test_crash_before_the_transaction(store: Store, filled: Vault, data_dir: Path) -> None:
    stage_key(data_dir / "master.key", MasterKey.new())
    again = open_vault(store, data_dir, {})
    assert again.key_id == filled.key_id
    assert opened(store, again) == KEYS
    assert not staged_path(data_dir / "master.key").exists()


def test_crash_after_the_commit_before_the_rename(store: Store, filled: Vault, data_dir: Path) -> None:
    new = MasterKey.new()
    stage_key(data_dir / "master.key", new)
    with store.write() as session:
        reseal(session, filled.require(), new)
    again = open_vault(store, data_dir, {})
    assert again.key_id == new.id
    assert opened(store, again) == KEYS
    assert MasterKey.parse((data_dir / "master.key").read_text()).same(new)


def test_crash_inside_the_transaction(store: Store, filled: Vault, data_dir: Path) -> None:
    new = MasterKey.new()
    stage_key(data_dir / "master.key", new)
    with pytest.raises(KeyboardInterrupt), store.write() as session:
        reseal(session, filled.require(), new)
        raise KeyboardInterrupt
    again = open_vault(store, data_dir, {})
    assert again.key_id == filled.key_id
    assert opened(store, again) == KEYS


def test_a_rename_that_failed_is_made_up_for_before_the_next_rotation(
    store: Store, filled: Vault, data_dir: Path
) -> None:
    path = data_dir / "master.key"
    old = path.read_text()
    rotate(store, filled)
    path.rename(staged_path(path))  # as if the last rename had not happened
    path.write_text(old)
    path.chmod(0o600)
    with store.write() as session:
        bad = credentials.get(session, BackendType.OPENAI, "groq")
        bad.base_url = "https://evil.example"
    with pytest.raises(PointsmanError):
        rotate(store, filled)  # stops after the next key was staged
    assert open_vault(store, data_dir, {}).problem is None, (
        "the key in use was not overwritten by the next one"
    )
    with store.write() as session:
        credentials.get(session, BackendType.OPENAI, "groq").base_url = None
    rotate(store, filled)
    assert opened(store, filled) == KEYS
    assert opened(store, open_vault(store, data_dir, {})) == KEYS


ROTATOR = """
import sys
from pathlib import Path
from pointsman.admin.store.database import Store
from pointsman.admin.store.rotation import open_vault, rotate
data_dir = Path(sys.argv[1])
store = Store.open(data_dir)
vault = open_vault(store, data_dir, {})
print("ready", flush=True)
while True:
    rotate(store, vault)
"""


def test_killed_at_any_moment_every_key_still_opens(data_dir: Path) -> None:
    store = Store.open(data_dir)
    fill(store, open_vault(store, data_dir, {}))
    store.close()
    seen: set[str | None] = set()
    for turn in range(8):
        words = [sys.executable, "-c", ROTATOR, str(data_dir)]
        with child(words, stdout=subprocess.PIPE, text=True) as rotator:
            assert rotator.stdout is not None
            assert rotator.stdout.readline() == "ready\n"
            time.sleep(0.05 + turn * 0.0071)
            rotator.send_signal(signal.SIGKILL)
        store = Store.open(data_dir)
        vault = open_vault(store, data_dir, {})
        assert vault.problem is None
        assert opened(store, vault) == KEYS
        seen.add(vault.key_id)
        store.close()
    assert len(seen) > 1, "it did rotate"


def test_keys_set_while_it_rotates_open_afterwards(store: Store, filled: Vault) -> None:
    def put(number: int) -> None:
        for turn in range(10):
            wish = CloudCredentialCreate(
                backend_type=BackendType.OPENAI, name=f"n{number}", api_key=f"k{number}-{turn}"
            )
            with store.write() as session:
                credentials.put(session, filled, wish)

    threads = [threading.Thread(target=put, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(10):
        rotate(store, filled)
    for thread in threads:
        thread.join()
    assert opened(store, filled) == KEYS | {f"openai/n{n}": f"k{n}-9" for n in range(4)}


def test_a_lost_key_is_degraded_and_nothing_is_made(store: Store, filled: Vault, data_dir: Path) -> None:
    (data_dir / "master.key").rename(data_dir / "elsewhere")
    lost = open_vault(store, data_dir, {})
    assert "missing" in (lost.problem or "")
    assert not (data_dir / "master.key").exists()
    (data_dir / "elsewhere").rename(data_dir / "master.key")
    assert opened(store, open_vault(store, data_dir, {})) == KEYS, "putting it back is all it takes"


@pytest.mark.parametrize(
    "database_url", [None]
)  # on a PostgreSQL the first gateway has chosen: test_nodes.py
def test_with_nothing_sealed_a_new_key_may_be_used(store: Store, vault: Vault, data_dir: Path) -> None:
    (data_dir / "master.key").unlink()
    again = open_vault(store, data_dir, {})
    assert again.problem is None
    assert again.key_id != vault.key_id
    fill(store, again)
    assert opened(store, open_vault(store, data_dir, {})) == KEYS


def test_without_its_check_value_the_rows_tell_which_key_they_need(
    store: Store, filled: Vault, data_dir: Path
) -> None:
    with store.write() as session:
        settings.put(session, settings.MASTER_KEY_CHECK, "")
        row = session.get(settings.Setting, settings.MASTER_KEY_CHECK)
        assert row is not None
        session.delete(row)
    wrong = open_vault(store, data_dir, {"POINTSMAN_MASTER_KEY": MasterKey.new().text()})
    assert "put the right one back" in (wrong.problem or "")
    with store.read() as session:
        assert settings.get(session, settings.MASTER_KEY_CHECK) is None, "nothing was written"
    assert opened(store, open_vault(store, data_dir, {})) == KEYS
    with store.read() as session:
        assert settings.get(session, settings.MASTER_KEY_CHECK) is not None


def test_promoting_needs_a_staged_key(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        promote_key(tmp_path / "master.key")
