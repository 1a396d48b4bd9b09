"""config: what a person writes for a limit, with units or without, and what is said when it cannot be read."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.config import Limits, LogWishes, limit_of, log_wishes
from pointsman.errors import PointsmanError

READ = {
    "body_bytes": {
        "1000": 1000, "64MB": 64_000_000, "64MiB": 2**26, "64k": 2**16, "64K": 2**16, "1g": 2**30, "0.5 GB": 500_000_000,
        "1.5kB": 1500, " 7b ": 7, "2mib": 2**21,
    },
    "body_rate": {"1k": 1024, "2048": 2048},
    "queue_seconds": {
        "60": 60, "60s": 60, "0.25": 0.25, ".5": 0.5, "5m": 300, "1h": 3600, "500ms": 0.5, "2 minutes": 120, "1day": 86400,
        "90 SEC": 90,
    },
    "max_requests": {"5000": 5000, "1": 1},
    "response_memory_bytes": {"0": 0, "0MB": 0},
}  # fmt: skip
REFUSED = {
    "body_bytes": ["", " ", "64XB", "64 s", "-1", "0", "nan", "inf", "1e400", "1e3", "0x10", "64MB64", "0.3", "1,5MB", "۳MB",
                   "9" * 400, "1_000", "+5", "MB", "many"],
    "queue_seconds": ["", "60x", "60MB", "-5s", "0", "0ms", "NaN", "-inf", "1e400", "1e-400", "5m30s", "1" * 30, "soon", "٣"],
    "drain_seconds": ["0", "0s", "-0"],
    "max_requests": ["", "5k", "2.5", "0", "-3", "1s", "none"],
    "response_memory_seconds": ["0", "-1h"],
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "text", "value"), [(name, *pair) for name, rows in READ.items() for pair in rows.items()]
)
def test_a_limit_is_read(name: str, text: str, value: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"POINTSMAN_{name.upper()}", text)
    found = getattr(Limits.from_environment(), name)
    assert found == pytest.approx(value)
    assert type(found) is (float if name.endswith("_seconds") else int)


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, rows in REFUSED.items() for text in rows])
def test_a_mistyped_limit_is_told_by_its_variable_s_name(
    name: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    variable = f"POINTSMAN_{name.upper()}"
    monkeypatch.setenv(variable, text)
    with pytest.raises(PointsmanError) as caught:
        Limits.from_environment()
    assert caught.value.public.startswith(f"{variable}=")
    assert caught.value.param == variable
    assert "\n" not in caught.value.public
    assert len(caught.value.public) < 250


@given(st.sampled_from([one.name for one in dataclasses.fields(Limits)]), st.text(max_size=12))
def test_any_text_is_a_number_that_can_be_used_or_refused(name: str, text: str) -> None:
    try:
        value = limit_of(name, text)
    except ValueError:
        return
    assert 0 <= value <= 1e12
    assert value > 0 or name == "response_memory_bytes"


@pytest.mark.parametrize(
    ("text", "wishes"),
    [
        ("", LogWishes()),
        ("info", LogWishes("INFO")),
        ("json", LogWishes(json=True)),
        ("stderr,info", LogWishes("INFO", file=False)),
        (" JSON , Debug", LogWishes("DEBUG", json=True)),
        ("link=debug,requests=INFO,error,text", LogWishes("ERROR", {"link": "DEBUG", "requests": "INFO"})),
    ],
)
def test_what_the_log_says_and_how(text: str, wishes: LogWishes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POINTSMAN_LOG", text)
    assert log_wishes() == wishes


@pytest.mark.parametrize(
    ("text", "why"),
    [("loud", "='loud' is not one of DEBUG"), ("attic=info", "names no part of the log; there are access")],
)
def test_a_mistyped_log(text: str, why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POINTSMAN_LOG", text)
    with pytest.raises(PointsmanError, match=why):
        log_wishes()


def test_a_home_folder_of_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    from pointsman.config import default_data_dir

    monkeypatch.setenv("POINTSMAN_DATA_DIR", "~nobody-by-this-name/data")
    with pytest.raises(PointsmanError, match="POINTSMAN_DATA_DIR="):
        default_data_dir()
