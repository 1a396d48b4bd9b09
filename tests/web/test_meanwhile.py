"""What a browser is answered whose form is about something that another has changed meanwhile."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pointsman.admin.store import mappings
from pointsman.admin.store.asking import Author, Who, asked_by
from pointsman.admin.store.database import Store
from pointsman.admin.store.schemas import BackendMappingCreate, BackendMappingUpdate
from pointsman.admin.store.versions import ChangedMeanwhile, expect
from pointsman.admin.web.errors import page_error
from pointsman.admin.web.view import FormFields
from pointsman.kinds import BackendType

HOSTILE = '"><script>alert(1)</script>'


@pytest.fixture
def late(tmp_path: Path) -> ChangedMeanwhile:
    store = Store.open(tmp_path / "data")
    with store.write() as session:
        wish = BackendMappingCreate(model_pattern="m", backend_type=BackendType.LOCAL)
        row = mappings.create(session, wish)
        read = row.version
    with asked_by(Author(Who.COMMAND_LINE)), store.write() as session:
        mappings.update(session, row.id or 0, BackendMappingUpdate(priority=5, backend_model="theirs"))
    with store.read() as session, pytest.raises(ChangedMeanwhile) as caught:
        expect(session, mappings.get(session, row.id or 0), read)
    store.close()
    return caught.value


def answer(late: ChangedMeanwhile, *fields: tuple[str, str], htmx: bool = False) -> tuple[int, str]:
    sent = [("model_pattern", "m"), ("backend_model", HOSTILE), ("version", "old"), *fields]
    headers = [(b"referer", b"http://127.0.0.1:4480/ui/mappings?x=1")]
    scope: dict[str, Any] = {
        "type": "http",
        "method": "POST",
        "path": "/ui/mappings/1",
        "headers": [*headers, (b"hx-request", b"true")] if htmx else headers,
        "state": {"sent": FormFields(sent)},
    }
    response = page_error(scope, late)
    return response.status_code, bytes(response.body).decode()


@pytest.mark.parametrize("htmx", [False, True])
def test_both_are_shown_as_text_and_the_new_version_goes_with_save_mine(
    late: ChangedMeanwhile, htmx: bool
) -> None:
    status, text = answer(late, htmx=htmx)
    assert status == 409
    assert ("<html" in text) is not htmx
    assert "by the command line since you opened it" in text
    assert "<td>theirs</td>" in text
    assert "<script" not in text.replace("<script src", "")
    assert "&lt;script&gt;" in text
    assert f'name="version" value="{late.row.version}"' in text
    assert "model_pattern" in text
    assert '<th scope="row">model_pattern</th>' not in text, "it is the same"
    assert 'href="/ui/mappings?x=1"' in text


def test_a_key_that_was_typed_is_not_written_into_the_page(late: ChangedMeanwhile) -> None:
    _, text = answer(late, ("api_key", "sk-canary"))
    assert "canary" not in text
    assert "Save mine" not in text
