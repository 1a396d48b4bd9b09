"""`pointsman backup` and `pointsman restore`, without a gateway."""

from __future__ import annotations

import stat
from pathlib import Path

from .conftest import Shell


def test_a_backup_is_saved_and_put_back(shell: Shell, tmp_path: Path) -> None:
    shell.run("mapping", "add", "kept", "--to", "local")
    file = tmp_path / "saved.tar"
    said = shell.run("backup", str(file))
    assert "keep that at another place" in said.stderr
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "is there already" in shell.run("backup", str(file), code=1).stderr
    shell.run("mapping", "remove", "1")
    asked = shell.run("restore", str(file), stdin="n\n", code=1)
    assert "1 mapping" in asked.stderr
    assert shell.json("mapping", "list") == []
    done = shell.json("restore", str(file), "--yes")
    assert [row["model_pattern"] for row in shell.json("mapping", "list")] == ["kept"]
    assert [one.name for one in (shell.data_dir / "backups").iterdir()] == [done["kept_aside"]]
    shell.run("restore", done["kept_aside"], "--yes")
    assert shell.json("mapping", "list") == []


def test_a_plain_copy_of_the_database_is_a_backup_and_a_text_is_none(shell: Shell, tmp_path: Path) -> None:
    shell.run("mapping", "add", "kept", "--to", "local")
    copy = tmp_path / "copy.db"
    copy.write_bytes((shell.data_dir / "pointsman.db").read_bytes())
    shell.run("mapping", "remove", "1")
    shell.run("restore", str(copy), "--yes")
    assert len(shell.json("mapping", "list")) == 1
    text = tmp_path / "text.tar"
    text.write_text("hello")
    assert "no backup that can be used" in shell.run("restore", str(text), "--yes", code=1).stderr
    assert "cannot be read" in shell.run("restore", str(tmp_path / "nowhere"), "--yes", code=1).stderr
