"""Where recordings are kept (docs/replay.md): one answer a request, sealed, bounded, through any end of a rotation; and as a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from pointsman.admin.control import recording_files, recordings
from pointsman.admin.control.recording_files import RecordingFile
from pointsman.admin.control.recordings import Recorded, Recordings
from pointsman.admin.vault import MasterKey, Vault
from pointsman.errors import PointsmanError
from pointsman.link.kept_messages import KeptAnswer, ReplayQuestion

CHAT, MESSAGES, EMBEDDINGS = "/v1/chat/completions", "/v1/messages", "/v1/embeddings"
CANARY = "canary-prompt-1f0d"


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault.load(tmp_path, {}, rows_exist=False)


def asked(text: str = "Hello", **more: Any) -> bytes:
    body = {"messages": [{"content": text, "role": "user"}], "model": "m", "stream": False, **more}
    return json.dumps(body, sort_keys=True, separators=(",", ":")).encode()


def recorded(text: str = "Hello", said: bytes = b'{"id": "x"}', path: str = CHAT, **more: Any) -> Recorded:
    answer = KeptAnswer(1_800_000_000.0, "openai:gpt", b"content-type: application/json\r\n", True, said)
    return Recorded(path, "m", asked(text, **more), answer)


def found(kept: Recordings, request: bytes, path: str = CHAT, name: str = "demo") -> Any:
    return kept.find(ReplayQuestion(1, name, path, request, b"", None))


def made(folder: Path, vault: Vault, *answers: Recorded) -> Recordings:
    kept = Recordings(folder, vault)
    kept.make("demo")
    for one in answers:
        kept.keep("demo", one)
    return kept


def test_the_last_answer_to_a_request_stands_in_the_first_ones_place(tmp_path: Path, vault: Vault) -> None:
    kept = made(tmp_path, vault, recorded("a"), recorded("b"))
    assert kept.keep("demo", recorded("a", b"second")) == "renewed"
    for again in (kept, Recordings(tmp_path, vault)):  # another life reads the same
        assert [number for number, _ in again.all_of("demo")] == [1, 2]
        assert found(again, asked("a")).answer.body == b"second"
    assert again.keep("demo", recorded("c")) == "new"
    assert again.size("demo") == (3, 3 * 4096)
    assert again.keep("gone", recorded()) == "gone"


def test_nothing_is_on_disk_but_sealed_and_0600(tmp_path: Path, vault: Vault) -> None:
    made(tmp_path, vault, recorded(CANARY, CANARY.encode()))
    files = [one for one in (tmp_path / "recordings").rglob("*") if one.is_file()]
    assert sorted(one.name for one in files) == ["000001", "key"]
    for one in files:
        assert CANARY.encode() not in one.read_bytes()
        assert one.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "recordings" / "demo").stat().st_mode & 0o777 == 0o700


def test_whatever_end_a_rotation_takes_a_recording_opens(tmp_path: Path, vault: Vault) -> None:
    kept = made(tmp_path, vault, recorded())
    old, new, newer = vault.require(), MasterKey.new(), MasterKey.new()
    kept.stage(new)
    assert Recordings(tmp_path, vault).size("demo")[0] == 1
    assert found(Recordings(tmp_path, vault), asked()).answer is not None, "it was cut off before its commit"
    vault.adopt(new)
    kept.stage(newer)  # of a second one, which fails, in the same life
    for key in (new, newer):
        vault.adopt(key)
        assert found(Recordings(tmp_path, vault), asked()).answer is not None
    vault.adopt(old)
    again = Recordings(tmp_path, vault)
    assert "does not open" in found(again, asked()).missing
    with pytest.raises(PointsmanError, match="does not open"):
        again.stage(new)  # and then nothing is rotated


def test_they_are_bounded_together_and_each(
    tmp_path: Path, vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recordings, "MOST_BYTES", 5 * 4096)
    kept = made(tmp_path, vault)
    results = [kept.keep("demo", recorded(str(number))) for number in range(7)]
    assert results == ["new"] * 5 + ["full"] * 2
    assert kept.keep("demo", recorded("0", b"again")) == "renewed", "what takes no more room is kept"
    kept.make("other")
    assert kept.keep("other", recorded()) == "full"
    with pytest.raises(PointsmanError, match="has no room"):
        kept.put("other", [recorded()])
    kept.remove("demo")
    monkeypatch.setattr(recordings, "MOST_ANSWERS", 2)
    assert [kept.keep("other", recorded(str(number))) for number in range(3)] == ["new", "new", "full"]


def test_a_changed_or_exchanged_file_is_no_answer(tmp_path: Path, vault: Vault) -> None:
    made(tmp_path, vault, recorded("a"), recorded("b"))
    first, second = ((tmp_path / "recordings" / "demo" / name) for name in ("000001", "000002"))
    one, two = first.read_bytes(), second.read_bytes()
    first.write_bytes(two)
    second.write_bytes(one[:-1] + bytes([one[-1] ^ 1]))
    kept = Recordings(tmp_path, vault)
    assert found(kept, asked("a")).answer is None
    assert found(kept, asked("b")).answer is None
    assert kept.keep("demo", recorded("a")) == "new", "and is recorded anew, at a place of its own"


@pytest.mark.parametrize(
    ("request_body", "path", "text"),
    [
        (asked("x"), CHAT, "the nearest of its 3 differs at messages[0].content"),
        (asked("a", seed=1), CHAT, "the nearest of its 3 differs at seed"),
        (asked("x", seed=1), CHAT, "the nearest of its 3 differs at messages[0].content and 1 other places"),
        (asked("a", temperature=True), CHAT, "the nearest of its 3 differs at temperature"),
        (asked("a"), EMBEDDINGS, "none of its 3 answers is of /v1/embeddings"),
    ],
)
def test_a_miss_names_the_place_and_no_value(
    request_body: bytes, path: str, text: str, tmp_path: Path, vault: Vault
) -> None:
    kept = made(tmp_path, vault, recorded("a"), recorded("b"), recorded("c", path=MESSAGES))
    told = found(kept, request_body, path)
    assert (told.answer, told.missing[: len(text)]) == (None, text)
    assert "There is no recording 'other'" in found(kept, request_body, name="other").missing


def test_a_name_leads_to_no_other_place(tmp_path: Path, vault: Vault) -> None:
    kept = made(tmp_path, vault)
    for name in ("..", "../recordings/demo", "a/b", "", "A"):
        with pytest.raises(PointsmanError, match="no recording"):
            kept.make(name)


def test_it_comes_back_from_its_file_as_it_was(tmp_path: Path, vault: Vault) -> None:
    answers = [recorded("a", b"one\ntwo\n\n"), recorded("b", b"\xff\xfe"), recorded("c", "ä".encode())]
    kept = made(tmp_path, vault, *answers)
    text = recording_files.export(kept, "demo").model_dump_json(indent=1)
    other = Recordings(tmp_path / "elsewhere", vault)
    (tmp_path / "elsewhere").mkdir()
    assert recording_files.take_in(other, RecordingFile.model_validate_json(text)) == 3
    assert [one for _, one in other.all_of("demo")] == answers
    other.keep("demo", recorded("d"))
    recording_files.take_in(other, RecordingFile.model_validate_json(text))
    assert other.size("demo")[0] == 3, "it takes the place of all that was there"


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"path": "/v1/files"}, "its path gives no answers that are kept"),
        ({"path": "/api/chat"}, "no path that a recording answers on"),
        ({"request": {"messages": []}}, "names no model"),
        ({"answer": None, "answer_base64": "!"}, "cannot be read"),
        ({"answer": None}, "answer"),
        ({"headers": {"set-cookie": "a"}}, "headers"),
        ({"headers": {"content-type": "a\r\nset-cookie: b"}}, "headers"),
        ({"answer": ["x" * (4 * 1024 * 1024 + 1)]}, "longer than"),
    ],
)
def test_a_file_that_cannot_be_used_changes_nothing(
    change: dict[str, Any], text: str, tmp_path: Path, vault: Vault
) -> None:
    kept = made(tmp_path, vault, recorded())
    one = {"path": CHAT, "request": {"model": "m"}, "answer": ["{}"]}
    with pytest.raises((PointsmanError, ValidationError), match=text):
        file = RecordingFile.model_validate({"name": "demo", "answers": [one, one | change]})
        recording_files.take_in(kept, file)
    assert found(kept, asked()).answer is not None
    with pytest.raises(ValidationError):
        RecordingFile.model_validate({"name": "../demo", "answers": []})
