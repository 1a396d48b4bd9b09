"""The whole admin API by its own document, over a real socket: no 5xx, no status and no shape that the document does not
say. The same every time; `make fuzz ARGS="--target admin"` tries other data for as long as you like."""

from __future__ import annotations

from pathlib import Path

import pytest

from .admin_api import explore, namespaces

EXAMPLES = 8
"""Of each operation; its document's corners (bounds, kinds, methods) come on top and take most of the 20 s."""


@pytest.mark.timeout(600)  # of a machine that is crowded; alone it takes twenty seconds
def test_the_admin_api_does_what_its_document_says(tmp_path: Path) -> None:
    if not namespaces():
        pytest.skip("NO NETWORK NAMESPACES here: the admin API is not explored, since it connects out")
    found = explore(tmp_path, EXAMPLES)
    assert found.wrong() == []
    assert len(found.statuses) > 30
    assert sum(sum(statuses.values()) for statuses in found.statuses.values()) > 1000
