"""Bodies that are kept: sealed, bounded, bound to their name."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from pointsman.admin.control import captured
from pointsman.admin.control.captured import CapturedFiles
from pointsman.admin.vault import MasterKey, Source, Vault
from pointsman.errors import PointsmanError
from pointsman.link.messages import Captured

ASKED = b'{"messages":[{"content":"the plan, sk-abcdefghijklmnopqrst"}]}'


def one(name: str = "req_1", asked: bytes = ASKED, answered: bytes = b"fine") -> Captured:
    return Captured(
        name, 1_700_000_000.0, "/v1/x", "m", "openai:m", 3, None, 200, asked, len(asked), answered, 9
    )


@pytest.fixture
def vault() -> Vault:
    return Vault(Source.ENVIRONMENT, None, MasterKey.new(), None)


def test_what_is_kept_is_sealed_and_shown_redacted(tmp_path: Path, vault: Vault) -> None:
    kept = CapturedFiles(tmp_path, vault)
    kept.keep(one())
    (file,) = (tmp_path / "captured").iterdir()
    assert b"the plan" not in file.read_bytes()
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    shown = kept.show("req_1")
    assert "the plan, sk-[redacted]" in shown["asked"]
    assert (shown["asked_cut"], shown["answered"], shown["answered_cut"]) == (False, "fine", True)
    (listed,) = kept.list_all()
    assert (listed["request_id"], listed["status"], listed["answered_size"]) == ("req_1", 200, 9)
    kept.clear()
    assert kept.list_all() == []


def test_escapes_hide_nothing(tmp_path: Path, vault: Vault) -> None:
    kept = CapturedFiles(tmp_path, vault)
    kept.keep(one(asked=b'{"a":"\\u0073k-abcdefghijklmnopqrst"}'))
    assert "abcdefgh" not in kept.show("req_1")["asked"]


@pytest.mark.parametrize("name", ["nobody", "../master", "a/b", "", "x" * 200, "req_1\n"])
def test_of_any_other_name_nothing_is_kept(name: str, tmp_path: Path, vault: Vault) -> None:
    with pytest.raises(PointsmanError, match="Nothing is kept"):
        CapturedFiles(tmp_path, vault).show(name)


def test_a_file_under_another_name_or_another_key_does_not_open_and_goes(
    tmp_path: Path, vault: Vault
) -> None:
    kept = CapturedFiles(tmp_path, vault)
    kept.keep(one())
    (file,) = (tmp_path / "captured").iterdir()
    file.rename(file.with_name("req_2.sealed"))
    assert kept.list_all() == []
    kept.keep(one("req_3"))
    vault.adopt(MasterKey.new())
    assert kept.list_all() == []
    assert list((tmp_path / "captured").iterdir()) == []


def test_while_there_is_no_key_nothing_is_kept_and_nothing_goes(tmp_path: Path, vault: Vault) -> None:
    kept = CapturedFiles(tmp_path, vault)
    kept.keep(one())
    vault.refuse("it is away")
    with pytest.raises(PointsmanError):
        kept.keep(one("req_2"))
    assert kept.list_all() == []
    assert len(list((tmp_path / "captured").iterdir())) == 1


def test_too_many_too_large_and_too_old_go_the_oldest_first(
    tmp_path: Path, vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(captured, "MOST_FILES", 5)
    kept = CapturedFiles(tmp_path, vault)
    folder = tmp_path / "captured"
    for number in range(8):
        kept.keep(one(f"req_{number}"))
        os.utime(folder / f"req_{number}.sealed", (time.time() + number - 100,) * 2)
        kept.tend()
    assert [found["request_id"] for found in kept.list_all()] == [f"req_{n}" for n in (7, 6, 5, 4, 3)]
    size = (folder / "req_7.sealed").stat().st_size
    monkeypatch.setattr(captured, "MOST_BYTES", 3 * size)
    kept.tend()
    assert len(kept.list_all()) == 3
    os.utime(folder / "req_6.sealed", (time.time() - captured.KEPT_SECONDS - 1,) * 2)
    assert [found["request_id"] for found in kept.list_all()] == ["req_7", "req_5"]
