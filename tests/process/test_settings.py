"""process.settings: what a start reads of its environment, and that all that is mistyped is told in one line."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from pointsman.errors import PointsmanError
from pointsman.process.settings import read_settings

GOOD = "f3a91c07b24e85d6907cfa13e86b25d4701f9ac8e3b65207d94cf81a6e30b75c"


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("POINTSMAN_")]:
        monkeypatch.delenv(name)


def key_of(monkeypatch: pytest.MonkeyPatch, text: str) -> str | None:
    monkeypatch.setenv("POINTSMAN_CLIENT_KEY", text)
    found = read_settings().client_key
    assert "POINTSMAN_CLIENT_KEY" not in os.environ
    return None if found is None else found.reveal()


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        GOOD + "\n",
        "9c04e7b1f28a5d63b07e41c9fa82d536",
        "pm-x7Vd0b7RrWkJm2sT5xZLcPfHeUgOiQa9tC8yN1qLw3E",
        "sk-proj-7s9tBFYwg_RfZDm_VBTreUWuHGucNK-hlGiCNCFX",
        "q83/+AbyN1Vd0b7RrWkJm2sT5xZLcPfHeUgOiQa9tC8=",
        "550e8400-e29b-41d4-a716-446655440000",
    ],
)
def test_a_client_key_is_taken_out_of_the_environment(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    assert key_of(monkeypatch, text) == text.strip()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no key"),
        ("  \n", "no key"),
        ("short", "5 characters"),
        ("x" * 257, "257 characters"),
        ("a" * 40, "guessed"),
        ("changeme" * 5, "guessed"),
        ("password-password-password-password", "guessed"),
        ("0123456789abcdef0123456789abcdef", "guessed"),
        ("abcdefghijklmnopqrstuvwxyz123456", "guessed"),
        ("two words " + GOOD, "header"),
        ("k\u00e9y" + GOOD, "header"),
        (GOOD + "\n" + GOOD, "header"),
        ("=" + GOOD, "header"),
    ],
)
def test_a_client_key_that_is_none_or_weak_is_refused_and_not_shown(
    monkeypatch: pytest.MonkeyPatch, text: str, why: str
) -> None:
    with pytest.raises(PointsmanError, match=why) as caught:
        key_of(monkeypatch, text)
    assert "POINTSMAN_CLIENT_KEY" in caught.value.public
    assert "\n" not in caught.value.public
    assert len(text.strip()) < 4 or text.strip() not in caught.value.public


@pytest.mark.parametrize("around", ["{}", "{}\n", "{}\r\n", "\ufeff{}\n", "\n {} \n"])
def test_a_secret_file_is_read_without_its_line_end(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, around: str
) -> None:
    target = tmp_path / "..data"
    target.write_bytes(around.format(GOOD).encode())
    target.chmod(0o444)
    link = tmp_path / "key"  # Kubernetes mounts links
    link.symlink_to(target)
    monkeypatch.setenv("POINTSMAN_CLIENT_KEY_FILE", str(link))
    found = read_settings().client_key
    assert found is not None
    assert found.reveal() == GOOD


@pytest.mark.parametrize("what", ["missing", "folder", "empty"])
def test_a_secret_file_that_holds_nothing_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, what: str
) -> None:
    path = tmp_path / what
    if what == "folder":
        path.mkdir()
    elif what == "empty":
        path.write_text("\n")
    monkeypatch.setenv("POINTSMAN_CLIENT_KEY_FILE", str(path))
    with pytest.raises(PointsmanError, match="POINTSMAN_CLIENT_KEY_FILE"):
        read_settings()


def test_lists_have_commas_between(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POINTSMAN_ALLOW_HOST", "Box.lan:4480, ,192.168.1.9,fd00::1,")
    monkeypatch.setenv("POINTSMAN_ALLOW_ORIGIN", "http://localhost:*,null")
    found = read_settings()
    assert found.hosts == ("box.lan", "192.168.1.9", "fd00::1")
    assert found.origins == ("http://localhost:*", "null")


def test_everything_that_is_mistyped_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = {
        "POINTSMAN_BODY_BYTES": "64QB",
        "POINTSMAN_ALLOW_HOST": "http://box.lan",
        "POINTSMAN_ALLOW_ORIGIN": "localhost",
        "POINTSMAN_CLIENT_KEY": "short",
        "POINTSMAN_LOCAL_HOST": "http://host.docker.internal",
        "POINTSMAN_LOG": "LOUD",
    }
    for name, text in wrong.items():
        monkeypatch.setenv(name, text)
    with pytest.raises(PointsmanError) as caught:
        read_settings()
    assert [name for name in wrong if name not in caught.value.public] == []
    assert "\n" not in caught.value.public


def test_a_key_by_variable_and_by_file_is_one_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POINTSMAN_CLIENT_KEY_FILE", "/nowhere")
    with pytest.raises(PointsmanError, match="both set"):
        key_of(monkeypatch, GOOD)


def test_a_key_that_a_command_writes_late_into_a_pipe_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    read, write = os.pipe()
    try:
        monkeypatch.setenv("POINTSMAN_CLIENT_KEY_FILE", f"/dev/fd/{read}")
        os.write(write, GOOD[:10].encode())

        def finish() -> None:
            os.write(write, GOOD[10:].encode() + b"\n")
            os.close(write)

        late = threading.Timer(0.1, finish)
        late.start()
        found = read_settings().client_key
        late.join()
        assert found is not None
        assert found.reveal() == GOOD
    finally:
        os.close(read)


def test_a_large_file_is_no_key_whatever_it_begins_with(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "large"
    path.write_text(GOOD + "\n" * 5000 + "and more")
    monkeypatch.setenv("POINTSMAN_CLIENT_KEY_FILE", str(path))
    with pytest.raises(PointsmanError, match="more than 4096 bytes"):
        read_settings()
