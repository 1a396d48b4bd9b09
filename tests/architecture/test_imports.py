"""What a process of each kind really imports, seen from inside a fresh one. The contracts of .importlinter are static."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from pointsman.dialects.base import Seen
from pointsman.dialects.registry import DIALECTS
from pointsman.kinds import Protocol

SOURCE = Path(__file__).resolve().parents[2] / "src" / "pointsman"
HEAVY = {
    "sqlalchemy",
    "sqlmodel",
    "alembic",
    "sqlite3",
    "pydantic",
    "fastapi",
    "starlette",
    "uvicorn",
    "cryptography",
}
SCREEN = {"rich", "click"}


def imported_by(statement: str) -> set[str]:
    """Names of all modules that are loaded in a fresh interpreter after the statement."""
    code = f"{statement}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


def heavy(loaded: set[str], unwanted: set[str]) -> set[str]:
    return {name for name in loaded if name.partition(".")[0] in unwanted}


def ours(loaded: set[str]) -> set[str]:
    return {name.split(".")[1] for name in loaded if name.startswith("pointsman.")}


@pytest.mark.parametrize(
    ("statement", "unwanted"),
    [
        ("import pointsman.gateway.__main__", HEAVY | SCREEN | {"argparse"}),
        ("import pointsman.admin.__main__", SCREEN | {"argparse"}),
        (
            "import pointsman.process.supervisor",
            HEAVY | SCREEN | {"uvloop", "httptools", "msgspec", "asyncio", "hashlib", "ssl", "ctypes"},
        ),
        ("import pointsman.cli.main", HEAVY | {"rich", "uvloop", "httptools", "msgspec", "asyncio", "http"}),
        (
            "import pointsman.warden.__main__",
            HEAVY
            | SCREEN
            | {"uvloop", "httptools", "msgspec", "asyncio", "platformdirs", "subprocess", "ctypes"},
        ),
        ("import pointsman.practice", HEAVY | SCREEN | {"msgspec", "httptools", "uvloop"}),
        ("import pointsman", HEAVY | SCREEN | {"asyncio", "msgspec", "uvloop"}),
        ("from pointsman.admin.vault import Secret", {"cryptography"}),
        ("import pointsman.link.server", HEAVY | SCREEN),
        (
            "import pointsman.routing.table, pointsman.resilience.walk, pointsman.wire.splice",
            HEAVY | {"asyncio", "socket", "ssl"},
        ),
    ],
    ids=lambda value: value.removeprefix("import ") if isinstance(value, str) else "",
)
def test_what_is_not_loaded(statement: str, unwanted: set[str]) -> None:
    assert heavy(imported_by(statement), unwanted) == set()


def test_the_data_plane_sees_neither_store_nor_control_plane_nor_commands() -> None:
    found = ours(imported_by("import pointsman.gateway.__main__"))
    assert not found & {"admin", "cli", "models", "local", "practice"}
    assert "pointsman.process.supervisor" not in imported_by("import pointsman.gateway.__main__")


def test_the_control_plane_links_up_before_it_imports_protocols_and_its_http_side() -> None:
    loaded = imported_by("import pointsman.admin.__main__")
    assert "pointsman.link.messages" in loaded
    assert not ours(loaded) & {"dialects", "translation", "upstream", "resilience", "engines", "modelstore"}
    assert not {
        name for name in loaded if name.startswith(("pointsman.admin.app", "pointsman.admin.routers"))
    }
    assert (
        heavy(loaded, {"fastapi", "starlette", "uvicorn", "httptools", "alembic", "opentelemetry", "click"})
        == set()
    )


def test_the_practice_backend_has_its_own_wire_code() -> None:
    assert ours(imported_by("import pointsman.practice")) <= {"practice", "kinds", "native"}


def test_help_is_light() -> None:
    """`pointsman --help` loads click and the command group, and no command's own imports."""
    code = (
        "import json, sys\n"
        "from pointsman.cli.main import main\n"
        "sys.argv = ['pointsman', '--help']\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print(json.dumps(sorted(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    loaded = set(json.loads(done.stdout.splitlines()[-1]))
    assert "serve" in done.stdout
    assert heavy(loaded, HEAVY | {"rich", "msgspec", "uvloop", "httptools"}) == set()
    assert "pointsman.process.supervisor" not in loaded


# -- a protocol is a folder and a row


def folders() -> set[str]:
    return {path.name for path in (SOURCE / "dialects").iterdir() if (path / "__init__.py").exists()}


def test_dialect_folders_are_the_registry() -> None:
    assert folders() == {protocol.value for protocol in DIALECTS} == {protocol.value for protocol in Protocol}
    for protocol, dialect in DIALECTS.items():
        assert dialect.protocol is protocol
        home = f"pointsman.dialects.{protocol.value}."
        assert dialect.stream_error.__module__ == f"{home}errors"  # type: ignore[attr-defined]
        if dialect.halves:  # only clients speak it: no answer in it is ever read
            assert dialect.seen is Seen
        else:
            assert dialect.seen.__module__ == f"{home}seen"


def test_every_dialect_has_the_same_files() -> None:
    shapes = {name: {path.name for path in (SOURCE / "dialects" / name).glob("*.py")} for name in folders()}
    needed = {"__init__.py", "dialect.py", "errors.py"}
    clients_only = {protocol.value for protocol, dialect in DIALECTS.items() if dialect.halves}
    for name, files in shapes.items():
        assert needed | (set() if name in clients_only else {"seen.py"}) <= files, shapes
