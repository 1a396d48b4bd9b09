"""The command's surface: every command, its two options, and that help costs nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from pointsman.cli.main import main
from pointsman.cli.once import Command, Group

GROUPS = {
    "completion": {"install", "remove", "show"},
    "requests": {"running", "cancel"},
    "config": {"diff", "export", "import", "schema", "validate"},
    "mapping": {"add", "move", "list", "update", "remove"},
    "credential": {"set", "update", "list", "remove", "test"},
    "local": {
        "add",
        "adopt",
        "discover",
        "engines",
        "list",
        "logs",
        "models",
        "pull",
        "remove",
        "rm",
        "start",
        "stop",
        "test",
        "update",
    },
    "key": {"create", "list", "update", "rotate", "revoke"},
    "group": {"add", "list", "update", "remove"},
    "origin": {"add", "list", "remove"},
    "prices": {"list", "reference", "remove", "set", "update"},
    "secrets": {"rotate"},
    "audit": {"list", "show", "undo"},
    "host": {"add", "list", "remove"},
    "db": {"copy"},
    "node": {"list", "drain", "undrain"},
    "customs": {"add", "list", "remove", "set", "try"},
    "cache": {"clear", "show"},
    "shadow": {"clear", "report"},
    "recording": {"delete", "export", "import", "list", "show"},
    "capture": {"clear", "forget", "list", "requests", "show", "start", "stop"},
    "webhook": {"add", "list", "remove", "test", "update"},
}
PLAIN = {
    "apply",
    "serve",
    "ui",
    "connect",
    "launch",
    "explain",
    "usage",
    "logs",
    "top",
    "record",
    "chaos",
    "install-service",
    "doctor",
    "backup",
    "restore",
    "version",
}


def commands() -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = [(name,) for name in sorted(PLAIN)]
    return found + [(group, name) for group, names in GROUPS.items() for name in sorted(names)]


def test_the_commands_are_those_of_the_contract() -> None:
    context = click.Context(main)
    assert set(main.list_commands(context)) == set(GROUPS) | PLAIN
    for group, names in GROUPS.items():
        command = main.get_command(context, group)
        assert isinstance(command, click.Group)
        assert set(command.commands) == names


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_every_command_takes_the_two_options_and_says_what_it_does(words: tuple[str, ...]) -> None:
    done = CliRunner().invoke(main, [*words, "--help"])
    assert done.exit_code == 0
    assert "--data-dir" in done.output
    assert "--json" in done.output
    assert len([line for line in done.output.splitlines() if line.strip()]) > 4


def test_one_line_of_the_list_is_the_first_of_the_command() -> None:
    listed = CliRunner().invoke(main, ["--help"]).output
    for name in (*GROUPS, *PLAIN):
        assert f"\n  {name} " in listed


def test_help_and_a_commands_import_bring_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from pointsman.cli.main import main\n"
        "import pointsman.cli.common, pointsman.cli.mapping, pointsman.cli.credential, pointsman.cli.local\n"
        "import pointsman.cli.key, pointsman.cli.secrets, pointsman.cli.usage, pointsman.cli.explain\n"
        "import pointsman.cli.serve, pointsman.cli.version\n"
        "heavy = {'fastapi', 'pydantic', 'sqlalchemy', 'sqlmodel', 'rich', 'cryptography', 'uvicorn', 'asyncio',"
        " 'msgspec', 'starlette', 'alembic', 'http.client', 'ssl'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, timeout=30)


def test_an_unknown_command_is_wrong_usage() -> None:
    assert CliRunner().invoke(main, ["frobnicate"]).exit_code == 2
    assert CliRunner().invoke(main, ["mapping", "frobnicate"]).exit_code == 2


@pytest.mark.parametrize(
    "words",
    [["serve", "--port", "99999"], ["serve", "--workers", "0"], ["serve", "--port", "x"]],
    ids=" ".join,
)
def test_serve_refuses_what_is_no_number_of_its_kind(words: list[str]) -> None:
    assert CliRunner().invoke(main, words).exit_code == 2


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_a_value_given_twice_is_refused_not_forgotten(words: tuple[str, ...]) -> None:
    """`mapping add m --to local/box --to openai` made a rule for openai alone."""
    context, command = click.Context(main), main
    for word in words:
        found = command.get_command(context, word)  # type: ignore[attr-defined]
        assert found is not None
        command = found
    assert isinstance(command, Command | Group)
    arguments = ["x" for one in command.params if isinstance(one, click.Argument)]
    done = CliRunner().invoke(main, [*words, *arguments, "--data-dir", "/nowhere", "--data-dir=/elsewhere"])
    if "--data-dir" in {one.opts[0] for one in command.params}:
        assert done.exit_code == 2
        assert "--data-dir is given twice" in done.output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("origin", "remove", "\u00b2"), "has no scheme"),
        (("origin", "remove", "\u0663"), "has no scheme"),
        (("chaos", "http://127.0.0.1:9", "--listen", "127.0.0.1:\u00b2"), "HOST:PORT"),
    ],
)
def test_digits_that_are_not_ascii_are_no_number_and_no_traceback(
    tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    done = CliRunner().invoke(main, [*words, "--data-dir", str(tmp_path / "data")])
    assert done.exit_code in (1, 2)
    assert isinstance(done.exception, SystemExit), done.exception
    assert said in done.output
