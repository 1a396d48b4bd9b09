"""The admin token's file and comparison."""

from __future__ import annotations

import copy
import json
import pickle
import stat
from pathlib import Path

import pytest

from pointsman.admin.control.auth import AdminToken
from pointsman.errors import PointsmanError


def test_it_is_made_once_for_the_owner_only(tmp_path: Path) -> None:
    assert AdminToken.read(tmp_path) is None
    token = AdminToken.ensure(tmp_path)
    path = AdminToken.path(tmp_path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert AdminToken.ensure(tmp_path).reveal() == token.reveal() == path.read_text().strip()
    assert len(token.reveal()) >= 43
    assert [entry.name for entry in tmp_path.iterdir()] == ["admin-token"]


def test_an_empty_or_cut_file_is_replaced_and_never_matches_an_empty_bearer(tmp_path: Path) -> None:
    for text in ("", "\n", "pma-abc"):
        AdminToken.path(tmp_path).write_text(text)
        AdminToken.path(tmp_path).chmod(0o600)
        assert AdminToken.read(tmp_path) is None
        token = AdminToken.ensure(tmp_path)
        assert not token.opens("Bearer ")
        assert not token.opens(f"Bearer {text}")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o666])
def test_one_that_others_can_read_is_refused_with_the_fix(tmp_path: Path, mode: int) -> None:
    AdminToken.ensure(tmp_path)
    AdminToken.path(tmp_path).chmod(mode)
    with pytest.raises(PointsmanError, match="chmod 600"):
        AdminToken.read(tmp_path)


def test_it_is_shown_by_nothing(tmp_path: Path) -> None:
    token = AdminToken.ensure(tmp_path)
    for text in (repr(token), str(token), f"{token}", f"{token!r:>40}"):
        assert token.reveal() not in text
    with pytest.raises(TypeError):
        pickle.dumps(token)
    with pytest.raises(TypeError):
        copy.copy(token)
    with pytest.raises(TypeError):
        json.dumps(token)


def test_two_folders_have_two_tokens(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    first, second = AdminToken.ensure(tmp_path / "a"), AdminToken.ensure(tmp_path / "b")
    assert first.opens(f"Bearer {first.reveal()}")
    assert not first.opens(f"Bearer {second.reveal()}")
    assert not first.opens(None)
    assert not first.opens("Bearer ü")
