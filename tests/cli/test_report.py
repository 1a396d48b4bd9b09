"""`pointsman doctor --report`: what helps is in it, and nothing that is anybody's secret, of a gateway full of canaries."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pointsman.cli.report import Masks
from pointsman.process.log_file import LogFile

from .conftest import Shell

STORED, CLIENT, GROUP, HOST, NOTE, TOKEN = (
    "sk-stored-canary-0123456789", "client canary", "group-canary", "canary.internal", "canary note", "hook-canary",
)  # fmt: skip


@pytest.fixture
def full(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A folder where each of these stands somewhere. Returns them."""
    monkeypatch.setenv("POINTSMAN_CLIENT_KEY", "canary-of-the-environment-0123")
    shell.run(
        "credential",
        "set",
        "openai/relay",
        "--base-url",
        "http://127.0.0.1:9/path-canary",
        "--no-try",
        stdin=STORED,
    )
    shell.run("group", "add", GROUP, "--note", NOTE, "--budget-money", "20", "--per", "day")
    secret = shell.json("key", "create", "--name", CLIENT, "--group", GROUP)["secret"]
    shell.run("host", "add", HOST)
    shell.run("origin", "add", f"https://{HOST}")
    shell.run("webhook", "add", f"http://127.0.0.1:9/{TOKEN}")
    shell.run("mapping", "add", "model-that-matters", "--to", "openai/relay", "--fallback", "local/practice")
    log = LogFile(shell.data_dir / "gateway.log")
    for message, trace in (
        (
            f"no answer of https://user:pass-canary@{HOST}:8443/v1?key=query-canary, 10.11.12.13 or {HOST}",
            None,
        ),
        (
            f"key {CLIENT} has no budget left",
            'Traceback\n  File "/home/user-canary/pointsman/gateway/x.py", line 7, in go\nValueError: prompt-canary',
        ),
        ("authorization: Bearer bearer-canary-0123456789", None),
    ):
        log.write(
            json.dumps(
                {"time": "2026-11-28T12:00:00.000Z", "level": "error", "message": message, "error": trace}
            )
        )
    log.close()
    return [
        STORED, CLIENT, GROUP, HOST, NOTE, TOKEN, secret, shell.data_dir.joinpath("admin-token").read_text().strip(),
        "canary", "10.11.12.13", "user-canary",
    ]  # fmt: skip


def test_no_canary_is_in_it_as_text_or_json_and_what_helps_is(
    shell: Shell, full: list[str], tmp_path: Path
) -> None:
    shell.run("doctor", "--report", str(tmp_path / "report.txt"))
    text = (tmp_path / "report.txt").read_text()
    found = shell.json("doctor", "--report")
    for canary in full:
        assert canary not in text
        assert canary not in json.dumps(found)
    assert found["configuration"]["keys"] == [{"name": "key-1", "group": "group-1"}]
    assert found["configuration"]["mappings"][0]["model_pattern"] == "model-that-matters"
    assert found["configuration"]["credentials"][0]["base_url"] == "http://127.0.0.1:9"
    assert found["log"][0].endswith(
        f"no answer of https://{(host := found['configuration']['hosts'][0])}:8443, address-1 or {host}"
    )
    assert found["log"][1].endswith("key key-1 has no budget left < gateway/x.py:7 go")
    assert "POINTSMAN_CLIENT_KEY" in found["variables"]
    assert {one["name"] for one in found["checks"]} >= {"sqlite version", "backend openai/relay"}
    assert "## checks\n" in text
    assert "cannot be written" in shell.run("doctor", "--report", str(tmp_path / "report.txt"), code=1).output


def test_it_is_made_where_the_database_cannot_be_opened(shell: Shell) -> None:
    shell.data_dir.mkdir(mode=0o700)
    (shell.data_dir / "pointsman.db").write_bytes(b"no database" * 1000)
    found = shell.json("doctor", "--report")
    assert any(one["status"] == "error" and one["name"] == "database" for one in found["checks"])
    assert found["configuration"] == {}


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://api.groq.com/openai/v1", "https://api.groq.com"),
        ("http://[::1]:8080/v1", "http://[::1]:8080"),
        ("http://localhost:11434", "http://localhost:11434"),
        ("https://u:p@llm.example.org:8443/a?b=c#d", "https://host-1:8443"),
        ("http://[broken", "[url]"),
        ("http://localhost:abc", "[url]"),
    ],
)
def test_hosts_of_known_providers_and_of_this_computer_are_kept(url: str, shown: str) -> None:
    assert Masks(Path("/data")).url(url) == shown


def test_what_stands_around_an_address_stays() -> None:
    told = Masks(Path("/data")).clean(
        "It answers at http://127.0.0.1:4480. Then https://a.example/x: tcp: no (/data/lock, /srv/who/ca.pem)"
    )
    assert told == "It answers at http://127.0.0.1:4480. Then https://host-1: tcp: no (DATA-DIR/lock, [path])"
    assert Masks(Path("/data")).clean("POST /v1/messages to openai:m") == "POST /v1/messages to openai:m"
