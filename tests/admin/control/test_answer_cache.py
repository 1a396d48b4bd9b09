"""The answers that are kept: sealed, bounded, good for their time, and there again after a restart."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from pointsman.admin.control.answer_cache import AnswerCache
from pointsman.admin.vault import MasterKey, Vault, VaultError
from pointsman.link.kept_messages import KeepAnswer, KeptAnswer, KeptFound, KeptQuestion

MIB = 1024 * 1024
CANARY = b"canary-9f83e2b4 in a prompt's answer"


def vault(folder: Path) -> Vault:
    return Vault.load(folder, {}, rows_exist=False)


def cache(folder: Path, most: int = 64 * MIB) -> AnswerCache:
    return AnswerCache(folder, vault(folder), most)


def name(number: int) -> str:
    return f"{number:040x}"


def keep(
    into: AnswerCache,
    number: int,
    body: bytes = CANARY,
    *,
    rule: int = 1,
    key: int = 0,
    seconds: float = 60.0,
    ago: float = 0.0,
    asked: float | None = None,
) -> KeptAnswer:
    answer = KeptAnswer(time.time() - ago, "local/box:m", b"x: y\r\n", True, body, 7)
    into.keep(KeepAnswer(name(number), rule, seconds, answer, asked or time.monotonic(), key))
    return answer


def find(of: AnswerCache, number: int, seconds: float = 60.0) -> KeptFound:
    return of.find(KeptQuestion(3, name(number), seconds))


def files(folder: Path) -> list[Path]:
    return sorted((folder / "answers").iterdir())


def on_disk(folder: Path) -> int:
    return sum(-(-one.stat().st_size // 4096) * 4096 for one in files(folder))


def test_what_is_kept_is_found_also_after_a_restart(tmp_path: Path) -> None:
    kept = cache(tmp_path)
    assert find(kept, 1) == KeptFound(3, None, 0, 0)
    answer = keep(kept, 1)
    for one in (kept, cache(tmp_path)):
        assert find(one, 1) == KeptFound(3, answer, 1, 4096)
        assert find(one, 2).answer is None
    newer = keep(kept, 1, b"another")
    assert find(kept, 1).answer == newer
    assert len(files(tmp_path)) == 1


def test_no_file_has_a_word_of_it_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    keep(cache(tmp_path), 1)
    (file,) = files(tmp_path)
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700
    raw = file.read_bytes()
    assert not any(CANARY[at : at + 6] in raw for at in range(len(CANARY) - 6))


@pytest.mark.parametrize("rule", [None, 1])
def test_an_answer_that_was_asked_before_the_cache_was_cleared_is_not_told_after(
    tmp_path: Path, rule: int | None
) -> None:
    kept, before = cache(tmp_path), time.monotonic()
    keep(kept, 1)
    assert kept.clear(rule) == 1
    keep(kept, 1, asked=before)
    assert find(kept, 1).answer is None
    keep(kept, 2, rule=2, asked=before)
    assert (find(kept, 2).answer is None) == (rule is None), "another rule's are its own"
    keep(kept, 1)
    assert find(kept, 1).answer is not None


@pytest.mark.parametrize("harm", ["changed", "cut", "renamed", "other key"])
def test_what_does_not_open_is_none_and_goes(tmp_path: Path, harm: str) -> None:
    keep(cache(tmp_path), 1)
    (file,) = files(tmp_path)
    at = vault(tmp_path)
    if harm == "changed":
        file.write_bytes(file.read_bytes()[:-1] + b"\0")
    elif harm == "cut":
        file.write_bytes(file.read_bytes()[:5])
    elif harm == "renamed":  # it would be good for ever, or another request's
        file.rename(file.with_name(f"{name(1)}.1.99999999999.sealed"))
    else:
        at.adopt(MasterKey.new())
    again = AnswerCache(tmp_path, at, MIB)
    assert find(again, 1) == KeptFound(3, None, 0, 0)
    assert files(tmp_path) == []


def test_without_a_master_key_nothing_is_kept(tmp_path: Path) -> None:
    at = vault(tmp_path)
    at.refuse("it is lost")
    kept = AnswerCache(tmp_path, at, MIB)
    with pytest.raises(VaultError):
        keep(kept, 1)
    assert not (tmp_path / "answers").exists()


def test_an_answer_is_good_for_its_time(tmp_path: Path) -> None:
    kept = cache(tmp_path)
    keep(kept, 1, ago=50)
    assert find(kept, 1).answer is not None
    assert find(kept, 1, seconds=40).answer is None, "the rule's time is shorter now"
    keep(kept, 1, ago=61)
    assert find(kept, 1).answer is None
    keep(kept, 2, ago=61)
    kept.tend({1})
    assert files(tmp_path) == []


def test_ten_thousand_requests_stay_within_the_bound(tmp_path: Path) -> None:
    most = 2 * MIB
    kept = cache(tmp_path, most)
    for number in range(10_000):
        keep(kept, number, b"%d " % number + os.urandom(100 if number % 7 else 5000))
        if number % 200 == 0:
            find(kept, 0)  # what is asked for stays
            assert on_disk(tmp_path) <= most
    assert on_disk(tmp_path) <= most
    assert find(kept, 0).answer is not None
    assert find(kept, 9_999).answer is not None
    assert find(kept, 5_000).answer is None
    (of_rule,) = kept.by_rule()
    assert (of_rule.entries, of_rule.size) == (len(files(tmp_path)), on_disk(tmp_path))
    smaller = cache(tmp_path, MIB)
    smaller.tend({1})
    assert 0 < on_disk(tmp_path) <= MIB


def test_one_answer_never_takes_most_of_it_and_none_is_kept_where_it_is_off(tmp_path: Path) -> None:
    kept = cache(tmp_path, MIB)
    keep(kept, 1, os.urandom(MIB // 3))
    assert find(kept, 1).answer is None
    keep(cache(tmp_path, 0), 1)
    assert not (tmp_path / "answers").exists()


def test_answers_go_with_their_rule_and_when_somebody_says_so(tmp_path: Path) -> None:
    kept = cache(tmp_path)
    for number in range(6):
        keep(kept, number, rule=1 + number % 3)
    kept.tend({1, 2, 3})
    assert len(files(tmp_path)) == 6
    kept.tend({1, 2})
    assert [(one.mapping_id, one.entries) for one in kept.by_rule()] == [(1, 2), (2, 2)]
    assert kept.clear(2) == 2
    assert kept.clear() == 2
    assert files(tmp_path) == []


def test_what_a_client_key_keeps_goes_with_the_key_also_after_a_restart(tmp_path: Path) -> None:
    kept = cache(tmp_path)
    for number, key in enumerate((0, 7, 8)):
        keep(kept, number, rule=0 if key == 8 else 1, key=key)
    kept = cache(tmp_path)
    assert all(find(kept, number).answer is not None for number in range(3))
    kept.tend({1}, {7, 8})
    assert [(one.mapping_id, one.entries) for one in kept.by_rule()] == [(0, 1), (1, 2)]
    kept.tend(set(), {7})
    assert [find(kept, number).answer is not None for number in range(3)] == [False, True, False]


def test_a_folder_that_cannot_be_made_keeps_nothing_and_finds_nothing(tmp_path: Path) -> None:
    (tmp_path / "answers").write_text("somebody's file")
    kept = cache(tmp_path)
    with pytest.raises(OSError, match="answers"):
        keep(kept, 1)
    assert find(kept, 1) == KeptFound(3, None, 0, 0)
    assert (tmp_path / "answers").read_text() == "somebody's file"
