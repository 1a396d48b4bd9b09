"""The public data model alone: enum, columns, defaults, constraints, schemas. Not the API over it (tests/e2e)."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from pydantic import BaseModel, ValidationError
from sqlmodel import Session, SQLModel, create_engine, select

from pointsman import models
from pointsman.admin.store import mappings
from pointsman.admin.store.database import Store
from pointsman.admin.vault import Binding, Vault
from pointsman.models import (
    BackendMapping,
    BackendMappingCreate,
    BackendMappingResponse,
    BackendMappingUpdate,
    BackendType,
    CloudCredential,
    CloudCredentialCreate,
    CloudCredentialResponse,
    LocalBackend,
    LocalBackendCreate,
    LocalBackendResponse,
    LocalBackendUpdate,
    targets_of,
)
from pointsman.secret import Secret


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(tmp_path / "data")
    yield opened
    opened.close()


@pytest.fixture
def sealed(tmp_path: Path, store: Store) -> Any:
    vault = Vault.load(tmp_path / "data", {}, False)
    return vault.require().seal(Secret("sk-x"), Binding("t", "openai", "", ""))


def rule(**fields: Any) -> BackendMapping:
    return BackendMapping(**{"model_pattern": "m", "backend_type": BackendType.OPENAI, **fields})


def kept(store: Store, row: Any) -> Any:
    with store.write() as session:
        session.add(row)
        session.flush()
        number = row.id
    with store.read() as session:
        found = session.get(type(row), number)
        session.expunge(found)
        return found


def raw(store: Store, query: str) -> Any:
    with store.read() as session:
        return session.connection().execute(sa.text(query)).scalar_one()


@pytest.mark.parametrize("kind", list(BackendType))
def test_the_enum_is_its_value_in_text_and_json(kind: BackendType) -> None:
    assert kind == kind.value
    assert json.dumps(kind) == f'"{kind.value}"'
    assert str(kind.value) in ("local", "openai", "anthropic")
    assert BackendType(kind.value) is kind


def test_the_column_holds_the_value_not_the_members_name(store: Store) -> None:
    kept(store, rule())
    assert raw(store, "SELECT backend_type FROM backend_mappings") == "openai"


def test_the_fallback_column_holds_the_value_too(store: Store) -> None:
    kept(store, rule(fallback_backend=BackendType.ANTHROPIC))
    assert raw(store, "SELECT fallback_backend FROM backend_mappings") == "anthropic"


def test_the_database_itself_refuses_an_unknown_type(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "data" / "pointsman.db"
    with pytest.raises(sqlite3.IntegrityError, match="CHECK"), sqlite3.connect(path) as by_hand:
        by_hand.execute(
            "INSERT INTO backend_mappings (model_pattern, backend_type, created_at, updated_at)"
            " VALUES ('m', 'OPENAI', '2026-01-01', '2026-01-01')"
        )
    by_hand.close()


def test_assigning_anything_else_raises() -> None:
    row = rule()
    with pytest.raises((ValueError, TypeError)):
        row.backend_type = "nowhere"  # type: ignore[assignment]


def test_building_with_anything_else_raises() -> None:
    with pytest.raises((ValueError, TypeError)):
        rule(backend_type="nowhere")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("backend_model", None),
        ("fallback_backend", None),
        ("fallback_model", None),
        ("fallbacks", []),
        ("backend_name", ""),
        ("priority", 0),
        ("enabled", True),
        ("local_only", False),
        ("forward_auth", False),
    ],
)
def test_mapping_defaults(store: Store, field: str, value: object) -> None:
    assert getattr(rule(), field) == value
    assert getattr(kept(store, rule()), field) == value


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("backend_model", "gpt-4o-mini"),
        ("fallback_backend", BackendType.LOCAL),
        ("fallback_model", "qwen3"),
        ("fallbacks", [{"backend_type": "local", "backend_name": "box", "model": None}]),
        ("backend_name", "groq"),
        ("priority", -7),
        ("enabled", False),
        ("local_only", True),
        ("forward_auth", True),
    ],
)
def test_mapping_optional_fields_are_kept(store: Store, field: str, value: object) -> None:
    assert getattr(kept(store, rule(**{field: value})), field) == value


def test_timestamps_are_aware_utc_and_survive_sqlite(store: Store) -> None:
    found = kept(store, rule())
    for stamp in (found.created_at, found.updated_at):
        assert stamp.utcoffset() == timedelta(0)
        assert abs(datetime.now(UTC) - stamp) < timedelta(minutes=1)


def test_a_naive_timestamp_is_refused() -> None:
    with pytest.raises((ValueError, TypeError)):
        rule(created_at=datetime(2026, 1, 1))


def test_updated_at_moves_with_a_change(store: Store) -> None:
    first = kept(store, rule())
    with store.write() as session:
        row = session.get(BackendMapping, first.id)
        assert row is not None
        row.priority = 3
    with store.read() as session:
        again = session.get(BackendMapping, first.id)
        assert again is not None
        assert again.updated_at >= first.updated_at
        assert again.created_at == first.created_at


def test_a_second_credential_for_the_same_type_and_name_is_refused_by_the_database(
    store: Store, sealed: Any
) -> None:
    kept(store, CloudCredential(backend_type=BackendType.OPENAI, encrypted_api_key=sealed))
    with pytest.raises(sa.exc.IntegrityError), store.write() as session:
        session.add(CloudCredential(backend_type=BackendType.OPENAI, encrypted_api_key=sealed))
        session.flush()


def test_the_same_type_under_another_name_is_fine(store: Store, sealed: Any) -> None:
    kept(store, CloudCredential(backend_type=BackendType.OPENAI, encrypted_api_key=sealed))
    other = CloudCredential(backend_type=BackendType.OPENAI, name="groq", encrypted_api_key=sealed)
    assert kept(store, other).name == "groq"


def test_credential_defaults(store: Store, sealed: Any) -> None:
    found = kept(store, CloudCredential(backend_type=BackendType.ANTHROPIC, encrypted_api_key=sealed))
    assert (found.name, found.base_url, found.dialects, found.auth, found.allow_http) == (
        "", None, None, None, False,
    )  # fmt: skip


def test_a_local_credential_is_refused(sealed: Any) -> None:
    with pytest.raises((ValueError, TypeError)):
        CloudCredential(backend_type=BackendType.LOCAL, encrypted_api_key=sealed)


def test_a_plain_key_cannot_stand_in_the_sealed_column(store: Store) -> None:
    row = CloudCredential(backend_type=BackendType.OPENAI, encrypted_api_key="sk-plain")  # type: ignore[arg-type]
    with pytest.raises(sa.exc.StatementError, match="not a sealed key"):
        kept(store, row)
    assert raw(store, "SELECT count(*) FROM cloud_credentials") == 0


def test_local_backend_defaults_and_unique_name(store: Store) -> None:
    found = kept(store, LocalBackend(name="box", base_url="http://127.0.0.1:1"))
    assert (found.enabled, found.encrypted_api_key, found.dialects, found.context_window) == (
        True, None, None, None,
    )  # fmt: skip
    with pytest.raises(sa.exc.IntegrityError), store.write() as session:
        session.add(LocalBackend(name="box", base_url="http://127.0.0.1:2"))
        session.flush()


def test_rules_are_listed_by_priority_then_id(store: Store) -> None:
    for pattern, priority in (("a", 0), ("b", 5), ("c", 0), ("d", 9)):
        kept(store, rule(model_pattern=pattern, priority=priority))
    with store.read() as session:
        assert [row.model_pattern for row in mappings.list_all(session)] == ["d", "b", "a", "c"]


def test_the_pattern_is_indexed(store: Store) -> None:
    with store.read() as session:
        indexes = sa.inspect(session.connection()).get_indexes("backend_mappings")
    assert any(index["column_names"] == ["model_pattern"] for index in indexes)


def test_the_plan_is_primary_then_fallback_backend_then_fallbacks() -> None:
    row = rule(
        backend_model="a",
        fallback_backend=BackendType.ANTHROPIC,
        fallback_model="b",
        fallbacks=[{"backend_type": "local", "backend_name": "box", "model": "c"}],
    )
    assert [(ref.backend, ref.model) for ref in targets_of(row)] == [
        ("openai", "a"),
        ("anthropic", "b"),
        ("local/box", "c"),
    ]


GOOD = {"model_pattern": "m", "backend_type": "openai"}


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"model_pattern": ""}, "pattern"),
        ({"model_pattern": "x" * 2000}, "pattern"),
        ({"model_pattern": "a\nb"}, "pattern"),
        ({"model_pattern": "a\x00b"}, "pattern"),
        ({"backend_type": "OPENAI"}, "backend_type"),
        ({"backend_name": "Not A Name"}, "backend_name"),
        ({"local_only": True}, "local"),
        ({"fallback_backend": "openai"}, "twice"),
        ({"priority": "high"}, "priority"),
        ({"nonsense": 1}, "nonsense"),
        ({"fallbacks": [{"backend_type": "local", "backend_name": f"b{n}"} for n in range(4)]}, "at most 4"),
    ],
)
def test_a_bad_rule_is_refused_with_a_word_that_helps(change: dict[str, Any], word: str) -> None:
    with pytest.raises(ValidationError) as caught:
        BackendMappingCreate(**{**GOOD, **change})
    assert word in str(caught.value)


def test_two_models_at_two_local_backends_are_two_targets() -> None:
    created = BackendMappingCreate(
        model_pattern="m",
        backend_type=BackendType.LOCAL,
        backend_name="a",
        fallbacks=[{"backend_type": "local", "backend_name": "b"}],  # type: ignore[list-item]
    )
    assert len(targets_of(created)) == 2


@pytest.mark.parametrize(
    "url",
    [
        "ftp://127.0.0.1",
        "http://user:pw@127.0.0.1",
        "http://127.0.0.1/?key=a",
        "http://127.0.0.1/#x",
        "http://169.254.169.254",
        "https://169.254.169.254/latest",
        "http://8.8.8.8",
        "not a url",
        "http://2852039166/",
    ],
)
def test_a_base_url_we_never_call_is_refused(url: str) -> None:
    with pytest.raises(ValidationError):
        LocalBackendCreate(name="box", base_url=url)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8080", "http://localhost:1/v1", "http://192.168.1.5:8000/v1/"]
)
def test_a_local_base_url_is_taken_with_or_without_v1(url: str) -> None:
    assert not LocalBackendCreate(name="box", base_url=url).base_url.rstrip("/").endswith("/v1/v1")


def test_plain_http_to_a_public_host_needs_allow_http() -> None:
    with pytest.raises(ValidationError):
        CloudCredentialCreate(
            backend_type=BackendType.OPENAI, api_key="sk-1", base_url="http://api.example.com"
        )
    CloudCredentialCreate(
        backend_type=BackendType.OPENAI, api_key="sk-1", base_url="http://api.example.com", allow_http=True
    )


@pytest.mark.parametrize(
    "made",
    [
        CloudCredentialCreate(backend_type=BackendType.OPENAI, api_key="sk-canary-1"),
        LocalBackendCreate(name="box", base_url="http://127.0.0.1:1", api_key="sk-canary-1"),
        LocalBackendUpdate(api_key="sk-canary-1"),
    ],
    ids=lambda made: type(made).__name__,
)
def test_a_key_is_not_in_the_repr(made: BaseModel) -> None:
    assert "canary" not in repr(made)
    assert "canary" not in str(made)


@pytest.mark.parametrize("response", [BackendMappingResponse, CloudCredentialResponse, LocalBackendResponse])
def test_no_response_schema_can_carry_a_key(response: type[BaseModel]) -> None:
    assert not {"api_key", "encrypted_api_key", "digest", "secret"} & set(response.model_fields)
    assert not any(issubclass(response, table) for table in (CloudCredential, LocalBackend, BackendMapping))


def test_an_update_says_only_what_changes() -> None:
    assert BackendMappingUpdate(priority=3).model_dump(exclude_unset=True) == {"priority": 3}


def test_everything_named_in_the_contract_is_exported() -> None:
    named = (BackendMapping, CloudCredential, LocalBackend, BackendMappingCreate, BackendMappingUpdate)
    named += (BackendMappingResponse, CloudCredentialCreate, CloudCredentialResponse)
    named += (LocalBackendCreate, LocalBackendUpdate, LocalBackendResponse, BackendType)
    for kind in named:
        assert getattr(models, kind.__name__) is kind


def test_a_rule_can_be_found_by_type(store: Store) -> None:
    kept(store, rule())
    with store.read() as session:
        assert isinstance(session, Session)
        found = session.exec(
            select(BackendMapping).where(BackendMapping.backend_type == BackendType.OPENAI)
        ).all()
    assert len(found) == 1


@pytest.fixture
def engine() -> Iterator[sa.Engine]:
    """Plain SQLModel, nothing of ours: `create_all` on an engine of one's own."""
    made = create_engine("sqlite://")
    SQLModel.metadata.create_all(made)
    yield made
    made.dispose()


def opaque(**fields: Any) -> CloudCredential:
    return CloudCredential(**{"backend_type": BackendType.OPENAI, "encrypted_api_key": "opaque", **fields})


def test_the_models_work_by_themselves_with_any_text_for_a_key(engine: sa.Engine) -> None:
    with Session(engine) as session:
        session.add(opaque())
        session.commit()
    with Session(engine) as session:
        found = session.exec(select(CloudCredential)).one()
        assert found.encrypted_api_key == "opaque"
        assert (found.backend_type, found.name) == (BackendType.OPENAI, "")
        assert "opaque" not in repr(found)
        for stamp in (found.created_at, found.updated_at):
            assert stamp.utcoffset() == timedelta(0)


def test_the_database_by_itself_refuses_a_second_of_the_same_type_and_name(engine: sa.Engine) -> None:
    with Session(engine) as session:
        session.add(opaque())
        session.add(opaque(name="groq"))
        session.add(opaque(backend_type=BackendType.ANTHROPIC))
        session.commit()
        session.add(opaque())
        with pytest.raises(sa.exc.IntegrityError, match="UNIQUE"):
            session.commit()


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO cloud_credentials (backend_type, encrypted_api_key, created_at, updated_at) VALUES ('OPENAI', 'x', 1, 1)",
        "INSERT INTO cloud_credentials (backend_type, encrypted_api_key, created_at, updated_at) VALUES ('local', 'x', 1, 1)",
        "INSERT INTO backend_mappings (model_pattern, backend_type, created_at, updated_at) VALUES ('m', 'no', 1, 1)",
        "INSERT INTO local_backends (name, base_url, auth, created_at, updated_at) VALUES ('b', 'u', 'basic', 1, 1)",
    ],
)
def test_the_database_by_itself_refuses_what_is_in_no_enum(engine: sa.Engine, statement: str) -> None:
    with engine.begin() as connection, pytest.raises(sa.exc.IntegrityError, match="CHECK"):
        connection.exec_driver_sql(statement)


def test_the_database_by_itself_has_the_defaults(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO backend_mappings (model_pattern, backend_type, created_at, updated_at)"
            " VALUES ('m', 'openai', '2026-01-01 00:00:00', '2026-01-01 00:00:00')"
        )
    with Session(engine) as session:
        found = session.exec(select(BackendMapping)).one()
        made = rule()
        assert found.created_at == datetime(2026, 1, 1, tzinfo=UTC)
        for name in set(BackendMapping.model_fields) - {"id", "created_at", "updated_at"}:
            assert getattr(found, name) == getattr(made, name), name


def test_a_row_of_ones_own_is_checked_as_in_the_store(engine: sa.Engine) -> None:
    row = opaque()
    for name, value in {
        "backend_type": "nowhere",
        "auth": "basic",
        "created_at": datetime(2026, 1, 1),
    }.items():
        with pytest.raises(ValueError):
            setattr(row, name, value)
    row.auth = "x-api-key"  # type: ignore[assignment]
    assert row.auth is models.AuthScheme.X_API_KEY
