"""What `pointsman install-service` writes, read by the programs that it is for: systemd, sh, and a property list's reader."""

from __future__ import annotations

import json
import plistlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.cli.main import main
from pointsman.cli.service_files import Service, agent, unit, variables_of, with_variables

SECRET = "sk-canary-0123456789abcdef"
AGENT_KEYS = {  # launchd.plist(5), and the type of each
    "Label": str,
    "ProgramArguments": list,
    "EnvironmentVariables": dict,
    "WorkingDirectory": str,
    "RunAtLoad": bool,
    "KeepAlive": dict,
    "ThrottleInterval": int,
    "ExitTimeOut": int,
    "ProcessType": str,
    "Umask": int,
    "StandardOutPath": str,
    "StandardErrorPath": str,
}
ODD = (
    "serve",
    "--allow-host",
    "a b",
    'qu"ote',
    "dol$lar",
    "per%cent",
    "back\\slash",
    "${HOME}",
    "it's",
    "%h;x",
)


def service(*words: str, folder: Path = Path("/home/me/da ta %h")) -> Service:
    return Service(
        command=("/usr/bin/env", *words),
        variables=folder / "service.env",
        search="/opt/$x/bin:/usr/bin",
        stop_seconds=150,
        home=Path("/home/me"),
        log=Path("/home/me/Library/Logs/pointsman.log"),
    )


def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("NO SYSTEMD here: the unit is not checked")
    file = tmp_path / "pointsman.service"
    file.write_text(unit(service(*ODD)))
    done = subprocess.run(
        ["systemd-analyze", "--user", "verify", str(file)],
        capture_output=True,
        text=True,
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path)},
        check=False,
    )
    told = [line for line in (done.stdout + done.stderr).splitlines() if "pointsman" in line]
    assert (done.returncode, told) == (0, [])
    file.write_text(unit(service(*ODD)).replace("OOMPolicy=continue", "OOMPolicy=perhaps"))
    done = subprocess.run(
        ["systemd-analyze", "--user", "verify", str(file)], capture_output=True, text=True, check=False,
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path)},
    )  # fmt: skip
    assert "perhaps" in done.stderr, "systemd-analyze looks into the file"


def test_the_agent_has_keys_that_launchd_documents_and_every_word_as_it_was() -> None:
    keys = plistlib.loads(agent(service(*ODD)).encode())
    assert {name: type(value) for name, value in keys.items()} == AGENT_KEYS
    assert tuple(keys["ProgramArguments"][-len(ODD) :]) == ODD
    assert keys["Umask"] == 0o077
    assert keys["KeepAlive"] == {"SuccessfulExit": False}
    assert keys["ExitTimeOut"] == 150, (
        "launchd kills after 20 s where nothing is said: requests would be cut off"
    )


def test_the_agents_shell_reads_the_variables_and_becomes_the_program(tmp_path: Path) -> None:
    told = service(
        sys.executable, "-c", "import os, sys; print(os.getpid(), os.environ['A'], sys.argv[1:])", *ODD
    )
    told = told._replace(variables=tmp_path / "service.env", command=told.command[1:])
    told.variables.write_text(with_variables("", {"A": 'x $HOME `id` "\\" %h'}))
    words = plistlib.loads(agent(told).encode())["ProgramArguments"]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    said, _ = process.communicate(timeout=30)
    assert said == f'{process.pid} x $HOME `id` "\\" %h {list(ODD)}\n'


@pytest.mark.parametrize("make", [unit, agent])
@pytest.mark.parametrize("bad", ["a\nExecStartPre=/bin/evil", "a\0b", "a\x1bb"])
def test_a_word_of_several_lines_is_refused(make: object, bad: str) -> None:
    assert callable(make)
    with pytest.raises(ValueError, match="holds a character"):
        make(service("serve", "--data-dir", bad))


WORDS = st.text("ab\\\"$`%= #';\u00e4", max_size=20)


@settings(deadline=None, max_examples=40)
@given(st.dictionaries(st.sampled_from(["A", "B_C", "_D1", "POINTSMAN_X"]), WORDS, max_size=4))
def test_what_is_written_is_what_is_read(new: dict[str, str]) -> None:
    mine = "# mine\nOWN='1'\n"
    text = with_variables(mine, new)
    assert variables_of(text) == {"OWN": "1", **new}
    assert with_variables(text, new) == text, "nothing is written twice"
    assert text.startswith("# mine\n")


def test_sh_reads_the_variables_as_they_were(tmp_path: Path) -> None:
    value = "".join(map(chr, range(32, 127))) + "\u00e4"
    (tmp_path / "service.env").write_text(with_variables("", {"A": value}))
    done = subprocess.run(
        ["sh", "-c", '. "$0"; printf %s "$A"', str(tmp_path / "service.env")], capture_output=True, check=True
    )
    assert done.stdout.decode() == value


def test_a_value_of_several_lines_and_an_odd_name_are_refused() -> None:
    for name, value in (("A", "x\nB=y"), ("A-B", "x")):
        with pytest.raises(ValueError, match="holds a character"):
            with_variables("", {name: value})


@pytest.mark.parametrize("manager", ["systemd", "launchd"])
def test_print_keeps_options_and_shows_no_secret(
    manager: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("POINTSMAN_MASTER_KEY", SECRET)
    monkeypatch.setenv("MINE", SECRET)
    words = [
        "install-service",
        "--print",
        "--manager",
        manager,
        "--port",
        "5017",
        "--no-discover",
        "--env",
        "MINE",
    ]
    words += ["--allow-host", "a.example", "--allow-host", "b.example", "--data-dir", str(tmp_path / "data")]
    shown = CliRunner().invoke(main, words)
    assert shown.exit_code == 0, shown.output
    assert SECRET not in shown.output
    assert "POINTSMAN_MASTER_KEY" in shown.stderr
    assert "MINE" in shown.stderr
    found = json.loads(CliRunner().invoke(main, [*words, "--json"]).stdout)
    kept = [
        "serve",
        "--port",
        "5017",
        "--no-discover",
        "--allow-host",
        "a.example",
        "--allow-host",
        "b.example",
    ]
    kept += ["--data-dir", str(tmp_path / "data")]
    if manager == "launchd":
        assert plistlib.loads(found["text"].encode())["ProgramArguments"][-len(kept) :] == kept
    else:
        assert " ".join(f'"{word}"' for word in kept) in found["text"]
    assert list(tmp_path.iterdir()) == [], "nothing is written"


def test_the_time_to_stop_follows_the_drain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POINTSMAN_DRAIN_SECONDS", "5m")
    words = ["install-service", "--print", "--manager", "systemd", "--data-dir", str(tmp_path / "data")]
    assert "TimeoutStopSec=330\n" in CliRunner().invoke(main, words).stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--print", "--remove"], "say one"),
        (["--env", "NO_SUCH_VARIABLE"], "no such variable"),
        (["--port", "x"], "--port"),
    ],
)
def test_what_cannot_be_meant_is_wrong_usage(words: list[str], said: str, tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["install-service", "--data-dir", str(tmp_path), *words])
    assert done.exit_code == 2
    assert said in done.output
