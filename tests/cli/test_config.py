"""`pointsman config` and `apply`: what people set, as one file."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pointsman.admin.store.configuration.changes import apply, compared, exported
from pointsman.admin.store.configuration.document import ConfigDocument
from pointsman.admin.store.database import Store
from pointsman.admin.store.rotation import open_vault
from pointsman.admin.vault import Vault

from .conftest import Shell

FULL = """
version = 1
usage_days = 30
customs = "mask"
hosts = ["box.lan"]
origins = ["https://chat.example"]

[[locals]]
name = "box"
base_url = "http://127.0.0.1:8080"
context_window = 8192

[[credentials]]
backend_type = "openai"
name = "team"
base_url = "https://llm.example/v1"
key_env = "TEAM_KEY"
budget_money = 20.0
per = "month"
zone = "Europe/Berlin"

[[groups]]
name = "dev"
rate_requests = 60

[[keys]]
name = "ann"
group = "dev"
models = ["gpt*"]
cache_seconds = 600
budget_tokens = 1000000
per = "day"
zone = "UTC"
expires_at = 2030-01-01T00:00:00Z

[[patterns]]
name = "badge"
pattern = "acme_[a-z0-9]{32}"

[[prices]]
where = "local/box"
model = "m"
input = 0.5
output = 1.0

[[prices]]
where = "local/box"
model = "m"
above = 200000
input = 1.0

[[webhooks]]
url = "https://hooks.example/x"
on = ["budget"]

[[mappings]]
model_pattern = "gpt*"
backend_type = "openai"
backend_name = "team"
fallbacks = [{backend_type = "local", backend_name = "box", model = "m"}]
fallback_on = ["refusal"]
presets = {temperature = 0.2}

[[mappings]]
model_pattern = "*"
backend_type = "local"
backend_name = "box"
conditions = ["tokens>5000", "tools"]
priority = -1
"""


def put(shell: Shell, text: str, name: str = "config.toml") -> Path:
    file = shell.data_dir.parent / name
    file.write_text(text, "utf-8")
    return file


@pytest.fixture
def filled(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> Shell:
    monkeypatch.setenv("TEAM_KEY", "sk-very-secret")
    out = shell.run("apply", str(put(shell, FULL)), "--yes").stdout
    assert "pm-" in out
    assert "whsec_" in out
    return shell


def test_what_was_exported_and_applied_elsewhere_is_the_same(filled: Shell, tmp_path: Path) -> None:
    text = filled.run("config", "export").stdout
    assert "sk-very-secret" not in text
    assert tomllib.loads(text)["mappings"] == tomllib.loads(FULL)["mappings"]
    assert filled.run("config", "diff", str(put(filled, text))).stdout == ""
    again = put(
        filled, text.replace('\nname = "team"\n', '\nname = "team"\nkey_env = "TEAM_KEY"\n'), "again.toml"
    )
    other = Shell(tmp_path / "other")
    other.run("apply", str(again), "--yes")
    assert other.run("config", "export").stdout == text


def test_applying_twice_changes_nothing(filled: Shell) -> None:
    done = filled.run("apply", str(filled.data_dir.parent / "config.toml"), "--yes")
    assert "nothing to do" in done.stderr
    assert done.stdout == ""


def test_what_would_change_is_shown_and_not_done_until_it_is_said(filled: Shell) -> None:
    lines = FULL.replace("priority = -1", "priority = 7").replace('hosts = ["box.lan"]', "hosts = []")
    file = put(
        filled, lines.partition("[[groups]]")[0] + "[[mappings]]" + lines.rpartition("[[mappings]]")[2]
    )
    shown = filled.run("config", "diff", str(file)).stdout
    assert "- host box.lan" in shown
    assert "- mapping gpt*" in shown
    assert "~ mapping * when tokens>5000 and tools\n    priority: -1 -> 7" in shown
    assert "group" not in shown, "what has no section is not touched"
    before = filled.run("config", "export").stdout
    done = filled.run("apply", str(file), code=1)
    assert "say --yes" in done.stderr
    assert done.stdout == shown
    assert filled.run("config", "export").stdout == before
    filled.run("apply", str(file), "--yes")
    assert [one["model_pattern"] for one in filled.json("mapping", "list")] == ["*"]
    assert [one["name"] for one in filled.json("key", "list")] == ["ann"]


def test_an_import_removes_nothing(filled: Shell) -> None:
    file = put(filled, 'mappings = []\n[[locals]]\nname = "second"\nbase_url = "http://127.0.0.1:9"\n')
    shown = filled.run("config", "diff", "--import", str(file)).stdout
    assert [line for line in shown.splitlines() if not line.startswith(" ")] == ["+ local second"]
    filled.run("config", "import", str(file), "--yes")
    assert len(filled.json("mapping", "list")) == 2
    assert {one["name"] for one in filled.json("local", "list")} == {"box", "second"}


def test_all_of_a_file_is_applied_or_nothing(filled: Shell) -> None:
    text = FULL.replace('group = "dev"', 'group = "nobody"').replace("8192", "4096")
    before = filled.run("config", "export").stdout
    failed = filled.run("apply", str(put(filled, text)), "--yes", code=1)
    assert "key ann: There is no group 'nobody'" in failed.stderr
    assert filled.run("config", "export").stdout == before


def test_a_backend_without_its_key_is_told_before_anything_is_done(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TEAM_KEY", raising=False)
    failed = shell.run("apply", str(put(shell, FULL)), "--yes", code=1)
    assert "its key is not here; TEAM_KEY is not set" in failed.stdout
    assert "key_env" in failed.stderr
    assert shell.json("local", "list") == []


def test_a_stored_key_stays_and_leads_nowhere_else(filled: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TEAM_KEY")
    moved = put(filled, FULL.replace("llm.example", "elsewhere.example"))
    failed = filled.run("apply", str(moved), "--yes", code=1)
    assert "its key was given for where it leads now" in failed.stderr
    (before,) = filled.json("credential", "list")
    filled.run("apply", str(put(filled, FULL.replace("20.0", "30.0"))), "--yes")
    (after,) = filled.json("credential", "list")
    assert after["key_fingerprint"] == before["key_fingerprint"]
    assert after["budget_money"] == 30


WRONG = {
    "x = 1": "x",
    "[[mappings]]\nmodel_pattern = 'a'": "mappings[0].backend_type",
    "[[credentials]]\nbackend_type = 'openai'\nname = 'a'\nbase_url = 'http://a.example'": "allow-http",
    "version = 2": "version",
    "[[keys]]\nname = ''": "keys[0].name",
    "[[credentials]]\nbackend_type = 'openai'\napi_key = 'sk-secret-1'": "credentials[0].api_key",
}


@pytest.mark.parametrize("text", WRONG)
def test_a_wrong_file_is_told_by_its_place(shell: Shell, text: str) -> None:
    told = shell.run("config", "validate", str(put(shell, text)), code=1).stderr
    assert WRONG[text] in told.replace("allow_http", "allow-http")
    assert "sk-secret-1" not in told
    told = shell.run("apply", str(put(shell, text)), "--yes", code=1).stderr
    assert told.startswith("error: ")
    assert "sk-secret-1" not in told


def test_what_is_no_toml_is_told_with_its_line(shell: Shell) -> None:
    for command in (["config", "validate"], ["apply"], ["config", "diff"], ["config", "import"]):
        assert "line 2" in shell.run(*command, str(put(shell, "a = 1\nb = \n")), code=2).stderr
        assert "cannot be read" in shell.run(*command, str(shell.data_dir / "none.toml"), code=2).stderr


def test_keys_that_no_file_can_tell_are_told_and_left_alone(filled: Shell) -> None:
    filled.run("key", "create")
    exported_now = filled.run("config", "export")
    assert "1 client key has no name of its own" in exported_now.stderr
    assert "# Not in it: 1 client key" in exported_now.stdout
    filled.run("apply", str(put(filled, "keys = []")), "--yes")
    assert [one["revoked_at"] is None for one in filled.json("key", "list")] == [False, True]


def test_the_schema_knows_each_section(shell: Shell) -> None:
    schema = json.loads(shell.run("config", "schema").stdout)
    assert set(tomllib.loads(FULL)) <= set(schema["properties"])
    assert schema["additionalProperties"] is False


patterns = st.sampled_from(["gpt*", "*", "claude-?", "m"])
rules = st.fixed_dictionaries(
    {"model_pattern": patterns, "backend_type": st.just("local")},
    optional={
        "backend_name": st.sampled_from(["a", "b"]),
        "backend_model": st.sampled_from(["m", "n"]),
        "priority": st.integers(-2, 2),
        "conditions": st.lists(st.sampled_from(["tools", "images", "tokens>5"]), unique=True, max_size=2),
        "presets": st.dictionaries(st.sampled_from(["temperature", "top_p"]), st.just(0.5), min_size=1),
        "enabled": st.booleans(),
    },
)
local_rows = st.lists(
    st.fixed_dictionaries(
        {
            "name": st.sampled_from(["a", "b", "c"]),
            "base_url": st.sampled_from(["http://127.0.0.1:1", "http://[::1]:2"]),
        },
        optional={"context_window": st.integers(1, 9), "max_in_flight": st.integers(1, 3)},
    ),
    unique_by=lambda row: row["name"],
    max_size=3,
)
group_rows = st.lists(
    st.fixed_dictionaries({"name": st.sampled_from(["x", "y"])}, optional={"rate_tokens": st.integers(1, 9)}),
    unique_by=lambda row: row["name"],
)
documents = st.fixed_dictionaries(
    {},
    optional={
        "mappings": st.lists(rules, max_size=5),
        "locals": local_rows,
        "groups": group_rows,
        "hosts": st.lists(st.sampled_from(["a.lan", "b.lan"]), unique=True),
    },
)


NOTHING: dict[str, Any] = {name: [] for name in ("mappings", "locals", "groups", "hosts")}


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Store, Vault]]:
    folder = tmp_path_factory.mktemp("config")
    store = Store.open(folder)
    yield store, open_vault(store, folder, {})
    store.close()


@settings(deadline=None, max_examples=40, suppress_health_check=list(HealthCheck))
@given(st.lists(documents, min_size=1, max_size=4))
def test_whatever_stood_before_it_stands_as_the_file_says(
    opened: tuple[Store, Vault], files: list[dict[str, Any]]
) -> None:
    """Made and unmade in any order; then nothing is left to do, and what was not spoken of stands as before."""
    store, vault = opened
    stands: dict[str, Any] = {}
    for file in [NOTHING, *files]:
        document = ConfigDocument.model_validate(file)
        with store.write() as session:
            apply(session, vault, compared(session, document, {}, prune=True))
        with store.read() as session:
            assert compared(session, document, {}, prune=True) == []
            now, _ = exported(session)
        told = {name: value for name, value in now.items() if name in file}
        assert all(now[name] == value for name, value in stands.items() if name not in file)
        assert as_sets(ConfigDocument.model_validate(told)) == as_sets(document)
        stands = now


def as_sets(document: ConfigDocument) -> dict[str, list[str]]:
    whole = document.model_dump(mode="json", exclude_none=True)
    return {name: sorted(map(json.dumps, rows)) for name, rows in whole.items() if isinstance(rows, list)}
