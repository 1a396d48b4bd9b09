"""`pointsman db copy` as it is typed: what it prints, what it says must be copied by hand, how it refuses."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner

from pointsman.admin.store import mappings
from pointsman.admin.store.database import Store
from pointsman.admin.store.schemas import BackendMappingCreate
from pointsman.cli.main import main
from tests.postgres_ready import ReadyDatabases


def test_a_database_is_copied_counted_and_copied_back(
    tmp_path: Path, ready_databases: ReadyDatabases
) -> None:
    folder = tmp_path / "data"
    store = Store.open(folder)
    with store.write() as session:
        mappings.create(session, BackendMappingCreate(model_pattern="m", backend_type="openai"))  # type: ignore[arg-type]
    store.close()
    file = f"sqlite:///{folder / 'pointsman.db'}"
    run = CliRunner().invoke
    with ready_databases.lent() as url:
        options = ["db", "copy", "--data-dir", str(folder), "--from", file, "--to", url]
        done = run(main, options)
        assert done.exit_code == 0, done.output
        assert "backend_mappings           1\n" in done.stdout
        assert f"copied: {folder / 'pointsman.db'} -> PostgreSQL at " in done.stdout
        assert "copy master.key, or POINTSMAN_MASTER_KEY, to where" in done.stderr
        refused = run(main, options)
        assert refused.exit_code == 1
        assert "--replace puts these in their place" in refused.stderr
        back = ["--from", url, "--to", f"sqlite:///{tmp_path / 'back.db'}", "--json"]
        said = json.loads(run(main, ["db", "copy", "--data-dir", str(folder), *back]).stdout)
        assert said["tables"]["backend_mappings"] == 1
        assert said["kept_aside"] is None
        assert run(main, [*options, "--replace"]).stdout.splitlines()[-1].startswith("what was there: ")
    assert run(main, options[:-2]).exit_code == 2
