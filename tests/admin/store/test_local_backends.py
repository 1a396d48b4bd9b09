"""Local backends: names, PATCH, and a key that does not follow a changed origin."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pointsman.admin.store import local_backends, sealing
from pointsman.admin.store.database import Store
from pointsman.admin.store.rotation import open_vault
from pointsman.admin.store.schemas import LocalBackendCreate, LocalBackendUpdate
from pointsman.admin.store.tables import LocalBackend
from pointsman.admin.vault import Secret, Vault
from pointsman.errors import PointsmanError
from pointsman.kinds import ErrorKind


def add(store: Store, vault: Vault, **fields: Any) -> LocalBackend:
    values = {"name": "box", "base_url": "http://127.0.0.1:8080"} | fields
    with store.write() as session:
        return local_backends.create(session, vault, LocalBackendCreate.model_validate(values))


def change(store: Store, vault: Vault, **fields: Any) -> LocalBackend:
    with store.write() as session:
        return local_backends.update(session, vault, "box", LocalBackendUpdate.model_validate(fields))


def test_a_name_is_taken_once(store: Store, vault: Vault) -> None:
    add(store, vault)
    with pytest.raises(PointsmanError, match="already") as caught:
        add(store, vault, base_url="http://127.0.0.1:1")
    assert caught.value.kind is ErrorKind.CONFLICT


def test_listed_by_name_and_found_by_name(store: Store, vault: Vault) -> None:
    for name in ("b", "a"):
        add(store, vault, name=name)
    with store.read() as session:
        assert [row.name for row in local_backends.list_all(session)] == ["a", "b"]
        with pytest.raises(PointsmanError, match="pointsman local list"):
            local_backends.get(session, "c")


def test_a_patch_leaves_out_what_it_does_not_name(store: Store, vault: Vault) -> None:
    made = add(store, vault, context_window=4096, api_key="k1", dialects=["openai_chat"], auth="x-api-key")
    after = change(store, vault, enabled=False)
    assert (after.enabled, after.context_window, after.dialects, after.auth) == (
        False, 4096, ["openai_chat"], "x-api-key",
    )  # fmt: skip
    assert sealing.open_key(vault, after) == Secret("k1")
    assert after.updated_at > made.created_at


def test_null_clears(store: Store, vault: Vault) -> None:
    made = add(
        store, vault, context_window=4096, api_key="k1", dialects=["openai_chat"], auth="x-api-key", node="n1"
    )
    assert made.node == "n1"
    after = change(store, vault, api_key=None, context_window=None, dialects=None, auth=None, node=None)
    assert after.node is None
    assert after.encrypted_api_key is None
    assert after.key_fingerprint is None
    assert (after.context_window, after.dialects, after.auth) == (None, None, None)


@pytest.mark.parametrize("url", ["http://127.0.0.1:8081", "https://127.0.0.1:8080", "http://localhost:8080"])
def test_a_changed_origin_needs_the_key_again(store: Store, vault: Vault, url: str) -> None:
    add(store, vault, api_key="k1")
    with pytest.raises(PointsmanError, match="give the key again") as caught:
        change(store, vault, base_url=url)
    assert caught.value.param == "api_key"
    with store.read() as session:
        row = local_backends.get(session, "box")
        assert row.base_url == "http://127.0.0.1:8080"
        assert sealing.open_key(vault, row) == Secret("k1")
    assert sealing.open_key(vault, change(store, vault, base_url=url, api_key="k2")) == Secret("k2")
    after = change(store, vault, base_url="http://127.0.0.1:9999", api_key=None)
    assert after.encrypted_api_key is None


def test_another_path_at_the_same_origin_keeps_the_key(store: Store, vault: Vault) -> None:
    add(store, vault, api_key="k1")
    after = change(store, vault, base_url="http://127.0.0.1:8080/engine/v1")
    assert after.base_url == "http://127.0.0.1:8080/engine/v1"
    assert sealing.open_key(vault, after) == Secret("k1")


def test_without_a_key_the_origin_is_free_to_change(store: Store, vault: Vault) -> None:
    add(store, vault)
    assert change(store, vault, base_url="http://192.168.1.5:1").base_url == "http://192.168.1.5:1"


def test_the_address_rules_look_at_the_result(store: Store, vault: Vault) -> None:
    add(store, vault)
    with pytest.raises(PointsmanError, match="allow_http") as caught:
        change(store, vault, base_url="http://8.8.8.8")
    assert (caught.value.status, caught.value.param) == (422, "base_url")
    assert change(store, vault, base_url="http://8.8.8.8", allow_http=True).allow_http
    with pytest.raises(PointsmanError, match="allow_http"):
        change(store, vault, allow_http=False)
    with pytest.raises(PointsmanError, match="nothing is ever sent"):
        change(store, vault, base_url="http://169.254.169.254")


def test_without_a_key_it_works_degraded_too(store: Store, vault: Vault, data_dir: Path) -> None:
    degraded = open_vault(store, data_dir, {"POINTSMAN_MASTER_KEY": "bad"})
    add(store, degraded)
    assert change(store, degraded, enabled=False).enabled is False
    with pytest.raises(PointsmanError, match="POINTSMAN_MASTER_KEY") as caught:
        change(store, degraded, api_key="k")
    assert caught.value.status == 503


def test_delete(store: Store, vault: Vault) -> None:
    add(store, vault)
    with store.write() as session:
        local_backends.delete(session, "box")
        with pytest.raises(PointsmanError):
            local_backends.delete(session, "box")


def test_the_limit_and_the_joining_are_kept_and_cleared(store: Store, vault: Vault) -> None:
    made = add(store, vault, max_in_flight=2, join_resends=True)
    assert (made.max_in_flight, made.join_resends) == (2, True)
    kept = change(store, vault, enabled=False)
    assert (kept.max_in_flight, kept.join_resends) == (2, True)
    cleared = change(store, vault, max_in_flight=None, join_resends=False)
    assert (cleared.max_in_flight, cleared.join_resends) == (None, False)
