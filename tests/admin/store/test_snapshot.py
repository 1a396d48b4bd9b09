"""The compiled snapshot: what the data plane gets, and that no row can stop the others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pointsman.admin.store import client_keys, credentials, key_groups, local_backends, mappings
from pointsman.admin.store.database import Store
from pointsman.admin.store.rotation import open_vault
from pointsman.admin.store.schemas import (
    BackendMappingCreate,
    ClientKeyCreate,
    CloudCredentialCreate,
    KeyGroupCreate,
    LocalBackendCreate,
)
from pointsman.admin.store.snapshot import compile_snapshot
from pointsman.admin.store.tables import (
    BudgetColumns,
    CredentialAddress,
    CredentialColumns,
    LocalAddress,
    LocalColumns,
    MappingColumns,
)
from pointsman.admin.vault import Vault
from pointsman.kinds import BackendType, Limit, Per
from pointsman.ledger.accounts import LimitSpec
from pointsman.ledger.periods import own_zone
from pointsman.link.messages import Snapshot
from pointsman.routing.specs import BackendSpec, MappingSpec
from pointsman.secret import Secret

from .conftest import ByHand


def compiled(store: Store, vault: Vault) -> Snapshot:
    with store.read() as session:
        return compile_snapshot(session, vault, 7, "epoch")


def backend(store: Store, vault: Vault, key: str) -> BackendSpec:
    return next(spec for spec in compiled(store, vault).backends if spec.key == key)


def credential(store: Store, vault: Vault, **fields: Any) -> None:
    values = {"backend_type": "openai", "api_key": "sk-1"} | fields
    with store.write() as session:
        credentials.put(session, vault, CloudCredentialCreate.model_validate(values))


def local(store: Store, vault: Vault, **fields: Any) -> None:
    values = {"name": "box", "base_url": "http://127.0.0.1:8080/v1"} | fields
    with store.write() as session:
        local_backends.create(session, vault, LocalBackendCreate.model_validate(values))


def rule(store: Store, **fields: Any) -> None:
    with store.write() as session:
        mappings.create(session, BackendMappingCreate.model_validate(fields))


def test_an_empty_database_is_an_empty_snapshot(store: Store, vault: Vault) -> None:
    snapshot = compiled(store, vault)
    assert (snapshot.version, snapshot.epoch, snapshot.mappings, snapshot.backends) == (7, "epoch", (), ())
    assert (snapshot.client_keys, snapshot.keys_required, snapshot.problems) == ((), False, ())
    assert len(snapshot.pepper) == 32


def test_a_credential_gets_its_types_defaults(store: Store, vault: Vault) -> None:
    credential(store, vault)
    credential(store, vault, backend_type="anthropic", api_key="sk-2")
    openai, anthropic = backend(store, vault, "openai"), backend(store, vault, "anthropic")
    assert (openai.base_url, openai.auth, openai.api_key, openai.stream_usage) == (
        "https://api.openai.com", "bearer", Secret("sk-1"), True,
    )  # fmt: skip
    assert openai.dialects == ("openai_chat", "openai_responses", "completions", "embeddings")
    assert (anthropic.base_url, anthropic.auth, anthropic.stream_usage) == (
        "https://api.anthropic.com", "x-api-key", False,
    )  # fmt: skip
    assert anthropic.dialects == ("anthropic_messages",)
    assert openai.problem is None


def test_a_provider_at_another_address_leaves_its_protocols_to_be_tried(store: Store, vault: Vault) -> None:
    credential(store, vault, name="groq", base_url="https://api.groq.com/openai/v1")
    assert backend(store, vault, "openai/groq").dialects is None
    credential(store, vault, backend_type="anthropic", name="glm", base_url="https://api.z.ai/api/anthropic")
    assert backend(store, vault, "anthropic/glm").dialects == ("anthropic_messages",)


def test_what_the_row_says_stands(store: Store, vault: Vault) -> None:
    credential(
        store, vault, name="azure", base_url="https://x.openai.azure.com/openai/v1", auth="api-key",
        dialects=["openai_chat"],
    )  # fmt: skip
    spec = backend(store, vault, "openai/azure")
    assert (spec.type, spec.name, spec.base_url) == (
        "openai",
        "azure",
        "https://x.openai.azure.com/openai/v1",
    )
    assert (spec.auth, spec.dialects) == ("api-key", ("openai_chat",))


def test_a_local_backend_that_says_nothing_leaves_the_protocols_to_be_tried(
    store: Store, vault: Vault
) -> None:
    local(store, vault, context_window=8192)
    local(store, vault, name="keyed", api_key="k", dialects=["anthropic_messages"], allow_http=True)
    local(store, vault, name="off", enabled=False)
    box, keyed = backend(store, vault, "local/box"), backend(store, vault, "local/keyed")
    assert (box.base_url, box.dialects, box.auth, box.api_key, box.context_window) == (
        "http://127.0.0.1:8080", None, "none", None, 8192,
    )  # fmt: skip
    assert (keyed.dialects, keyed.auth, keyed.api_key, keyed.allow_http) == (
        ("anthropic_messages",), "bearer", Secret("k"), True,
    )  # fmt: skip
    assert {spec.key for spec in compiled(store, vault).backends} == {"local/box", "local/keyed"}


def test_rules_come_enabled_with_their_targets_in_order(store: Store, vault: Vault) -> None:
    rule(store, model_pattern="a", backend_type="local", priority=1, local_only=True)
    rule(store, model_pattern="b", backend_type="openai", enabled=False)
    rule(
        store, model_pattern="c", backend_type="anthropic", priority=9, forward_auth=True,
        fallback_backend="local", fallback_model="q",
        fallbacks=[{"backend_type": "openai", "backend_name": "groq"}],
    )  # fmt: skip
    first, second = compiled(store, vault).mappings
    assert (first.pattern, first.priority, first.forward_auth, first.local_only) == ("c", 9, True, False)
    assert [(target.backend, target.model) for target in first.targets] == [
        ("anthropic", None), ("local", "q"), ("openai/groq", None),
    ]  # fmt: skip
    assert (second.pattern, second.local_only) == ("a", True)


def test_revoked_client_keys_are_left_out_but_keys_stay_required(store: Store, vault: Vault) -> None:
    with store.write() as session:
        kept, _ = client_keys.create(session, ClientKeyCreate(name="kept"))
        gone, _ = client_keys.create(session, ClientKeyCreate(name="gone"))
        client_keys.revoke(session, gone.id or 0)
    snapshot = compiled(store, vault)
    assert [(key.id, key.name, key.digest) for key in snapshot.client_keys] == [
        (kept.id, "kept", kept.digest)
    ]
    with store.write() as session:
        client_keys.revoke(session, kept.id or 0)
    assert compiled(store, vault).client_keys == ()
    assert compiled(store, vault).keys_required


def test_degraded_the_keyless_serve_on_and_the_keyed_say_why(
    store: Store, vault: Vault, data_dir: Path
) -> None:
    credential(store, vault)
    local(store, vault)
    snapshot = compiled(store, open_vault(store, data_dir, {"POINTSMAN_MASTER_KEY": "11" * 32}))
    specs = {spec.key: spec for spec in snapshot.backends}
    assert specs["local/box"].problem is None
    assert specs["openai"].api_key is None
    assert "put the right one back" in (specs["openai"].problem or "")
    assert "put the right one back" in snapshot.problems[0]


def test_one_bad_row_does_not_stop_the_others(store: Store, vault: Vault) -> None:
    bad = {
        "moved": ("https://evil.example", "set the key again"),
        "nowhere": ("x", "not allowed"),
        "metadata": ("http://169.254.169.254", "not allowed"),
    }
    for name in ("", *bad):
        credential(store, vault, name=name)
    with store.write() as session:
        for name, (url, _) in bad.items():
            credentials.get(session, BackendType.OPENAI, name).base_url = url
    specs = {spec.name: spec for spec in compiled(store, vault).backends}
    assert specs[""].api_key == Secret("sk-1")
    for name, (_, word) in bad.items():
        assert specs[name].api_key is None
        assert word in (specs[name].problem or "")


def test_no_repr_shows_a_key(store: Store, vault: Vault) -> None:
    credential(store, vault, api_key="sk-canary")
    assert "canary" not in repr(compiled(store, vault))
    assert "canary" not in repr(compiled(store, vault).backends)


def test_what_rows_say_of_failures_reaches_the_data_plane(store: Store, vault: Vault) -> None:
    credential(store, vault, max_in_flight=7, silent_end=True)
    local(store, vault, max_in_flight=2, join_resends=True, silent_end=True)
    local(store, vault, name="plain")
    rule(
        store,
        model_pattern="a",
        backend_type="openai",
        fallbacks=[{"backend_type": "local", "backend_name": "box"}],
        fallback_on=["context", "refusal"],
        hedge_seconds=2.5,
    )
    rule(store, model_pattern="b", backend_type="openai")
    snapshot = compiled(store, vault)
    assert [(one.fallback_on, one.hedge_seconds) for one in snapshot.mappings] == [
        (("context", "refusal"), 2.5), ((), None),
    ]  # fmt: skip
    assert {one.key: (one.max_in_flight, one.join_resends, one.silent_end) for one in snapshot.backends} == {
        "openai": (7, False, True), "local/box": (2, True, True), "local/plain": (None, False, False),
    }  # fmt: skip


def test_how_rules_spread_reaches_the_data_plane(store: Store, vault: Vault) -> None:
    other = [{"backend_type": "anthropic"}]
    rule(store, model_pattern="a", backend_type="openai", fallbacks=other, spread=True, weights=[3, 1])
    rule(store, model_pattern="b", backend_type="openai", fallbacks=other, spread=True)
    assert [(one.spread, one.weights) for one in compiled(store, vault).mappings] == [
        (True, (3, 1)),
        (True, ()),
    ]


def test_what_rules_set_reaches_the_data_plane(store: Store, vault: Vault) -> None:
    rule(store, model_pattern="a", backend_type="openai", presets={"seed?": 1, "stop": ["E"]})
    rule(store, model_pattern="b", backend_type="openai")
    assert [one.presets for one in compiled(store, vault).mappings] == [{"seed?": 1, "stop": ["E"]}, {}]


def test_a_list_emptied_by_hand_stops_no_other_rule(store: Store, vault: Vault, by_hand: ByHand) -> None:
    rule(store, model_pattern="a", backend_type="openai")
    by_hand("UPDATE backend_mappings SET fallback_on = 'null'")
    assert compiled(store, vault).mappings[0].fallback_on == ()


def test_each_column_reaches_the_data_plane_or_is_used_up_before() -> None:
    """A column that a spec misspells, or that nobody carries, would be lost without a word."""
    targets = {
        "backend_type",
        "backend_name",
        "backend_model",
        "fallback_backend",
        "fallback_model",
        "fallbacks",
    }
    carried = set(MappingSpec.__struct_fields__) - {"id", "pattern", "targets"}
    assert carried == set(MappingColumns.model_fields) - targets - {"model_pattern", "enabled"}
    made = {"key", "type", "api_key", "problem", "stream_usage", "login_only", "found", "engine", "models"}
    made |= {"recording"}
    columns = {**CredentialAddress.model_fields, **CredentialColumns.model_fields}
    columns |= {**LocalAddress.model_fields, **LocalColumns.model_fields}
    limits = set(BudgetColumns.model_fields)
    assert set(BackendSpec.__struct_fields__) - made == set(columns) - {"backend_type", "enabled"} - limits


def test_limits_of_live_keys_of_groups_and_of_providers_reach_the_data_plane(
    store: Store, vault: Vault
) -> None:
    with store.write() as session:
        key_groups.create(
            session, KeyGroupCreate(name="team", budget_money=0.1, per="week", zone="Asia/Tokyo")
        )
        mine = ClientKeyCreate(
            name="mine",
            budget_tokens=5,
            warn=50,
            rate_requests=6,
            rate_tokens=7,
            parallel=8,
            group="team",
            models=["a*"],
        )
        row, _ = client_keys.create(session, mine)
        gone, _ = client_keys.create(session, ClientKeyCreate(budget_tokens=1))
        client_keys.revoke(session, gone.id or 0)
        group, key = row.group_id, row.id
    credential(store, vault, budget_money=20.0, per="day", zone="UTC")
    snapshot = compiled(store, vault)
    zone = own_zone()
    assert set(snapshot.limits) == {
        LimitSpec(f"key/{key}", Limit.TOKENS, 5, Per.TOTAL, zone, 50),
        LimitSpec(f"key/{key}", Limit.REQUESTS, 6),
        LimitSpec(f"key/{key}", Limit.TOKEN_RATE, 7),
        LimitSpec(f"key/{key}", Limit.PARALLEL, 8),
        LimitSpec(f"group/{group}", Limit.MONEY, most=100_000_000, per=Per.WEEK, zone="Asia/Tokyo"),
        LimitSpec("backend/openai", Limit.MONEY, most=20_000_000_000, per=Per.DAY),
    }
    (spec,) = snapshot.client_keys
    assert (spec.models, spec.group, spec.local_only) == (("a*",), group, False)
