"""`pointsman usage`: sums by group, and rows as CSV that a spreadsheet may open."""

from __future__ import annotations

import csv
import io
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pointsman.admin.store.usage_file import UsageFile
from pointsman.cli.usage import COLUMNS, NAMES, dollars
from pointsman.ledger import csv_rows
from pointsman.ledger.blocks import block_of
from pointsman.ledger.records import UsageRecord

from .conftest import Shell

NOW = int(time.time())
DOLLAR = 1_000_000_000


def record(number: int, **fields: object) -> UsageRecord:
    values: dict[str, object] = {
        "id": f"req_{number:014}", "at": NOW - 100.0 + number, "protocol": "openai_chat", "path": "/v1/chat/completions",
        "model": "m", "target": "local/box:m", "attempts": 1, "fallback": None, "status": 200, "outcome": "ok",
        "stream": False, "input_tokens": 10, "output_tokens": 5, "cost": 0, "request": f"req_{number:014}", "attempt": 1,
    }  # fmt: skip
    return UsageRecord(**(values | fields))  # type: ignore[arg-type]


@pytest.fixture
def filled(shell: Shell) -> Shell:
    shell.run("key", "create", "--name", '=Ann, "A"')
    store = UsageFile(shell.data_dir / "usage.db")
    cloud = {"target": "openai:gpt", "client": "claude-cli", "session": "s-1", "key_id": 1}
    store.add(
        block_of(
            [
                record(1, model="=cmd|' /C calc'!A0", saved=3 * DOLLAR),
                record(2, **cloud, cost=DOLLAR // 4, cached_tokens=6, sent_bytes=345),
                record(
                    3,
                    **cloud,
                    cost=2 * DOLLAR,
                    extra=-DOLLAR // 2,
                    outcome="error",
                    status=500,
                    sent_bytes=12_000,
                ),
                record(4, target="openai:gpt", cost=None, flag="no_price", at=NOW - 40 * 86400.0),
            ]
        )
    )
    store.close()
    return shell


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline=""), strict=True))


def test_sums_by_each_group(filled: Shell) -> None:
    by_backend = filled.json("usage", "--by", "backend")
    assert [(row["backend"], row["requests"], row["cost"], row["unpriced"]) for row in by_backend] == [
        ("openai", 3, 2.25, 1), ("local/box", 1, 0.0, 0),
    ]  # fmt: skip
    (key, nobody) = filled.json("usage", "--by", "key")
    assert (key["key_id"], key["key"], key["failed"], key["extra"]) == (1, '=Ann, "A"', 1, -0.5)
    assert nobody["key"] is None
    (session,) = filled.json("usage", "--by", "session")
    assert (session["session"], session["client"], session["requests"]) == ("s-1", "claude-cli", 2)
    assert session["first_at"] < session["last_at"]
    days = filled.json("usage", "--by", "day", "--zone", "Asia/Kolkata")
    assert [row["requests"] for row in days] == [1, 3]
    (month,) = filled.json("usage", "--by", "client", "--since", "7d", "--key", "1")
    assert (month["client"], month["cost"], month["saved"]) == ("claude-cli", 2.25, None)
    shown = filled.run("usage", "--by", "model").stdout
    assert "$2.25 + 1 unknown" in shown
    assert "$3.00" in shown
    assert "6 (20%)" in shown  # of three requests of 10 tokens


def test_what_left_the_machine(filled: Shell) -> None:
    old, new = filled.json("usage", "--left-machine")
    assert (old["backend"], old["model"], old["attempts"], old["sent_bytes"]) == ("openai", "gpt", 1, None)
    assert (new["attempts"], new["sent_bytes"], new["input_tokens"], new["cost"]) == (2, 12_345, 20, 2.25)
    assert old["day"] < new["day"]
    (kept,) = filled.json("usage", "--left-machine", "--since", "7d", "--zone", "Asia/Kolkata")
    assert {**kept, "day": new["day"]} == new
    shown = filled.run("usage", "--left-machine").stdout.splitlines()
    assert [line.split() for line in shown] == [
        ["day", "backend", "model", "requests", "sent", "in", "out", "cost"],
        [old["day"], "openai", "gpt", "1", "-", "10", "5", "-"],
        [new["day"], "openai", "gpt", "2", "12.3", "KB", "20", "10", "$2.25"],
        ["all", "-", "-", "3", "12.3", "KB", "30", "15", "$2.25", "+", "1", "unknown"],
    ]
    text = filled.run("usage", "--left-machine", "--csv", "--since", "7d").stdout
    (line,) = rows_of(text)
    assert (line["day"], line["model"], line["sent_bytes"]) == (new["day"], "gpt", "12345")
    assert set(line) == set(new)
    assert (
        "nothing left this machine" in filled.run("usage", "--left-machine", "--target", "local/box:m").stderr
    )


def test_the_rows_of_what_left_are_still_to_be_had(filled: Shell) -> None:
    for words in (["--rows"], ["--limit", "9"], ["--rows", "--since", "90d"]):
        rows = filled.json("usage", "--left-machine", *words)
        assert [row["target"] for row in rows] == ["openai:gpt"] * 3
    assert len(rows_of(filled.run("usage", "--left-machine", "--rows", "--csv").stdout)) == 3
    (row,) = filled.json("usage", "--left-machine", "--request", "req_00000000000003")
    assert row["sent_bytes"] == 12_000
    assert filled.json("usage", "--left-machine", "--request", "req_00000000000001") == []
    assert "12.0 KB" in filled.run("usage", "--rows", "--left-machine").stdout
    (left,) = filled.json("usage", "--by", "backend", "--left-machine", "--since", "7d")
    assert (left["backend"], left["requests"]) == ("openai", 2)


def test_a_spreadsheet_takes_nothing_for_a_formula(filled: Shell) -> None:
    rows = rows_of(filled.run("usage", "--csv").stdout)
    assert len(rows) == 4
    assert {row["model"] for row in rows} == {"m", "'=cmd|' /C calc'!A0"}
    assert tuple(rows[0]) == COLUMNS
    assert {row["cost"] for row in rows} == {"0", "0.25", "2", ""}
    (key, _) = rows_of(filled.run("usage", "--by", "key", "--csv").stdout)
    assert (key["key"], key["extra"]) == ('\'=Ann, "A"', "-0.5")


def test_csv_has_all_that_the_api_gives(filled: Shell) -> None:
    assert set(filled.json("usage")[0]) == set(COLUMNS)
    for by in NAMES:
        (row, *_) = filled.json("usage", "--by", by)
        head = filled.run("usage", "--by", by, "--csv").stdout.splitlines()[0]
        assert set(row) == set(head.split(","))


def test_csv_is_all_rows_and_not_a_page(shell: Shell) -> None:
    shell.run("mapping", "list")
    store = UsageFile(shell.data_dir / "usage.db")
    store.add(block_of([record(number) for number in range(1500)]))
    store.close()
    assert len(rows_of(shell.run("usage", "--csv").stdout)) == 1500
    done = shell.run("usage", "--csv", "--limit", "10")
    assert len(rows_of(done.stdout)) == 10
    assert "there is more" in done.stderr


@settings(deadline=None, max_examples=50, suppress_health_check=list(HealthCheck))
@given(
    st.lists(st.fixed_dictionaries({"a": st.text(), "b": st.one_of(st.none(), st.integers(), st.floats())}))
)
def test_any_text_comes_back_and_none_begins_a_formula(rows: list[dict[str, object]]) -> None:
    names = ("a", "b")
    back = rows_of(csv_rows.head(names) + "".join(csv_rows.line(names, row) for row in rows))
    for row, got in zip(rows, back, strict=True):
        assert got["a"].removeprefix("'") in (row["a"], str(row["a"]).removeprefix("'"))
        assert not got["a"].startswith(("=", "+", "-", "@", "\t", "\r"))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--csv", "--json"], "two forms"),
        (["--by", "day", "--limit", "3"], "all groups"),
        (["--zone", "UTC"], "--by day"),
        (["--by", "moon"], "day"),
        (["--rows"], "--left-machine"),
        (["--left-machine", "--rows", "--by", "day"], "--left-machine alone"),
        (["--left-machine", "--rows", "--zone", "UTC"], "--left-machine alone"),
        (["--since", "yesterday"], "2026-12-01"),
        (["--by", "day", "--by", "key"], "given twice"),
    ],
)
def test_what_contradicts_itself_is_told(shell: Shell, words: list[str], said: str) -> None:
    assert said in shell.run("usage", *words, code=2).stderr


def test_an_unknown_zone_is_told(shell: Shell) -> None:
    problem = shell.json("usage", "--by", "day", "--zone", "Europe/Nowhere", code=1)
    assert problem["param"] == "zone"
    assert "Europe/Berlin" in problem["detail"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, None),
        (0.0, "$0.00"),
        (12.5, "$12.50"),
        (0.25, "$0.25"),
        (0.000001, "$0.000001"),
        (1e-9, "$0.000000001"),
        (0.5, "$0.50"),
        (0.12345678, "$0.1235"),
        (-2, "$-2.00"),
    ],
)
def test_small_money_is_not_rounded_to_nothing(value: float | None, text: str | None) -> None:
    assert dollars(value) == text


def test_how_long_usage_is_kept(filled: Shell) -> None:
    assert filled.json("usage", "keep") == {"days": None}
    assert "for ever" in filled.run("usage", "keep").stdout
    done = filled.json("usage", "keep", "30")
    assert (done["days"], done["records"]) == (30, 1)
    assert filled.json("usage", "keep") == {"days": 30}
    assert len(filled.json("usage")) == 3
    assert "0 records deleted" in filled.run("usage", "keep", "forever").stdout
    assert filled.json("usage", "keep") == {"days": None}


def test_old_usage_is_deleted_for_good(filled: Shell) -> None:
    said = filled.run("usage", "delete", "--before", "7d").stdout
    assert said.startswith("1 records deleted; the file had ")
    assert {row["flag"] for row in filled.json("usage")} == {None}
    assert filled.json("usage", "delete", "--before", "2026-01-01")["records"] == 0


@pytest.mark.parametrize("days", ["0", "-3", "1.5", "\u0663", "never"])
def test_days_are_a_number(shell: Shell, days: str) -> None:
    assert "forever" in shell.run("usage", "keep", "--", days, code=2).stderr


def test_an_option_before_the_word_is_not_forgotten(shell: Shell) -> None:
    assert "behind it" in shell.run("usage", "--json", "keep", code=2).stderr


def test_a_filter_that_nothing_fits_does_not_say_that_nothing_was_asked(filled: Shell) -> None:
    for words in (["--model", "other"], ["--by", "model", "--model", "other"]):
        assert "no record fits" in filled.run("usage", *words).output


def test_the_last_request_is_explained(shell: Shell) -> None:
    assert "pointsman usage" in shell.run("explain", "--last", code=1).stderr
    store = UsageFile(shell.data_dir / "usage.db")
    session = {"session": "s-1", "client": "claude-cli", "input_tokens": 1000}
    store.add(
        block_of(
            [
                record(1, **session, cached_tokens=0),
                record(2, **session, cached_tokens=980, changed_at=40_000),
                record(3, **session, cached_tokens=10, changed_at=52, changed_in="system[0].text"),
                record(4, model="other", target="openai:gpt"),
                record(
                    5, **session, cached_tokens=990, changed_at=41_000, id="req_00000000000005/1",
                    request="req_00000000000005", outcome="failed", fallback="connect", status=0, attempts=2,
                ),
                record(5, **session, target="openai:gpt", fallback="connect", attempts=2, attempt=2, warnings="dropped:top_k"),
            ]
        )
    )  # fmt: skip
    store.close()
    assert shell.json("explain", "--last", "other")["attempts"] == [
        {"target": "openai:gpt", "local": False, "told": "answered with 200", "warnings": []}
    ]
    found = shell.run("explain", "--last").stdout
    assert "1. local/box:m  took no connection\n" in found
    assert "2. openai:gpt  answered with 200; it left this machine" in found
    assert "lost or changed: dropped:top_k" in found
    assert "1,000 tokens in, the server does not say what its cache had" in found
    found = shell.run("explain", "--last", "--session", "s-1").stdout
    assert found == shell.run("explain", "--last", "m", "--session", "s-1").stdout
    store = UsageFile(shell.data_dir / "usage.db")
    store.add(block_of([record(6, **session, cached_tokens=10, changed_at=60, changed_in="system[0].text")]))
    store.close()
    found = shell.run("explain", "--last").stdout
    assert "10 of them from its cache (1%)" in found
    assert "Changed since the session's last request from byte 60 on, in system[0].text." in found
    assert "reads all behind system[0].text anew" in found
    turns = found.partition("turns before it:\n")[2].splitlines()
    assert [line.split("  ")[-1] for line in turns] == [
        "1,000 tokens in, 990 of them from its cache (99%)",
        "1,000 tokens in, 10 of them from its cache (1%), changed at byte 52 in system[0].text",
        "1,000 tokens in, 980 of them from its cache (98%)",
        "1,000 tokens in, 0 of them from its cache (0%)",
    ]
    assert "--last is of a request that came" in shell.run("explain", "--last", "--key", "x", code=2).stderr
    assert "give --last too" in shell.run("explain", "m", "--session", "x", code=2).stderr
    assert "MODEL, or --last" in shell.run("explain", code=2).stderr
