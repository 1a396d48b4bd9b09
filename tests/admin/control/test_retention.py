"""Usage is kept for as many days as was said: what is older goes when a gateway starts, and every hour."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pointsman.admin.control import retention
from pointsman.admin.control.retention import Retention
from pointsman.admin.store.database import Store
from pointsman.admin.store.shadows import ShadowStore
from pointsman.admin.store.usage_file import UsageFile
from pointsman.ledger.blocks import block_of
from pointsman.link.messages import Shadowed

from .test_shadow_report import comparison
from .test_usage import record

DAY = 86400.0


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(tmp_path / "data")
    yield opened
    opened.close()


@pytest.fixture
def usage(tmp_path: Path, store: Store) -> Iterator[UsageFile]:
    opened = UsageFile(tmp_path / "data" / "usage.db")
    now = time.time()
    opened.add(block_of([record(age, at=now - (age + 0.5) * DAY) for age in range(10)]))
    yield opened
    opened.close()


@pytest.fixture
def shadows(tmp_path: Path, store: Store) -> Iterator[ShadowStore]:
    opened = ShadowStore(tmp_path / "data")
    now = time.time()
    opened.add(Shadowed(tuple(comparison(at=now - (age + 0.5) * DAY) for age in range(10))))
    yield opened
    opened.close()


def test_usage_is_kept_for_ever_unless_somebody_says_otherwise(
    store: Store, usage: UsageFile, shadows: ShadowStore
) -> None:
    kept = Retention(store, usage, shadows)
    kept.tend()
    assert (kept.days, usage.totals().requests) == (None, 10)


def test_what_is_older_goes_at_once_at_the_next_start_and_every_hour(
    store: Store, usage: UsageFile, shadows: ShadowStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert Retention(store, usage, shadows).keep(7).records == 3
    usage.add(block_of([record(20, at=time.time() - 20 * DAY)]))
    kept = Retention(store, usage, shadows)
    assert kept.days == 7
    assert len(shadows.compared()) == 7
    kept.tend()
    assert usage.totals().requests == 7
    usage.add(block_of([record(30, at=time.time() - 30 * DAY)]))
    kept.tend()
    assert usage.totals().requests == 8, "not each second"
    later = time.monotonic() + 3601
    monkeypatch.setattr(retention.time, "monotonic", lambda: later)
    kept.tend()
    assert usage.totals().requests == 7


def test_a_database_that_cannot_be_read_ends_nothing(
    store: Store, usage: UsageFile, shadows: ShadowStore
) -> None:
    kept = Retention(store, usage, shadows)
    store.close()
    kept.tend()
    assert usage.totals().requests == 10
