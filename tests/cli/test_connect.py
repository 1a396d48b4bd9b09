"""`pointsman connect` and `launch` on files: what they write, keep, refuse and put back. No gateway runs: the real programs
are tests/programs/test_real.py."""

from __future__ import annotations

import json
import os
import pty
import shlex
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pointsman.cli.main import main
from pointsman.errors import PointsmanError
from pointsman.programs.files import settings_file
from pointsman.programs.files.masked import masked
from pointsman.programs.program import Pointed, SettingsFile, filled
from pointsman.programs.registry import BY_NAME, PROGRAMS
from tests.children import child

from .conftest import Shell

URL = "http://127.0.0.1:4480"
CODEX = '# mine\nmodel = "gpt-5" # own\n\n[mcp_servers.x]\nenv = { API_TOKEN = "abcdefgh12345" }\n'
WRITABLE = [program.name for program in PROGRAMS if program.files]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in os.environ:
        if name.startswith(("XDG_", "CODEX_", "CLAUDE_", "LLM_", "CONTINUE_", "POINTSMAN_")):
            monkeypatch.delenv(name)
    path = tmp_path / "home"
    path.mkdir()
    monkeypatch.setenv("HOME", str(path))
    return path


def codex(home: Path, text: str = CODEX) -> Path:
    path = home / ".codex" / "config.toml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def everything(folder: Path) -> dict[str, bytes | None]:
    return {str(one): one.read_bytes() if one.is_file() else None for one in folder.rglob("*")}


@pytest.mark.parametrize("name", WRITABLE)
def test_a_file_that_is_not_there_is_made_private_and_goes_again_with_its_folders(
    shell: Shell, home: Path, name: str
) -> None:
    shown = shell.run("connect", name)
    assert "nothing is changed yet" in shown.stderr
    assert everything(home) == {}, "nothing is written without --write"
    done = shell.run("connect", name, "--write")
    program = BY_NAME[name]
    paths = [settings_file.place_of(one.file, os.environ) for one in program.files if one.file]
    for path, snippet in zip(paths, program.files, strict=True):
        assert path.read_text() == filled(snippet, Pointed(URL, "practice")) + "\n"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert f"changed: {path}; it was not there before" in done.stderr
    before = everything(home)
    again = shell.run("connect", name, "--write")
    assert again.stderr.count("says all of it already") == len(paths)
    assert everything(home) == before
    shell.run("connect", name, "--undo")
    assert everything(home) == {}


def test_a_file_that_is_there_keeps_its_permissions_and_comes_back_as_it_was(
    shell: Shell, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = codex(home)
    path.chmod(0o640)
    before = everything(home)
    monkeypatch.setenv("PATH", str(home))
    done = shell.run("connect", "codex", "--write")
    assert "codex is not on the PATH here; to install it: npm install -g @openai/codex" in done.stderr
    assert '-model = "gpt-5" # own\n+model = "practice" # own\n+model_provider = "pointsman"\n' in done.stdout
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    copy = path.with_name("config.toml.before-pointsman")
    assert (copy.read_text(), stat.S_IMODE(copy.stat().st_mode)) == (CODEX, 0o640)
    assert f"as it was before: {copy}" in done.stderr
    shell.run("connect", "codex", "--undo")
    assert everything(home) == before
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert "nothing to put back" in shell.run("connect", "codex", "--undo").stderr


def test_another_model_goes_into_its_place_and_undo_goes_all_the_way_back(shell: Shell, home: Path) -> None:
    path = codex(home)
    shell.run("connect", "codex", "--write", "--model", "one")
    path.write_text(path.read_text() + '\n[projects."/x"]\ntrust_level = "trusted"\n')  # as Codex does
    assert "says all of it already" in shell.run("connect", "codex", "--write", "--model", "one").stderr
    shell.run("connect", "codex", "--write", "--model", "two", "--url", "https://models.example.com/")
    text = path.read_text()
    assert text.count("model_providers.pointsman]") == 1
    assert 'model = "two" # own' in text
    assert 'base_url = "https://models.example.com/v1"' in text
    shell.run("connect", "codex", "--undo")
    assert path.read_text() == CODEX + '\n[projects."/x"]\ntrust_level = "trusted"\n'
    assert [one.name for one in path.parent.iterdir()] == ["config.toml"]


def test_what_its_user_has_changed_since_is_never_lost(shell: Shell, home: Path) -> None:
    path = codex(home)
    shell.run("connect", "codex", "--write")
    path.write_text(path.read_text().replace('model = "practice"', 'model = "mine"'))
    before = everything(home)
    done = shell.run("connect", "codex", "--undo", code=1)
    assert (
        "was changed since, also where Pointsman had changed it: model. Nothing was taken back" in done.stderr
    )
    assert everything(home) == before
    shell.run("connect", "codex", "--write", "--model", "third")
    shell.run("connect", "codex", "--undo")
    assert path.read_text() == CODEX.replace("gpt-5", "mine")


def test_a_file_that_was_removed_since(shell: Shell, home: Path) -> None:
    shell.run("connect", "codex", "--write")
    (home / ".codex" / "config.toml").unlink()
    shell.run("connect", "codex", "--undo")
    assert everything(home) == {}
    path = codex(home)
    shell.run("connect", "codex", "--write")
    path.unlink()
    assert "is gone; as it was before it is" in shell.run("connect", "codex", "--undo", code=1).stderr


def test_a_write_that_was_cut_short_is_put_back_too(shell: Shell, home: Path) -> None:
    """The copy and the record are written first, and the file last."""
    path = codex(home)
    before = everything(home)
    shell.run("connect", "codex", "--write", "--model", "one")
    first = path.read_text()
    shell.run("connect", "codex", "--write", "--model", "two")
    path.write_text(first)
    shell.run("connect", "codex", "--undo")
    assert everything(home) == before
    shell.run("connect", "codex", "--write")
    path.write_text(CODEX)
    shell.run("connect", "codex", "--undo")
    assert everything(home) == before


@pytest.mark.parametrize("text", ['model = "gpt-5\n', "\xff\xfe", "[a]\n[a]\n"])
def test_a_broken_file_is_told_and_left_alone(shell: Shell, home: Path, text: str) -> None:
    path = codex(home)
    path.write_bytes(text.encode("latin-1"))
    for options in ((), ("--write",)):
        done = shell.run("connect", "codex", *options, code=1)
        assert f"{path} is broken, and nothing was changed: " in done.stderr
    assert path.read_bytes() == text.encode("latin-1")
    assert [one.name for one in path.parent.iterdir()] == ["config.toml"]


def test_a_file_that_is_another_one_is_refused(shell: Shell, home: Path, tmp_path: Path) -> None:
    other = tmp_path / "dotfiles.toml"
    other.write_text(CODEX)
    path = home / ".codex" / "config.toml"
    path.parent.mkdir()
    path.symlink_to(other)
    done = shell.run("connect", "codex", "--write", code=1)
    assert f"{path} is a symbolic link to {other}; name the file itself: --config {other}" in done.stderr
    done = shell.run("connect", "codex", "--write", "--config", str(other))
    assert f"pointsman connect codex --undo --config {other}" in done.stderr
    assert "pointsman" in other.read_text()
    assert path.is_symlink()
    shell.run("connect", "codex", "--undo", "--config", str(other))
    assert other.read_text() == CODEX
    path.unlink()
    os.link(other, path)
    assert "has 2 names (hard links)" in shell.run("connect", "codex", "--write", code=1).stderr
    path.unlink()
    path.symlink_to(tmp_path / "nothing")
    assert "symbolic link" in shell.run("connect", "codex", "--write", code=1).stderr
    path.unlink()
    path.mkdir()
    assert str(path) in shell.run("connect", "codex", "--write", code=1).stderr
    path.rmdir()
    os.mkfifo(path)
    assert "is no file" in shell.run("connect", "codex", "--write", code=1).stderr


def test_somebody_elses_change_at_the_same_moment_is_not_written_over(home: Path) -> None:
    path, snippet = codex(home), BY_NAME["codex"].files[0]
    assert snippet.file is not None
    planned = settings_file.plan(path, snippet.file, snippet.writing, filled(snippet, Pointed(URL, "m")))
    path.write_text("late = 1\n")
    with pytest.raises(PointsmanError, match="just been changed by somebody else"):
        settings_file.write(planned)
    assert everything(path.parent) == {str(path): b"late = 1\n"}


def test_a_record_that_cannot_be_understood_is_told(shell: Shell, home: Path) -> None:
    path = codex(home)
    for text in (
        "",
        "{}",
        '{"sha256": 1}',
        '{"sha256":"","was":"","existed":true,"touched":[{"path":7}],"folders":[]}',
    ):
        path.with_name("config.toml.pointsman-undo").write_text(text)
        assert "cannot be understood" in shell.run("connect", "codex", "--undo", code=1).stderr
    assert path.read_text() == CODEX


def test_where_a_file_is(shell: Shell, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def files(name: str) -> list[str]:
        return next(row["files"] for row in shell.json("connect") if row["name"] == name)

    assert files("codex") == [str(home / ".codex/config.toml")]
    monkeypatch.setenv("CODEX_HOME", str(home / "c"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "xdg"))
    assert files("codex") == [str(home / "c/config.toml")]
    assert files("opencode") == [str(home / "xdg/opencode/opencode.json")]
    (home / "xdg/opencode").mkdir(parents=True)
    plain = home / "xdg/opencode/opencode.json"
    shell.run("connect", "opencode", "--write")
    (home / "xdg/opencode/opencode.jsonc").write_text("{}")
    assert files("opencode") == [str(plain)], "what was changed is put back"
    shell.run("connect", "opencode", "--undo")
    plain.write_text("{}")
    assert files("opencode") == [str(home / "xdg/opencode/opencode.jsonc")], "the one that goes before"
    (home / ".continue").mkdir()
    (home / ".continue/config.json").write_text("{}")
    assert files("continue") == [str(home / ".continue/config.yaml")]
    done = shell.run("connect", "continue", "--write", code=1)
    assert "config.json would no longer be read" in done.stderr


def test_no_secret_is_shown_in_full_unless_asked_for(shell: Shell, home: Path) -> None:
    codex(home)
    secret = shell.json("key", "create", "--name", "x")["secret"]
    assert "--key NAME" in shell.run("connect", "codex", "--write", code=1).stderr
    shown = shell.run("connect", "codex")
    assert "--key NAME" in shown.stderr
    assert 'args = ["YOUR-CLIENT-KEY"]' in shown.stdout
    done = shell.run("connect", "codex", "--key", "-", stdin=f"{secret}\n")
    assert secret not in done.output
    assert f'args = ["{secret[:4]}..."]' in done.stdout
    assert 'API_TOKEN = "abcd..."' in done.stdout, "its user's own, that stands beside"
    told = shell.json("connect", "codex", "--key", "-", stdin=secret)
    assert secret not in json.dumps(told)
    assert secret in shell.run("connect", "codex", "--key", "-", "--show-secrets", stdin=secret).stdout
    done = shell.run("connect", "codex", "--key", "-", "--write", stdin=secret)
    assert secret not in done.output
    assert secret in (home / ".codex/config.toml").read_text()
    assert "chmod 600" in done.stderr, "others could read the file, and now there is a key in it"


def test_a_key_is_made_once_and_stays(shell: Shell, home: Path) -> None:
    shell.run("connect", "codex", "--key", "for codex")
    assert shell.json("key", "list") == [], "showing makes none"
    shell.run("connect", "codex", "--key", "for codex", "--write")
    text = (home / ".codex/config.toml").read_text()
    shell.run("connect", "codex", "--key", "for codex", "--write")
    shell.run("connect", "codex", "--write", "--model", "practice")
    assert (home / ".codex/config.toml").read_text() == text, "the key that it has is kept"
    (key,) = shell.json("key", "list")
    assert (key["name"], key["prefix"] in text) == ("for codex", True)
    shell.run("key", "revoke", str(key["id"]))
    shell.run("connect", "codex", "--write", code=1)


def test_a_key_that_goes_into_no_file_is_shown_when_it_is_made(shell: Shell, home: Path) -> None:
    done = shell.run("connect", "goose", "--key", "g", "--write")
    (key,) = shell.json("key", "list")
    line = next(line for line in done.stdout.splitlines() if line.startswith("export OPENAI_API_KEY="))
    assert line.partition("=")[2].startswith(key["prefix"])
    assert len(line) > 40
    zed = shell.run("connect", "zed", "--key", "z", "--write")
    assert "export POINTSMAN_API_KEY=pm-" in zed.stdout


def test_who_has_no_file_is_shown_what_to_do(shell: Shell, home: Path) -> None:
    done = shell.run("connect", "cursor")
    assert "Cursor asks from its maker's servers, which cannot reach http://127.0.0.1:4480" in done.stderr
    assert "cannot reach" in shell.run("connect", "cursor", "--write", code=1).stderr
    done = shell.run(
        "connect", "cursor", "--url", "https://models.example.com", "--model", "m", "--write", code=1
    )
    assert "Cursor keeps its settings in a store of its own" in done.stderr
    done = shell.run("connect", "open-webui")
    assert "host.docker.internal" in done.stdout
    assert "a database of its own" in shell.run("connect", "open-webui", "--write", code=1).stderr
    assert "/v1/chat/completions" in shell.run("connect", "curl").stdout
    assert everything(home) == {}


def test_words_that_mean_nothing(shell: Shell, home: Path) -> None:
    for words in (("codex", "--write", "--undo"), ("--write",), ("nobody",), ("curl", "--config", "x"),
                  ("llm", "--config", "x.toml"), ("codex", "--model", "a", "--model", "b")):  # fmt: skip
        shell.run("connect", *words, code=2)
    assert "model's name" in shell.run("connect", "codex", "--model", "a\nb", code=1).stderr
    shell.run("local", "add", "box", "--url", "http://127.0.0.1:9")
    for name in ("alpha", "beta"):
        shell.run("mapping", "add", name, "--to", "local/practice", "--model", "practice")
    done = shell.run("connect", "codex", code=2)
    assert "name a model with --model; there are: alpha, beta" in done.stderr
    done = shell.run("connect", "codex", "--model", "gamma")
    assert "warning: No rule matches the model 'gamma'" in done.stderr
    assert "warning" not in shell.run("connect", "codex", "--model", "beta").stderr


def test_an_address_is_one(shell: Shell, home: Path) -> None:
    for url in ("127.0.0.1:4480", "ftp://x", "http://", "x"):
        assert "is no address" in shell.run("connect", "codex", "--model", "m", "--url", url, code=2).stderr
    assert "name a model" in shell.run("connect", "codex", "--url", URL, code=2).stderr
    done = shell.run("connect", "codex", "--model", "m", "--url", "http://box.lan:4480/v1/")
    assert 'base_url = "http://box.lan:4480/v1"' in done.stdout
    key = "pm-" + "k" * 49
    shell.run(
        "connect", "codex", "--model", "m", "--url", "http://box.lan", "--key", "-", "--write", stdin=key
    )
    shell.run("connect", "codex", "--model", "n", "--url", "http://box.lan", "--write")
    assert f'args = ["{key}"]' in (home / ".codex/config.toml").read_text(), "it is not taken away"
    assert not shell.data_dir.exists(), "a gateway elsewhere needs no data folder here"
    done = shell.run("connect", "codex", "--model", "m", "--url", "unix:///run/x.sock", "--write", code=1)
    assert "listens on a Unix socket alone" in done.stderr


def test_what_may_lead_it_elsewhere_is_told(
    shell: Shell, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLAUDE_CODE_USE_BEDROCK", "1")
    (home / ".claude").mkdir()
    (home / ".claude/settings.json").write_text('{"env": {"ANTHROPIC_API_KEY": "sk-ant-abcdefgh"}}')
    done = shell.run("connect", "claude")
    assert "ANTHROPIC_API_KEY is set in its settings, and may lead Claude Code elsewhere" in done.stderr
    assert "CLAUDE_CODE_USE_BEDROCK is set in this shell" in done.stderr
    assert "abcdefgh" not in done.output


def test_a_file_that_its_user_made_read_only_is_left_alone(shell: Shell, home: Path) -> None:
    path = codex(home)
    path.chmod(0o444)
    assert "chmod u+w" in shell.run("connect", "codex", "--write", code=1).stderr
    assert everything(path.parent) == {str(path): CODEX.encode()}


def test_the_list_says_what_is_connected(shell: Shell, home: Path) -> None:
    shell.run("connect", "codex", "--write")
    lines = shell.run("connect").stdout.splitlines()
    assert [line.split()[0] for line in lines if " yes " in line] == ["codex"]
    shell.run("connect", "codex", "--undo")
    assert not any(" yes " in line for line in shell.run("connect").stdout.splitlines())


def test_llm_has_two_files(shell: Shell, home: Path) -> None:
    folder = home / ".config/io.datasette.llm"
    folder.mkdir(parents=True)
    (folder / "keys.json").write_text('{\n  "// Note": "n",\n  "openai": "sk-abcdefghijklmnop"\n}\n')
    before = everything(home)
    done = shell.run("connect", "llm", "--write")
    assert "sk-abcdefghijklmnop" not in done.output
    assert json.loads((folder / "keys.json").read_text())["pointsman"] == "none"
    assert "model_id" in (folder / "extra-openai-models.yaml").read_text()
    shell.run("connect", "llm", "--undo")
    assert everything(home) == before
    shell.run("connect", "llm", "--write", "--config", str(folder / "other.yaml"))
    assert (folder / "other.yaml").exists()


def test_a_byte_order_mark_and_line_ends_stay(shell: Shell, home: Path) -> None:
    path = home / ".claude/settings.json"
    path.parent.mkdir()
    mine = b'\xef\xbb\xbf{\r\n  "model": "opus"\r\n}\r\n'
    path.write_bytes(mine)
    shell.run("connect", "claude", "--write")
    made = path.read_bytes()
    assert made.startswith(mine[:-5])
    assert b"\n" not in made.replace(b"\r\n", b"")
    shell.run("connect", "claude", "--undo")
    assert path.read_bytes() == mine


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["C"]), max_size=30)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(TEXT, TEXT | st.dictionaries(TEXT, TEXT, max_size=2), max_size=4),
    st.sampled_from([0, 2, None]),
    TEXT.filter(str.isprintable),
)
def test_write_and_undo_give_the_same_bytes(
    tmp_path: Path, data: dict[str, object], indent: int | None, model: str
) -> None:
    """Whatever was in the file; and twice over it as well."""
    snippet = BY_NAME["opencode"].files[0]
    assert snippet.file is not None
    path = tmp_path / "opencode.json"
    raw = json.dumps(data, indent=indent, ensure_ascii=False).encode()
    path.write_bytes(raw)
    try:
        for name in ("practice", f"m{model}"):
            text = filled(snippet, Pointed(URL, name))
            settings_file.write(settings_file.plan(path, snippet.file, snippet.writing, text))
    except PointsmanError as error:
        assert "is not a group of values" in error.public, "only what stands in the way is refused"
    planned = settings_file.plan_undo(path, snippet.file, snippet.writing)
    if planned is not None:
        settings_file.undo(planned)
    assert everything(tmp_path) == {str(path): raw}


# -- launch --------------------------------------------------------------------------------------------


def test_nothing_is_started_where_no_gateway_runs(
    shell: Shell, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(home))
    done = shell.run("launch", "claude", code=1)
    assert (
        "claude is not installed here. To install it: npm install -g @anthropic-ai/claude-code" in done.stderr
    )
    program(home, "claude", "exit 0")
    assert "No gateway runs here; start one: pointsman serve" in shell.run("launch", "claude", code=1).stderr
    shell.run("launch", "zed", code=2)


def program(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def launch(shell: Shell, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    command = [
        str(Path(sys.executable).with_name("pointsman")),
        "launch",
        *words[:1],
        "--data-dir",
        str(shell.data_dir),
    ]
    return subprocess.run(
        [*command, "--url", URL, "--model", "practice", *words[1:]],
        env={**os.environ, **environ},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_program_is_started_as_if_its_user_had_typed_it(shell: Shell, home: Path) -> None:
    """Its words, exit code and standard streams are its own, and so are the signals: Python ignores SIGPIPE."""
    script = r"""printf '%s\n' "$@"; env; grep SigIgn /proc/self/status; exit 7"""
    program(home, "claude", script)
    words = ["-p", "a  b", "--model", "theirs", "--", "$HOME", ""]
    done = launch(
        shell, "claude", "--", *words, PATH=f"{home}:{os.environ['PATH']}", ANTHROPIC_API_KEY="sk-mine",
        POINTSMAN_CLIENT_KEY="pm-given", POINTSMAN_MASTER_KEY="bWFzdGVyLW1hc3Rlci1tYXN0ZXItbWFzdGVyLW1hc3Q=",
    )  # fmt: skip
    assert done.returncode == 7, done.stderr
    lines = done.stdout.split("\n")
    assert lines[0] == "--settings"
    own = Path(lines[1])
    assert json.loads(own.read_text())["env"]["ANTHROPIC_AUTH_TOKEN"] == "pm-given"
    assert stat.S_IMODE(own.stat().st_mode) == 0o600
    assert lines[2 : 2 + len(words)] == words
    assert "ANTHROPIC_BASE_URL=http://127.0.0.1:4480" in lines
    assert "ANTHROPIC_AUTH_TOKEN=pm-given" in lines
    for name in ("ANTHROPIC_API_KEY", "POINTSMAN_CLIENT_KEY", "POINTSMAN_MASTER_KEY"):
        assert not any(line.startswith(f"{name}=") for line in lines), name
    if sys.platform == "linux":
        ignored = int(next(line for line in lines if line.startswith("SigIgn")).split()[1], 16)
        assert not ignored & (1 << 12), "SIGPIPE"
    assert [one.name for one in home.iterdir()] == ["claude"], "no file of the program's own is touched"
    assert {one.name for one in shell.data_dir.iterdir()} == {"launch"}, (
        "of a gateway elsewhere none is made here"
    )


def test_a_signal_ends_it_and_the_terminal_is_its_own(shell: Shell, home: Path) -> None:
    program(
        home, "goose", "test -t 0 && test -t 1 && test -t 2 && echo a terminal; echo ready; exec sleep 60"
    )
    pointsman = str(Path(sys.executable).with_name("pointsman"))
    words = ["launch", "goose", "--data-dir", str(shell.data_dir), "--url", URL, "--model", "practice"]
    environ = {**os.environ, "PATH": f"{home}:{os.environ['PATH']}"}
    ours, theirs = pty.openpty()
    with (
        os.fdopen(ours, "rb", buffering=0) as terminal,
        child([pointsman, *words], stdin=theirs, stdout=theirs, stderr=theirs, env=environ) as running,
    ):
        os.close(theirs)
        told = b""
        while not told.endswith(b"ready\r\n"):
            told += terminal.read(100)
        assert told == b"a terminal\r\nready\r\n"
        running.terminate()
        assert running.wait(30) == -signal.SIGTERM


def test_what_it_would_be_started_with_is_shown_without_the_key(
    shell: Shell, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POINTSMAN_CLIENT_KEY", "pm-secret-secret")
    command = ["launch", "{}", "--print", "--url", URL, "--model", "a 'b'", "--data-dir", str(shell.data_dir)]
    for name in ("claude", "codex", "opencode", "aider", "goose", "crush", "qwen"):
        words = [name if word == "{}" else word for word in command]
        done = CliRunner().invoke(main, [*words, "--", "x y"])
        assert done.exit_code == 0, done.output
        assert "pm-secret" not in done.output
        assert shlex.split(done.stdout.splitlines()[-1])[-1] == "x y"
        told = json.loads(CliRunner().invoke(main, [*words, "--json", "--", "x y"]).stdout)
        assert URL in json.dumps(told) or name == "crush"
        assert "pm-secret" not in json.dumps(told)


def test_the_key_that_it_was_connected_with_is_good_for_a_launch(shell: Shell, home: Path) -> None:
    program(home, "claude", "env")
    shell.run("connect", "claude", "--key", "c", "--write")
    own = json.loads((home / ".claude/settings.json").read_text())["env"]["ANTHROPIC_AUTH_TOKEN"]
    done = launch(shell, "claude", PATH=f"{home}:{os.environ['PATH']}")
    assert f"ANTHROPIC_AUTH_TOKEN={own}" in done.stdout.splitlines(), done.stderr
    (home / ".claude/settings.json").rename(home / "linked.json")
    (home / ".claude/settings.json").symlink_to(home / "linked.json")
    done = launch(shell, "claude", PATH=f"{home}:{os.environ['PATH']}")
    assert f"ANTHROPIC_AUTH_TOKEN={own}" in done.stdout.splitlines(), "it is read, not written"


def test_crush_gets_a_folder_that_names_the_keys_variable(shell: Shell, home: Path) -> None:
    program(home, "crush", 'cat "$CRUSH_GLOBAL_DATA/crush.json"; echo; echo "$POINTSMAN_API_KEY"')
    done = launch(shell, "crush", PATH=f"{home}:{os.environ['PATH']}", POINTSMAN_CLIENT_KEY="pm-given")
    text, _, key = done.stdout.strip().rpartition("\n")
    provider = json.loads(text)["providers"]["pointsman"]
    assert (provider["api_key"], key) == ("$POINTSMAN_API_KEY", "pm-given")


def test_names_of_programs_are_completed() -> None:
    for words, wanted in (("connect c", "claude-code"), ("launch c", "claude"), ("connect cod", "codex")):
        environ = {
            "_POINTSMAN_COMPLETE": "bash_complete",
            "COMP_WORDS": f"pointsman {words}",
            "COMP_CWORD": "2",
        }
        done = subprocess.run(
            [str(Path(sys.executable).with_name("pointsman"))], env={**os.environ, **environ}, capture_output=True,
            text=True, timeout=60, check=False,
        )  # fmt: skip
        assert f"plain,{wanted}" in done.stdout.splitlines(), done.stderr


# -- what is shown -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ('"apiKey": "abcdefgh"', '"apiKey": "abcd..."'),
        ("openai-api-key: sk-abcdefghijkl", "openai-api-key: sk-a..."),
        ('API_TOKEN = "abcdefgh", X = 1', 'API_TOKEN = "abcd...", X = 1'),
        ('"headers": {"Authorization": "Bearer abcdefgh"}', '"headers": {"Authorization": "Bearer abcd..."}'),
        ('args = ["ghp_abcdefghijklmnop"]', 'args = ["ghp_..."]'),
        ('"max_tokens": 32768, "tokenSource": "manual"', '"max_tokens": 32768, "tokenSource": "manual"'),
        ('args = ["known-one"]', 'args = ["know..."]'),
    ],
)
def test_keys_are_shown_by_their_beginning(line: str, shown: str) -> None:
    assert masked(line, ["known-one", "none"]) == shown


def test_what_only_stands_for_a_key_is_shown() -> None:
    line = '"apiKey": "YOUR-CLIENT-KEY"'
    assert masked(line, ["YOUR-CLIENT-KEY"], ["YOUR-CLIENT-KEY"]) == line


def test_a_settings_file_of_macos_is_where_macos_has_it(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    file = SettingsFile("~/.config/x/y.json", mac="~/Library/Application Support/x/y.json")
    assert settings_file.place_of(file, {}) == home / "Library/Application Support/x/y.json"
