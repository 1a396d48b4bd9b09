"""Rules in the store: order, PATCH, warnings."""

from __future__ import annotations

from typing import Any

import pytest

from pointsman.admin.store import credentials, local_backends, mappings
from pointsman.admin.store.database import Store
from pointsman.admin.store.schemas import (
    BackendMappingCreate,
    BackendMappingUpdate,
    CloudCredentialCreate,
    LocalBackendCreate,
    LocalBackendUpdate,
)
from pointsman.admin.store.tables import BackendMapping
from pointsman.admin.vault import Vault
from pointsman.errors import PointsmanError
from pointsman.kinds import BackendType, ErrorKind


def add(store: Store, **fields: Any) -> BackendMapping:
    values = {"model_pattern": "gpt-*", "backend_type": "openai"} | fields
    with store.write() as session:
        return mappings.create(session, BackendMappingCreate.model_validate(values))


def change(store: Store, number: int | None, **fields: Any) -> BackendMapping:
    with store.write() as session:
        return mappings.update(session, number or 0, BackendMappingUpdate.model_validate(fields))


def add_local(store: Store, vault: Vault, **fields: Any) -> None:
    values = {"name": "box", "base_url": "http://127.0.0.1:1"} | fields
    with store.write() as session:
        local_backends.create(session, vault, LocalBackendCreate.model_validate(values))


def warnings(store: Store, row: BackendMapping) -> list[str]:
    with store.read() as session:
        return mappings.response(session, row).warnings


def test_two_rules_may_have_one_pattern(store: Store) -> None:
    assert add(store).id != add(store).id


def test_they_come_by_priority_then_the_lower_id(store: Store) -> None:
    numbers = [add(store, priority=p).id for p in (0, 5, -1, 5, 0)]
    with store.read() as session:
        found = [row.id for row in mappings.list_all(session)]
    assert found == [numbers[i] for i in (1, 3, 0, 4, 2)]


@pytest.mark.parametrize("number", [0, -1, 4242, 2**63, -(2**80)])
def test_what_is_not_there_is_said(store: Store, number: int) -> None:
    with store.write() as session:
        for act in (
            lambda: mappings.get(session, number),
            lambda: mappings.delete(session, number),
            lambda: mappings.update(session, number, BackendMappingUpdate()),
        ):
            with pytest.raises(PointsmanError, match="pointsman mapping list") as caught:
                act()
            assert caught.value.kind is ErrorKind.NOT_FOUND


def test_a_patch_leaves_out_what_it_does_not_name(store: Store) -> None:
    row = add(store, backend_model="a", fallback_backend="local", fallback_model="b", priority=3)
    after = change(store, row.id, enabled=False)
    assert (after.enabled, after.backend_model, after.fallback_model, after.priority) == (False, "a", "b", 3)
    assert after.fallback_backend is BackendType.LOCAL
    assert after.updated_at > row.created_at
    assert after.created_at == row.created_at


def test_null_clears(store: Store) -> None:
    row = add(store, backend_model="a", fallback_backend="local", fallback_model="b")
    after = change(store, row.id, backend_model=None, fallback_backend=None, fallback_model=None)
    assert (after.backend_model, after.fallback_backend, after.fallback_model) == (None, None, None)


def test_fallbacks_are_replaced_whole_and_stored_as_written(store: Store) -> None:
    row = add(store, fallbacks=[{"backend_type": "local", "backend_name": "a"}])
    change(store, row.id, fallbacks=[{"backend_type": "anthropic", "model": "claude"}])
    with store.read() as session:
        again = mappings.get(session, row.id or 0)
        assert again.fallbacks == [{"backend_type": "anthropic", "backend_name": "", "model": "claude"}]


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"fallback_model": "x"}, "fallback_backend"),
        ({"local_only": True}, "ocal_only"),
        ({"fallback_backend": "openai"}, "twice"),
        ({"backend_type": "local", "forward_auth": True}, "orward_auth"),
    ],
)
def test_the_result_of_a_patch_must_be_a_rule_as_a_whole(
    store: Store, fields: dict[str, Any], word: str
) -> None:
    row = add(store)
    with pytest.raises(PointsmanError, match=word) as caught:
        change(store, row.id, **fields)
    assert caught.value.status == 422
    with store.read() as session:
        again = mappings.get(session, row.id or 0)
        assert (again.backend_type, again.local_only, again.updated_at) == ("openai", False, row.updated_at)


def test_a_patch_that_changes_nothing_moves_no_time(store: Store) -> None:
    row = add(store, priority=3)
    assert change(store, row.id, priority=3).updated_at == row.updated_at


def test_deleting_removes(store: Store) -> None:
    row = add(store)
    with store.write() as session:
        mappings.delete(session, row.id or 0)
    with store.read() as session:
        assert mappings.list_all(session) == []


def test_a_cloud_target_without_a_key_is_a_warning_that_names_the_command(store: Store, vault: Vault) -> None:
    row = add(store, backend_name="groq")
    assert warnings(store, row) == [
        "openai/groq has no key yet; add it with: pointsman credential set openai/groq"
    ]
    wish = CloudCredentialCreate(backend_type=BackendType.OPENAI, name="groq", api_key="k")
    with store.write() as session:
        credentials.put(session, vault, wish)
    assert warnings(store, row) == []


def test_a_client_that_brings_its_own_login_needs_no_key(store: Store) -> None:
    assert warnings(store, add(store, backend_type="anthropic", forward_auth=True)) == []


def test_local_targets_are_looked_up_by_name(store: Store, vault: Vault) -> None:
    row = add(store, backend_type="local", backend_name="box", fallbacks=[{"backend_type": "local"}])
    assert [text.split(";")[0] for text in warnings(store, row)] == [
        "local/box does not exist yet",
        "there is no local backend yet",
    ]
    add_local(store, vault, enabled=False)
    assert len(warnings(store, row)) == 2
    assert all("is disabled" in text for text in warnings(store, row))


def test_the_practice_backend_is_always_there(store: Store) -> None:
    assert warnings(store, add(store, backend_type="local", backend_name="practice")) == []


@pytest.mark.parametrize(
    ("url", "warned"),
    [("http://192.168.1.5", True), ("http://127.0.0.1:1", False), ("http://[::1]:1", False), ("http://gpu", False)],
)  # fmt: skip
def test_local_only_warns_of_a_backend_on_another_computer(
    store: Store, vault: Vault, url: str, warned: bool
) -> None:
    add_local(store, vault, base_url=url)
    row = add(store, backend_type="local", backend_name="box", local_only=True)
    assert any("not on this computer" in text for text in warnings(store, row)) is warned


def test_the_response_carries_the_warnings(store: Store) -> None:
    row = add(store, fallbacks=[{"backend_type": "local", "backend_name": "box", "model": "q"}])
    with store.read() as session:
        answer = mappings.response(session, row)
    assert len(answer.warnings) == 2
    assert answer.fallbacks[0].model_dump(mode="json") == {
        "backend_type": "local", "backend_name": "box", "model": "q",
    }  # fmt: skip
    assert answer.model_dump(mode="json")["created_at"].endswith("Z")


BOX = [{"backend_type": "local", "backend_name": "box"}]


def test_what_a_rule_says_of_failures_is_stored_as_plain_words(store: Store) -> None:
    made = add(store, fallbacks=BOX, fallback_on=["refusal", "context", "refusal"], hedge_seconds=0.05)
    assert (made.fallback_on, made.hedge_seconds) == (["refusal", "context"], 0.05)
    kept = change(store, made.id, priority=3)
    assert (kept.fallback_on, kept.hedge_seconds) == (["refusal", "context"], 0.05)
    cleared = change(store, made.id, fallback_on=[], hedge_seconds=None)
    assert (cleared.fallback_on, cleared.hedge_seconds) == ([], None)


@pytest.mark.parametrize("fields", [{"fallbacks": []}, {"backend_type": "local", "local_only": True}])
def test_a_hedged_rule_keeps_a_next_target_and_may_leave_the_computer(
    store: Store, fields: dict[str, Any]
) -> None:
    made = add(store, fallbacks=BOX, hedge_seconds=1)
    with pytest.raises(PointsmanError, match="take hedge_seconds away"):
        change(store, made.id, **fields)
    assert change(store, made.id, **fields, hedge_seconds=None).hedge_seconds is None


def test_reasons_to_fall_back_without_a_next_target_are_a_warning(store: Store, vault: Vault) -> None:
    add_local(store, vault)
    made = add(store, backend_type="local", backend_name="box", fallback_on=["context"])
    (warning,) = warnings(store, made)
    assert f"pointsman mapping update {made.id} --fallback" in warning
    assert (
        warnings(
            store, change(store, made.id, fallbacks=[{"backend_type": "local", "backend_name": "practice"}])
        )
        == []
    )


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"shadow": "openai:gpt-5"}, "no local target"),
        ({"shadow": "local/"}, "no local target"),
        ({"shadow": "local/Box"}, "is not a name"),
        ({"shadow": "local/box:"}, "model name is empty"),
        ({"shadow_share": 10}, "set shadow, or take shadow_share away"),
        ({"shadow": "local/box", "backend_type": "local"}, "every target is local"),
        ({"shadow": "local/box", "shadow_busy": 0}, "greater than or equal to 1"),
    ],
)
def test_a_shadow_is_local_and_beside_a_provider(store: Store, fields: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        add(store, **fields)


def test_a_shadow_that_cannot_be_asked_is_warned_about(store: Store, vault: Vault) -> None:
    row = add(store, shadow="local/box:q")
    assert "local/box does not exist yet" in " ".join(warnings(store, row))
    add_local(store, vault, base_url="http://192.168.1.5:80")
    assert "not on this computer: it is never asked" in " ".join(warnings(store, row))
    with store.write() as session:
        local_backends.update(session, vault, "box", LocalBackendUpdate(base_url="http://127.0.0.1:1"))
    assert not [one for one in warnings(store, row) if "shadow" in one]
