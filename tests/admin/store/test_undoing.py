"""Changes are taken back, whole, and only where nothing is lost by it."""

from __future__ import annotations

import pytest

from pointsman.admin.store import (
    audit,
    client_keys,
    credentials,
    key_groups,
    local_backends,
    mappings,
    origins,
    settings,
    undoing,
    webhooks,
)
from pointsman.admin.store.database import Store
from pointsman.admin.store.schemas import (
    BackendMappingCreate,
    BackendMappingUpdate,
    ClientKeyCreate,
    ClientKeyUpdate,
    CloudCredentialCreate,
    KeyGroupCreate,
    LocalBackendCreate,
    WebhookCreate,
)
from pointsman.admin.store.versions import ChangedMeanwhile, expect
from pointsman.admin.vault import Vault
from pointsman.errors import PointsmanError
from pointsman.kinds import BackendType

from .conftest import ByHand


def rule(pattern: str = "qwen*") -> BackendMappingCreate:
    return BackendMappingCreate.model_validate(
        {
            "model_pattern": pattern,
            "backend_type": "local",
            "fallback_backend": "openai",
            "fallbacks": [{"backend_type": "anthropic", "model": "claude"}],
            "presets": {"seed": 1},
        }
    )


def newest(store: Store) -> int:
    with store.read() as session:
        return audit.page(session, limit=1)[0].id


def undo(store: Store, number: int, *, keys_needed: bool = False) -> None:
    with store.write() as session:
        undoing.undo(session, audit.entry(session, number), keys_needed=keys_needed)


def refused(store: Store, number: int) -> str:
    """Why; the list says so before."""
    with store.read() as session:
        said = audit.get(session, number).why_not
    with pytest.raises(PointsmanError) as caught:
        undo(store, number)
    assert caught.value.status == 409
    assert said
    assert said in caught.value.public or "since" in said
    return caught.value.public


def test_a_deleted_rule_is_back_under_its_number_with_its_targets(store: Store) -> None:
    with store.write() as session:
        made = mappings.create(session, rule())
        before = mappings.response(session, made)
    with store.write() as session:
        mappings.delete(session, before.id)
    undo(store, newest(store))
    with store.read() as session:
        again = mappings.response(session, mappings.get(session, before.id))
    assert again.model_dump(exclude={"updated_at"}) == before.model_dump(exclude={"updated_at"})


def test_an_undo_is_an_entry_that_can_be_undone(store: Store) -> None:
    with store.write() as session:
        number = mappings.create(session, rule()).id or 0
    with store.write() as session:
        mappings.update(session, number, BackendMappingUpdate(priority=5, presets=None))
    changed = newest(store)
    undo(store, changed)
    with store.read() as session:
        assert (mappings.get(session, number).priority, mappings.get(session, number).presets) == (
            0,
            {"seed": 1},
        )
        assert audit.page(session, limit=1)[0].undoes == changed
    assert "undo that one first" in refused(store, changed), "it is undone already"
    undo(store, newest(store))
    with store.read() as session:
        assert (mappings.get(session, number).priority, mappings.get(session, number).presets) == (5, None)


def test_a_created_rule_goes_unless_it_was_changed_since(store: Store) -> None:
    with store.write() as session:
        number = mappings.create(session, rule()).id or 0
    made = newest(store)
    with store.write() as session:
        mappings.update(session, number, BackendMappingUpdate(priority=5))
    assert "has changed it since" in refused(store, made)
    undo(store, newest(store))
    undo(store, newest(store))  # the undo of the undo: priority 5 again
    undo(store, newest(store))
    with store.read() as session:
        assert mappings.get(session, number).priority == 0


def test_a_reorder_of_several_rules_is_undone_at_once(store: Store) -> None:
    with store.write() as session:
        numbers = [mappings.create(session, rule(name)).id or 0 for name in "abc"]
    with store.write() as session:
        for place, number in enumerate(numbers):
            mappings.update(session, number, BackendMappingUpdate(priority=10 + place))
    undo(store, newest(store))
    with store.read() as session:
        assert [mappings.get(session, one).priority for one in numbers] == [0, 0, 0]


def test_what_was_written_by_hand_is_not_undone_over(store: Store, by_hand: ByHand) -> None:
    with store.write() as session:
        number = mappings.create(session, rule()).id or 0
    with store.write() as session:
        mappings.update(session, number, BackendMappingUpdate(priority=5))
    by_hand("UPDATE backend_mappings SET priority = 6")
    with pytest.raises(PointsmanError, match="into the database itself"):
        undo(store, newest(store))


def test_a_deleted_key_stays_deleted_and_says_why(store: Store, vault: Vault) -> None:
    wish = CloudCredentialCreate(backend_type=BackendType.OPENAI, api_key="sk-one")
    with store.write() as session:
        credentials.create(session, vault, wish)
    made = newest(store)
    with store.write() as session:
        credentials.put(session, vault, wish.model_copy(update={"api_key": "sk-two", "max_in_flight": 3}))
    assert "pointsman credential set openai" in refused(store, newest(store))
    with store.write() as session:
        credentials.delete(session, BackendType.OPENAI)
    assert "Its key is not kept here" in refused(store, newest(store))
    refused(store, made)


def test_a_server_without_a_key_comes_back_and_one_that_was_added_goes(store: Store, vault: Vault) -> None:
    with store.write() as session:
        local_backends.create(
            session, vault, LocalBackendCreate(name="box", base_url="http://127.0.0.1:1", max_in_flight=2)
        )
    made = newest(store)
    undo(store, made)
    with store.read() as session, pytest.raises(PointsmanError, match="no local backend"):
        local_backends.get(session, "box")
    undo(store, newest(store))
    with store.read() as session:
        assert local_backends.get(session, "box").max_in_flight == 2


def test_client_keys_are_revoked_not_undone_but_their_limits_are(store: Store) -> None:
    with store.write() as session:
        row, _ = client_keys.create(session, ClientKeyCreate(name="laptop"))
        number = row.id or 0
    assert f"pointsman key revoke {number}" in refused(store, newest(store))
    with store.write() as session:
        client_keys.update(session, number, ClientKeyUpdate(rate_requests=5))
    undo(store, newest(store))
    with store.read() as session:
        assert client_keys.get(session, number).rate_requests is None
    with store.write() as session:
        client_keys.rotate(session, number, 60)
    assert "stays so" in refused(store, newest(store))
    with store.write() as session:
        client_keys.revoke(session, number)
    assert "stays so" in refused(store, newest(store))


def test_a_group_that_is_gone_takes_no_key_back(store: Store) -> None:
    with store.write() as session:
        key_groups.create(session, KeyGroupCreate(name="team"))
    group = newest(store)
    with store.write() as session:
        row, _ = client_keys.create(session, ClientKeyCreate(name="laptop", group="team"))
        number = row.id or 0
    with store.write() as session, pytest.raises(PointsmanError, match="are in the group"):
        undoing.undo(session, audit.entry(session, group), keys_needed=False)
    with store.write() as session:
        client_keys.update(session, number, ClientKeyUpdate(group=None))
    left = newest(store)
    with store.write() as session:
        key_groups.delete(session, "team")
    with pytest.raises(PointsmanError, match="the group that the key was in is gone"):
        undo(store, left)
    undo(store, newest(store))
    undo(store, left)
    with store.read() as session:
        assert client_keys.get(session, number).group_id == key_groups.get(session, "team").id


def test_a_name_that_was_taken_meanwhile_is_not_taken_back(store: Store) -> None:
    with store.write() as session:
        origins.delete(session, origins.create(session, "https://a.example").id or 0)
        kept = origins.create(session, "https://b.example").id or 0
    with store.write() as session:
        origins.delete(session, kept)
    gone = newest(store)
    with store.write() as session:
        origins.create(session, "https://b.example")
    with pytest.raises(PointsmanError, match="there is another origin"):
        undo(store, gone)


def test_every_page_is_let_in_again_only_where_clients_need_keys(store: Store) -> None:
    with store.write() as session:
        row = origins.create(session, "*")
    with store.write() as session:
        origins.delete(session, row.id or 0)
    with pytest.raises(PointsmanError, match="no client key is needed yet"):
        undo(store, newest(store))
    undo(store, newest(store), keys_needed=True)


def test_plain_settings_go_back_and_secret_ones_do_not(store: Store, vault: Vault) -> None:
    with store.write() as session:
        settings.put(session, settings.USAGE_DAYS, "30")
    undo(store, newest(store))
    with store.read() as session:
        assert settings.get(session, settings.USAGE_DAYS) is None
        secret = [one for one in audit.page(session) if one.rows[0].name == settings.PEPPER]
    assert "secret of the gateway's own" in refused(store, secret[0].id)


def test_a_webhook_s_secret_is_not_kept(store: Store, vault: Vault) -> None:
    with store.write() as session:
        row, _ = webhooks.create(session, vault, WebhookCreate(url="https://hooks.example/"))
    undo(store, newest(store))
    assert "pointsman webhook add" in refused(store, newest(store)), row


def test_the_later_of_two_is_told_who_was_first(store: Store) -> None:
    with store.write() as session:
        row = mappings.create(session, rule())
        read = row.version
        expect(session, row, read)
        expect(session, row, None)
    with store.write() as session:
        mappings.update(session, row.id or 0, BackendMappingUpdate(priority=5))
    with store.read() as session, pytest.raises(ChangedMeanwhile) as caught:
        expect(session, mappings.get(session, row.id or 0), read)
    assert "UTC by the gateway itself since you read it" in caught.value.public
    assert caught.value.details
    assert caught.value.details["current"]["priority"] == 5
    undo(store, newest(store))
    with store.read() as session:
        expect(session, mappings.get(session, row.id or 0), read)
