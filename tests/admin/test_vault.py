"""The vault: what opens, what does not, and where the master key comes from. Rotation: tests/admin/store."""

from __future__ import annotations

import base64
import os
import pickle
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.admin.vault import (
    Binding,
    MasterKey,
    Sealed,
    Secret,
    Source,
    Vault,
    VaultError,
    check_opens,
    fingerprint,
    make_check,
    promote_key,
    stage_key,
    staged_path,
)
from pointsman.errors import PointsmanError

HERE = Binding("cloud_credentials", "openai", "", "https://api.openai.com")
KEY = MasterKey.new()


def vault_in(folder: Path, environ: dict[str, str] | None = None, check: str | None = None) -> Vault:
    """check given: something is stored under the key it fits."""
    return Vault.load(folder, environ or {}, check is not None, check)


def test_what_is_sealed_opens() -> None:
    sealed = KEY.seal(Secret("sk-1"), HERE)
    assert KEY.open(sealed, HERE) == Secret("sk-1")
    assert sealed.text.startswith(f"pm1.{KEY.id}.")
    assert "sk-1" not in sealed.text


@given(st.text())
def test_any_text_comes_back(text: str) -> None:
    text = text.encode("utf-8", "replace").decode()
    assert KEY.open(KEY.seal(Secret(text), HERE), HERE).reveal() == text


def test_the_same_key_sealed_twice_differs() -> None:
    assert KEY.seal(Secret("a"), HERE) != KEY.seal(Secret("a"), HERE)


@pytest.mark.parametrize(
    "elsewhere",
    [
        Binding("local_backends", "openai", "", "https://api.openai.com"),
        Binding("cloud_credentials", "anthropic", "", "https://api.openai.com"),
        Binding("cloud_credentials", "openai", "groq", "https://api.openai.com"),
        Binding("cloud_credentials", "openai", "", "https://evil.example"),
        Binding("cloud_credentials", "openai", "", "http://api.openai.com"),
        Binding("cloud_credentials", "openai", "", "https://api.openai.com:8443"),
        Binding("cloud_credentialsopenai", "", "", "https://api.openai.com"),
    ],
)
def test_moved_to_another_row_or_origin_it_does_not_open(elsewhere: Binding) -> None:
    with pytest.raises(VaultError, match="moved"):
        KEY.open(KEY.seal(Secret("sk-1"), HERE), elsewhere)


def test_two_rows_swapped_open_neither() -> None:
    there = Binding("cloud_credentials", "openai", "groq", "https://api.groq.com")
    a, b = KEY.seal(Secret("a"), HERE), KEY.seal(Secret("b"), there)
    for sealed, binding in ((a, there), (b, HERE)):
        with pytest.raises(VaultError):
            KEY.open(sealed, binding)


def test_another_master_key_does_not_open_it() -> None:
    with pytest.raises(VaultError, match="another master key"):
        MasterKey.new().open(KEY.seal(Secret("a"), HERE), HERE)


def test_a_changed_key_id_is_noticed() -> None:
    other = MasterKey.new()
    forged = Sealed(KEY.seal(Secret("a"), HERE).text.replace(KEY.id, other.id))
    with pytest.raises(VaultError):
        other.open(forged, HERE)


@pytest.mark.parametrize("position", [0, 5, 12, 20, -1])
def test_a_changed_bit_is_noticed(position: int) -> None:
    head, _, body = KEY.seal(Secret("some key"), HERE).text.rpartition(".")
    raw = bytearray(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    raw[position] ^= 1
    with pytest.raises(VaultError):
        KEY.open(Sealed(f"{head}.{base64.urlsafe_b64encode(raw).decode().rstrip('=')}"), HERE)


@pytest.mark.parametrize(
    "text", ["", "pm1", "pm1..", "pm1.{id}.", "pm1.{id}.!!", "pm1.{id}.AAAA", "sk-plain", "pm1.{id}.é"]
)
def test_garbage_is_an_error_of_ours(text: str) -> None:
    with pytest.raises(VaultError):
        KEY.open(Sealed(text.format(id=KEY.id)), HERE)


def test_no_error_shows_a_key() -> None:
    with pytest.raises(PointsmanError) as wrong:
        MasterKey.new().open(KEY.seal(Secret("sk-canary"), HERE), HERE)
    assert "canary" not in f"{wrong.value!r} {wrong.value.public}"
    with pytest.raises(ValueError) as caught:
        MasterKey.parse("canary" * 9)
    assert "canary" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


@pytest.mark.parametrize(
    "text",
    [
        bytes(range(32)).hex(),
        bytes(range(32)).hex().upper(),
        base64.b64encode(bytes(range(32))).decode(),
        base64.urlsafe_b64encode(bytes(range(32))).decode(),
        base64.b64encode(bytes(range(32))).decode().rstrip("="),
        f"  {bytes(range(32)).hex()}\n",
        base64.urlsafe_b64encode(b"\xff" * 32).decode(),
    ],
)
def test_a_master_key_is_32_bytes_in_hex_or_base64(text: str) -> None:
    raw = b"\xff" * 32 if "_" in text else bytes(range(32))
    assert MasterKey.parse(text).same(MasterKey(raw))


@pytest.mark.parametrize(
    "text", ["", "short", "ab" * 31, "ab" * 33, "x" * 43 + "!", "ü" * 44, "00" * 16, "zz" * 32]
)
def test_anything_else_is_no_master_key(text: str) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        MasterKey.parse(text)


def test_a_master_key_and_a_vault_show_only_the_id(tmp_path: Path) -> None:
    vault = vault_in(tmp_path)
    key = vault.require()
    for shown in (repr(key), str(key), repr(vault), str(vault), f"{vault}"):
        assert key.text()[:10] not in shown
    with pytest.raises(TypeError):
        pickle.dumps(key)
    with pytest.raises(TypeError):
        pickle.dumps(vault)


def test_the_first_start_makes_a_private_key_file(tmp_path: Path) -> None:
    vault = vault_in(tmp_path)
    path = tmp_path / "master.key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert vault.source is Source.DATA_DIR
    assert MasterKey.parse(path.read_text()).same(vault.require())
    assert vault_in(tmp_path).require().same(vault.require()), "the next start finds it"


def test_a_new_key_is_never_made_over_existing_rows(tmp_path: Path) -> None:
    vault = vault_in(tmp_path, check=make_check(KEY))
    assert vault.problem is not None
    assert "missing" in vault.problem
    assert list(tmp_path.iterdir()) == []


def test_the_variable_comes_first_and_nothing_is_written(tmp_path: Path) -> None:
    (tmp_path / "named").write_text(MasterKey.new().text())
    environ = {"POINTSMAN_MASTER_KEY": KEY.text(), "POINTSMAN_MASTER_KEY_FILE": str(tmp_path / "named")}
    vault = vault_in(tmp_path, environ)
    assert vault.source is Source.ENVIRONMENT
    assert vault.path is None
    assert vault.require().same(KEY)
    assert not (tmp_path / "master.key").exists()


def test_the_named_file_comes_second(tmp_path: Path) -> None:
    vault_in(tmp_path)
    named = tmp_path / "named"
    named.write_text(KEY.text())
    named.chmod(0o600)
    vault = vault_in(tmp_path, {"POINTSMAN_MASTER_KEY_FILE": str(named)})
    assert vault.source is Source.NAMED_FILE
    assert vault.require().same(KEY)


@pytest.mark.parametrize(
    ("environ", "word"),
    [
        ({"POINTSMAN_MASTER_KEY": ""}, "empty"),
        ({"POINTSMAN_MASTER_KEY": "  "}, "empty"),
        ({"POINTSMAN_MASTER_KEY": "sk-canary"}, "32 bytes"),
        ({"POINTSMAN_MASTER_KEY_FILE": ""}, "empty"),
        ({"POINTSMAN_MASTER_KEY_FILE": "/nowhere/key"}, "missing"),
    ],
)
def test_a_bad_setting_is_degraded_not_replaced(tmp_path: Path, environ: dict[str, str], word: str) -> None:
    vault = vault_in(tmp_path, environ)
    assert word in (vault.problem or "")
    assert "canary" not in (vault.problem or "")
    assert list(tmp_path.iterdir()) == [], "no key of our own is made behind its back"


def test_an_open_key_file_is_not_used(tmp_path: Path) -> None:
    vault_in(tmp_path)
    (tmp_path / "master.key").chmod(0o644)
    vault = vault_in(tmp_path)
    assert f"chmod 600 {tmp_path / 'master.key'}" in (vault.problem or "")


@pytest.mark.parametrize("content", [b"", b"garbage", b"\xff\xfe"])
def test_a_damaged_key_file_is_degraded_and_kept(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "master.key"
    path.write_bytes(content)
    path.chmod(0o600)
    assert "32 bytes" in (vault_in(tmp_path).problem or "")
    assert path.read_bytes() == content


def test_a_folder_that_cannot_be_written_is_degraded(tmp_path: Path) -> None:
    vault = vault_in(tmp_path / "not-there")
    assert "cannot be written" in (vault.problem or "")


def test_a_degraded_vault_neither_seals_nor_opens(tmp_path: Path) -> None:
    vault = vault_in(tmp_path, {"POINTSMAN_MASTER_KEY": "bad"})
    with pytest.raises(VaultError) as caught:
        vault.require()
    assert caught.value.status == 503
    assert "POINTSMAN_MASTER_KEY" in caught.value.public


def test_a_wrong_key_is_noticed_by_the_check_value(tmp_path: Path) -> None:
    environ = {"POINTSMAN_MASTER_KEY": KEY.text()}
    vault = vault_in(tmp_path, environ, make_check(MasterKey.new()))
    assert "not the one" in (vault.problem or "")
    assert vault.key_id is None
    assert vault_in(tmp_path, environ, make_check(KEY)).problem is None


def test_the_check_value_opens_with_its_key_only() -> None:
    assert check_opens(KEY, make_check(KEY))
    assert not check_opens(MasterKey.new(), make_check(KEY))
    assert not check_opens(KEY, "nonsense")


def test_fingerprints_tell_keys_apart_and_depend_on_the_pepper() -> None:
    a = fingerprint(b"p" * 32, Secret("sk-a"))
    assert a == fingerprint(b"p" * 32, Secret("sk-a"))
    assert len(a) == 8
    assert len({a, fingerprint(b"p" * 32, Secret("sk-b")), fingerprint(b"q" * 32, Secret("sk-a"))}) == 3


@pytest.mark.parametrize("committed", [False, True])
def test_an_interrupted_rotation_is_settled_by_the_check_value(tmp_path: Path, committed: bool) -> None:
    old = vault_in(tmp_path).require()
    new = MasterKey.new()
    stage_key(tmp_path / "master.key", new)
    right = new if committed else old
    vault = vault_in(tmp_path, check=make_check(right))
    assert vault.require().same(right)
    assert not staged_path(tmp_path / "master.key").exists()
    assert MasterKey.parse((tmp_path / "master.key").read_text()).same(right)


def test_a_staged_key_that_fits_nothing_changes_nothing(tmp_path: Path) -> None:
    old = vault_in(tmp_path).require()
    stage_key(tmp_path / "master.key", MasterKey.new())
    vault = vault_in(tmp_path, check=make_check(MasterKey.new()))
    assert vault.problem is not None
    assert staged_path(tmp_path / "master.key").exists()
    assert MasterKey.parse((tmp_path / "master.key").read_text()).same(old)


def test_the_staged_key_serves_when_the_old_file_is_gone_already(tmp_path: Path) -> None:
    new = MasterKey.new()
    stage_key(tmp_path / "master.key", new)
    assert vault_in(tmp_path, check=make_check(new)).require().same(new)


def test_a_link_to_a_key_file_stays_a_link(tmp_path: Path) -> None:
    real = tmp_path / "real"
    real.write_text(KEY.text())
    real.chmod(0o600)
    link = tmp_path / "link"
    link.symlink_to(real)
    vault = vault_in(tmp_path, {"POINTSMAN_MASTER_KEY_FILE": str(link)})
    assert vault.path == real
    stage_key(real, MasterKey.new())
    promote_key(real)
    assert link.is_symlink()
    assert os.stat(link).st_ino == real.stat().st_ino
