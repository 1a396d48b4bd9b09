"""What only these tests do: they make hundreds of rules and backends at the shared gateways."""

from __future__ import annotations

import pytest

from .gateway import MANY_ROWS, SHARED


@pytest.fixture(autouse=True)
def few_rows() -> None:
    """A shared gateway that has many begins anew. Before a test, since none of this folder keeps anything of it."""
    for gateway in SHARED:
        if gateway.rows > MANY_ROWS:
            gateway.renew()
