"""Where usage records lie: beside the rules in a PostgreSQL that several gateways share, else in a file of their own. Not
here: what may be asked of them (usage.py).
"""

from __future__ import annotations

from pathlib import Path

from ...config import USAGE_FILE
from .database import Store
from .usage import UsageStore
from .usage_file import UsageFile


def open_usage(store: Store, data_dir: Path) -> UsageStore:
    """Opens at first use. Raises PointsmanError at once when others can read the file. PostgreSQL's driver is loaded where
    rules lie there."""
    if not store.backing.shared:
        return UsageFile(data_dir / USAGE_FILE)
    from .postgres_backing import PostgresBacking
    from .postgres_usage import UsageTables

    assert isinstance(store.backing, PostgresBacking), "nothing else is shared"
    return UsageTables(store.backing.server)
