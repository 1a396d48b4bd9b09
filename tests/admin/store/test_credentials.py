"""Cloud credentials: the database decides what is double, and no byte of the folder holds a key."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from pointsman.admin.store import credentials, local_backends, sealing
from pointsman.admin.store.database import Store
from pointsman.admin.store.rotation import open_vault
from pointsman.admin.store.schemas import CloudCredentialCreate, CloudCredentialResponse, LocalBackendCreate
from pointsman.admin.vault import Secret, Vault, VaultError
from pointsman.errors import PointsmanError
from pointsman.kinds import AuthScheme, BackendType, ErrorKind

OPENAI = BackendType.OPENAI


def wish(**fields: Any) -> CloudCredentialCreate:
    return CloudCredentialCreate.model_validate({"backend_type": "openai", "api_key": "sk-canary-1"} | fields)


def test_put_creates_then_replaces_the_whole_row(store: Store, vault: Vault) -> None:
    first_wish = wish(
        base_url="https://gw.example", auth="api-key", dialects=["openai_chat"], max_in_flight=7
    )
    with store.write() as session:
        assert credentials.list_all(session) == []
        first = credentials.put(session, vault, first_wish)
        number, made, mark = first.id, first.created_at, first.key_fingerprint
        assert first.max_in_flight == 7
    with store.write() as session:
        second = credentials.put(session, vault, wish(api_key="sk-2"))
        assert credentials.list_all(session) == [second]
    assert (second.id, second.created_at) == (number, made)
    assert (second.base_url, second.auth, second.dialects, second.max_in_flight) == (None, None, None, None)
    assert second.updated_at > made
    assert second.key_fingerprint != mark
    assert sealing.open_key(vault, second) == Secret("sk-2")


def test_create_refuses_a_second_one(store: Store, vault: Vault) -> None:
    with store.write() as session:
        credentials.create(session, vault, wish())
    with pytest.raises(PointsmanError, match="already") as caught, store.write() as session:
        credentials.create(session, vault, wish(api_key="sk-2"))
    assert caught.value.kind is ErrorKind.CONFLICT
    with store.read() as session:
        assert sealing.open_key(vault, credentials.get(session, OPENAI)) == Secret("sk-canary-1")


def test_they_are_found_by_type_and_name(store: Store, vault: Vault) -> None:
    with store.write() as session:
        for kind, name in (("openai", "groq"), ("anthropic", ""), ("openai", "")):
            credentials.put(session, vault, wish(backend_type=kind, name=name))
    with store.read() as session:
        found = [(row.backend_type.value, row.name) for row in credentials.list_all(session)]
        assert found == [("anthropic", ""), ("openai", ""), ("openai", "groq")]
        assert credentials.get(session, OPENAI, "groq").name == "groq"
        assert credentials.find(session, OPENAI, "nope") is None
        with pytest.raises(PointsmanError, match="pointsman credential set openai/nope"):
            credentials.get(session, OPENAI, "nope")


def test_delete(store: Store, vault: Vault) -> None:
    with store.write() as session:
        credentials.put(session, vault, wish())
        credentials.delete(session, OPENAI)
        with pytest.raises(PointsmanError):
            credentials.delete(session, OPENAI)


def test_a_degraded_vault_overwrites_nothing(store: Store, vault: Vault, data_dir: Path) -> None:
    with store.write() as session:
        credentials.put(session, vault, wish())
        before = credentials.get(session, OPENAI).encrypted_api_key
    degraded = open_vault(store, data_dir, {"POINTSMAN_MASTER_KEY": "00" * 32})
    with pytest.raises(VaultError, match="not the one"), store.write() as session:
        credentials.put(session, degraded, wish(api_key="sk-2"))
    with store.read() as session:
        assert credentials.get(session, OPENAI).encrypted_api_key == before


def test_no_byte_of_the_folder_and_no_log_line_holds_a_key(
    store: Store, vault: Vault, data_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    local = LocalBackendCreate(name="box", base_url="http://127.0.0.1:1", api_key="sk-canary-2")
    with store.write() as session:
        row = credentials.put(session, vault, wish())
        local_backends.create(session, vault, local)
    for path in data_dir.iterdir():
        assert b"canary" not in path.read_bytes()
    assert "canary" not in caplog.text
    assert row.encrypted_api_key.text not in f"{row!r} {row} {row.model_dump()} {row.model_dump_json()}"
    answer = CloudCredentialResponse.model_validate(row).model_dump_json()
    assert "canary" not in answer
    assert row.encrypted_api_key.text not in answer


def test_a_removed_keys_ciphertext_leaves_the_file(data_dir: Path) -> None:
    store = Store.open(data_dir)
    vault = open_vault(store, data_dir, {})
    with store.write() as session:
        row = credentials.put(session, vault, wish())
    store.backing.settle()
    body = row.encrypted_api_key.text.rpartition(".")[2].encode()
    assert body in (data_dir / "pointsman.db").read_bytes()
    with store.write() as session:
        credentials.delete(session, OPENAI)
    store.backing.settle()
    assert not any(body in path.read_bytes() for path in data_dir.iterdir())


def test_swapped_ciphertexts_open_neither_row(store: Store, vault: Vault) -> None:
    with store.write() as session:
        here = credentials.put(session, vault, wish())
        there = credentials.put(session, vault, wish(name="b"))
        here.encrypted_api_key, there.encrypted_api_key = there.encrypted_api_key, here.encrypted_api_key
        session.add_all([here, there])
    with store.read() as session:
        for name in ("", "b"):
            with pytest.raises(VaultError, match="set the key again"):
                sealing.open_key(vault, credentials.get(session, OPENAI, name))


def test_a_key_does_not_follow_a_changed_origin(store: Store, vault: Vault) -> None:
    with store.write() as session:
        row = credentials.put(session, vault, wish())
        row.base_url = "https://evil.example"
        with pytest.raises(VaultError, match="openai cannot be used"):
            sealing.open_key(vault, row)
        row.base_url = "https://api.openai.com/proxy"
        assert sealing.open_key(vault, row) == Secret("sk-canary-1"), "the same origin, spelled out"
        row.base_url = "nonsense"
        with pytest.raises(VaultError, match="not valid"):
            sealing.open_key(vault, row)
        row.base_url = None


def test_auth_and_dialects_are_kept(store: Store, vault: Vault) -> None:
    with store.write() as session:
        credentials.put(session, vault, wish(auth="api-key", dialects=["openai_chat", "embeddings"]))
    with store.read() as session:
        row = credentials.get(session, OPENAI)
        assert row.auth is AuthScheme.API_KEY
        assert row.dialects == ["openai_chat", "embeddings"]


@pytest.mark.parametrize("same", [True, False])
def test_the_fingerprint_tells_two_keys_apart(store: Store, vault: Vault, same: bool) -> None:
    with store.write() as session:
        a = credentials.put(session, vault, wish())
        b = credentials.put(session, vault, wish(name="b", api_key="sk-canary-1" if same else "sk-3"))
    assert (a.key_fingerprint == b.key_fingerprint) is same
