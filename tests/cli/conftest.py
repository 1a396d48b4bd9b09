"""Runs commands in this process on a data folder of the test's own (no gateway: they open the database)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from pointsman.cli.main import main


class Shell:
    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir

    def run(self, *words: str, stdin: str = "", code: int = 0) -> Result:
        done = CliRunner().invoke(main, [*words, "--data-dir", str(self.data_dir)], input=stdin)
        assert done.exit_code == code, (words, done.exit_code, done.output, done.exception)
        return done

    def json(self, *words: str, stdin: str = "", code: int = 0) -> Any:
        return json.loads(self.run(*words, "--json", stdin=stdin, code=code).stdout)


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    for name in (
        "POINTSMAN_MASTER_KEY",
        "POINTSMAN_MASTER_KEY_FILE",
        "POINTSMAN_DATABASE_URL",
        "POINTSMAN_DATA_DIR",
    ):
        monkeypatch.delenv(name, raising=False)
    return Shell(tmp_path / "data")
