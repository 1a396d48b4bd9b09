"""API shapes: what is refused and how it is said, PATCH semantics, and that no key leaves."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from pointsman.admin.store import schemas
from pointsman.admin.store.schemas import (
    BackendMappingCreate,
    BackendMappingResponse,
    BackendMappingUpdate,
    ClientKeyCreate,
    ClientKeyCreated,
    ClientKeyUpdate,
    CloudCredentialCreate,
    KeyGroupCreate,
    KeyGroupUpdate,
    LocalBackendCreate,
    LocalBackendUpdate,
)
from pointsman.admin.store.tables import BackendMapping, MappingColumns
from pointsman.admin.store.values import FallbackTarget
from pointsman.kinds import AuthScheme, BackendType, Protocol

MAPPING: dict[str, Any] = {"model_pattern": "gpt-*", "backend_type": "openai"}
CREDENTIAL: dict[str, Any] = {"backend_type": "openai", "api_key": "sk-1"}
LOCAL: dict[str, Any] = {"name": "box", "base_url": "http://127.0.0.1:8080"}


def refused(shape: type[BaseModel], values: dict[str, Any]) -> str:
    with pytest.raises(ValidationError) as caught:
        shape.model_validate(values)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "empty"), ("x" * 257, "at most 256"), ("a\nb", "control"), ("a\x7fb", "control"),
        ("a\u200bb", "invisible"), ("a\u202eb", "invisible"), ("\ud800", "control"), (" gpt", "space"),
        ("gpt ", "space"), ("a\u2028b", "control"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("field", ["model_pattern", "backend_model"])
def test_a_bad_model_text_is_refused(field: str, text: str, word: str) -> None:
    assert word in refused(BackendMappingCreate, MAPPING | {field: text})


@pytest.mark.parametrize(
    "pattern",
    ["*", "claude-opus-4-7[1m]", "mlx-community/Qwen3-4B", "a?b", "模型", "practice:*", "x" * 256, "a b"],
)
def test_a_pattern_is_kept_as_written(pattern: str) -> None:
    made = BackendMappingCreate.model_validate(MAPPING | {"model_pattern": pattern})
    assert made.model_pattern == pattern


@pytest.mark.parametrize("name", ["Groq", "a b", "-a", ".a", "a/b", "a" * 65, "ä", "a:b"])
def test_a_bad_backend_name_is_refused_everywhere(name: str) -> None:
    assert "lower-case" in refused(BackendMappingCreate, MAPPING | {"backend_name": name})
    assert "lower-case" in refused(CloudCredentialCreate, CREDENTIAL | {"name": name})
    assert "lower-case" in refused(LocalBackendCreate, LOCAL | {"name": name})
    assert "lower-case" in refused(FallbackTarget, {"backend_type": "local", "backend_name": name})


@pytest.mark.parametrize(
    ("more", "word"),
    [
        ({"local_only": True}, "local_only"),
        ({"backend_type": "local", "fallback_backend": "openai", "local_only": True}, "openai"),
        ({"backend_type": "local", "forward_auth": True}, "forward_auth"),
        ({"fallback_model": "x"}, "fallback_backend"),
        ({"fallback_backend": "openai"}, "twice"),
        ({"model_pattern": "gpt-4o", "fallbacks": [{"backend_type": "openai", "model": "gpt-4o"}]}, "twice"),
        ({"fallbacks": [{"backend_type": "local", "backend_name": n} for n in "abcd"]}, "at most 4"),
        ({"priority": 1_000_001}, "1000000"),
        ({"priority": 2**70}, "1000000"),
        ({"fallbacks": [{"backend_type": "local", "nmae": "a"}]}, "nmae"),
        ({"fallback_on": ["rain"]}, "Input should be 'context', 'refusal'"),
        ({"fallback_on": "context"}, "list"),
        ({"hedge_seconds": 1}, "add a fallback"),
        ({"fallback_backend": "local", "hedge_seconds": 0.04}, "0.05"),
        ({"fallback_backend": "local", "hedge_seconds": 601}, "600"),
        ({"fallback_backend": "local", "hedge_seconds": float("nan")}, "finite"),
        (
            {
                "backend_type": "local",
                "local_only": True,
                "fallbacks": [{"backend_type": "local", "backend_name": "b"}],
                "hedge_seconds": 1,
            },
            "local_only rule is never hedged",
        ),
        ({"spread": True}, "two local ones or two providers'; add a fallback of the same kind"),
        ({"spread": True, "fallback_backend": "local"}, "add a fallback of the same kind"),
        (
            {"spread": True, "fallback_backend": "anthropic", "weights": [1]},
            "weights has 1 numbers and the rule 2 targets",
        ),
        ({"spread": True, "fallback_backend": "anthropic", "weights": [1, 0]}, "greater than or equal to 1"),
        ({"spread": True, "fallback_backend": "anthropic", "weights": [1, 101]}, "less than or equal to 100"),
        ({"spread": True, "fallback_backend": "anthropic", "weights": [True, 1]}, "integer"),
        ({"spread": True, "fallback_backend": "anthropic", "weights": []}, "at least 1 item"),
        ({"fallback_backend": "anthropic", "weights": [3, 1]}, "set spread, or take weights away"),
        ({"spread": 1}, "boolean"),
        ({"presets": {"heat": 1}}, "'heat' cannot be set; what can be is temperature"),
        ({"presets": {"temperature": 3}}, "temperature must be a number from 0 to 2"),
        ({"presets": {"seed": 1, "seed?": 2}}, "seed is set twice"),
        ({"presets": [1]}, "dictionary"),
    ],
)
def test_what_does_not_fit_together_is_refused(more: dict[str, Any], word: str) -> None:
    assert word in refused(BackendMappingCreate, MAPPING | more)


AT_B = {"backend_type": "local", "backend_name": "b"}


@pytest.mark.parametrize(
    "more",
    [
        {"backend_type": "local", "backend_name": "a", "fallbacks": [AT_B]},
        {"fallbacks": [{"backend_type": "openai", "model": "gpt-4o-mini"}]},
        {"fallback_backend": "openai", "fallback_model": "gpt-4o-mini"},
        {"backend_type": "local", "local_only": True, "fallbacks": [AT_B]},
        {"forward_auth": True, "fallback_backend": "local"},
        {"fallbacks": [{"backend_type": "local", "backend_name": n} for n in "abc"]},
    ],
)
def test_what_fits_together_is_taken(more: dict[str, Any]) -> None:
    BackendMappingCreate.model_validate(MAPPING | more)


@pytest.mark.parametrize(
    "shape",
    [BackendMappingCreate, BackendMappingUpdate, CloudCredentialCreate, LocalBackendCreate, LocalBackendUpdate,
     ClientKeyCreate, ClientKeyUpdate, KeyGroupCreate, KeyGroupUpdate],
)  # fmt: skip
def test_an_unknown_field_is_an_error(shape: type[BaseModel]) -> None:
    assert "priorty" in refused(shape, {"priorty": 1})


@pytest.mark.parametrize(
    ("shape", "field"),
    [(BackendMappingUpdate, field) for field in (
        "model_pattern", "backend_type", "backend_name", "fallbacks", "priority", "enabled", "local_only",
        "forward_auth", "fallback_on", "spread")]
    + [(LocalBackendUpdate, field) for field in ("base_url", "enabled", "allow_http", "join_resends", "silent_end")]
    + [(ClientKeyUpdate, field) for field in ("name", "models", "paths", "local_only", "warn")],
)  # fmt: skip
def test_null_is_refused_where_nothing_can_be_empty(shape: type[BaseModel], field: str) -> None:
    assert "cannot be null" in refused(shape, {field: None})


@pytest.mark.parametrize(
    "field", ["backend_model", "fallback_backend", "fallback_model", "hedge_seconds", "weights", "presets"]
)
def test_null_clears_what_can_be_empty(field: str) -> None:
    assert BackendMappingUpdate.model_validate({field: None}).model_dump(exclude_unset=True) == {field: None}


def test_an_update_checks_what_it_holds() -> None:
    assert "empty" in refused(BackendMappingUpdate, {"model_pattern": ""})
    assert "http" in refused(LocalBackendUpdate, {"base_url": "ftp://x"})


@pytest.mark.parametrize(
    ("key", "word"),
    [("", "empty"), ("  \n", "empty"), ("sk 1", "space"), ("sk-\n1", "space"), ("sk-é", "header"),
     ("sk-\x00", "header"), ("k" * 8193, "longer")],
)  # fmt: skip
@pytest.mark.parametrize(
    ("shape", "rest"), [(CloudCredentialCreate, CREDENTIAL), (LocalBackendCreate, LOCAL)]
)
def test_a_key_that_cannot_stand_in_a_header_is_refused(
    shape: type[BaseModel], rest: dict[str, Any], key: str, word: str
) -> None:
    assert word in refused(shape, rest | {"api_key": key})


def test_a_line_end_after_a_pasted_key_is_not_part_of_it() -> None:
    assert CloudCredentialCreate(backend_type=BackendType.OPENAI, api_key=" sk-1\r\n").api_key == "sk-1"


@pytest.mark.parametrize(
    ("shape", "values"),
    [
        (CloudCredentialCreate, {"backend_type": "x", "api_key": "sk-canary"}),
        (CloudCredentialCreate, CREDENTIAL | {"api_key": "sk-canary é"}),
        (CloudCredentialCreate, {"backend_type": "openai", "api_key": {"sk-canary": 1}}),
        (CloudCredentialCreate, {"backend_type": "openai", "apikey": "sk-canary"}),
        (LocalBackendCreate, LOCAL | {"api_key": ["sk-canary"]}),
        (LocalBackendUpdate, {"api_key": "sk-canary sk-canary"}),
    ],
)
def test_an_error_does_not_quote_a_key(shape: type[BaseModel], values: dict[str, Any]) -> None:
    assert "canary" not in refused(shape, values)


def test_base_urls_are_stored_in_their_normal_form() -> None:
    local = LocalBackendCreate.model_validate(LOCAL | {"base_url": "HTTP://127.1:8080/v1/"})
    assert local.base_url == "http://127.0.0.1:8080"
    cloud = CloudCredentialCreate.model_validate(CREDENTIAL | {"base_url": "https://api.groq.com/openai/v1"})
    assert cloud.base_url == "https://api.groq.com/openai/v1"


@pytest.mark.parametrize(
    ("shape", "values", "word"),
    [
        (LocalBackendCreate, LOCAL | {"base_url": "http://8.8.8.8"}, "allow_http"),
        (
            LocalBackendCreate,
            LOCAL | {"base_url": "https://169.254.1.1", "allow_http": True},
            "ever sent there",
        ),
        (LocalBackendCreate, LOCAL | {"base_url": "http://u:p@127.0.0.1"}, "user name"),
        (LocalBackendCreate, LOCAL | {"base_url": "http://127.0.0.1?a=["}, "query"),
        (LocalBackendCreate, LOCAL | {"base_url": "http://127.0.0.1#a"}, "fragment"),
        (LocalBackendCreate, LOCAL | {"name": "practice"}, "built-in"),
        (LocalBackendCreate, LOCAL | {"name": ""}, "needs a name"),
        (LocalBackendCreate, LOCAL | {"context_window": 0}, "greater than or equal to 1"),
        (LocalBackendCreate, LOCAL | {"dialects": []}, "empty"),
        (LocalBackendCreate, LOCAL | {"max_in_flight": 0}, "greater than or equal to 1"),
        (LocalBackendUpdate, {"max_in_flight": 10_001}, "less than or equal to 10000"),
        (CloudCredentialCreate, CREDENTIAL | {"max_in_flight": 0}, "greater than or equal to 1"),
        (CloudCredentialCreate, CREDENTIAL | {"join_resends": True}, "join_resends"),
        (LocalBackendCreate, LOCAL | {"dialects": ["gopher"]}, "openai_chat"),
        (LocalBackendCreate, LOCAL | {"auth": "basic"}, "bearer"),
        (CloudCredentialCreate, CREDENTIAL | {"base_url": "http://192.168.1.2"}, "allow_http"),
        (CloudCredentialCreate, CREDENTIAL | {"backend_type": "local"}, "pointsman local add"),
        (ClientKeyCreate, {"name": "x" * 65}, "at most 64"),
        (ClientKeyCreate, {"name": "a\x1b[31m"}, "control"),
    ],
)
def test_refused_with_words_that_help(shape: type[BaseModel], values: dict[str, Any], word: str) -> None:
    assert word in refused(shape, values)


def test_dialects_lose_repeats_and_keep_their_order() -> None:
    made = LocalBackendCreate.model_validate(
        LOCAL | {"dialects": ["anthropic_messages", "openai_chat", "anthropic_messages"], "auth": "api-key"}
    )
    assert made.dialects == [Protocol.ANTHROPIC_MESSAGES, Protocol.OPENAI_CHAT]
    assert made.auth is AuthScheme.API_KEY


RESPONSES = [shape for name, shape in vars(schemas).items() if name.endswith("Response")]


def test_every_response_is_looked_at() -> None:
    assert len(RESPONSES) == 9


@pytest.mark.parametrize("shape", RESPONSES, ids=lambda shape: shape.__name__)
def test_no_response_schema_can_carry_a_key_even_when_given_one(shape: type[BaseModel]) -> None:
    schema = json.dumps(shape.model_json_schema(mode="serialization")["properties"])
    for word in ("api_key", "encrypted", "digest", "secret"):
        assert word not in schema

    class Row:
        id, name, model_pattern, backend_type, prefix, note = 1, "n", "m", "openai", "pm-abcde", ""
        version = "1f"
        base_url, revoked_at = "http://127.0.0.1", None
        url, on, enabled = "http://127.0.0.1/hook", [], True
        mapping_id, key_id, most_bytes, until = 1, None, 1, "2026-01-01T00:00:00Z"
        origin, sources = "https://chat.example", ["stored"]
        where, model, source = "openai", "gpt-5.4", "own"
        created_at = updated_at = "2026-01-01T00:00:00Z"
        api_key = encrypted_api_key = digest = secret = key = "sk-canary"

    answer = shape.model_validate(Row())
    assert "canary" not in f"{answer!r} {answer.model_dump_json()} {answer.model_dump()}"


def test_the_created_client_key_is_shown_in_the_answer_but_not_in_a_log() -> None:
    made = ClientKeyCreated.model_validate(
        {
            "id": 1,
            "prefix": "pm-abcde",
            "version": "1f",
            "created_at": "2026-01-01T00:00:00Z",
            "secret": "pm-canary",
        }
    )
    assert "canary" not in repr(made)
    assert made.model_dump()["secret"] == "pm-canary"


@pytest.mark.parametrize(
    ("patch", "whole", "without"),
    [(BackendMappingUpdate, BackendMappingCreate, set()), (LocalBackendUpdate, LocalBackendCreate, {"name"})],
)
def test_a_patch_has_each_field_with_its_checks(
    patch: type[BaseModel], whole: type[BaseModel], without: set[str]
) -> None:
    """A check that stands beside the type, not in it, would be lost in the patch."""
    assert set(patch.model_fields) == set(whole.model_fields) - without
    for name, schema in patch.model_json_schema()["properties"].items():
        wanted = whole.model_json_schema()["properties"][name]
        assert _kinds(schema) == _kinds(wanted), name
        assert patch().model_dump(exclude_unset=True) == {}


def _kinds(schema: dict[str, Any]) -> list[Any]:
    """null is among them where it is taken, and nowhere else."""
    return schema.get("anyOf") or [{k: v for k, v in schema.items() if k not in ("title", "default")}]


def test_an_answer_shows_a_row_that_no_check_would_take() -> None:
    """A row edited by hand is listed as it stands, so that it can be mended."""
    row = BackendMapping(
        id=1, model_pattern=" a\n", backend_type=BackendType.OPENAI, backend_name="NO", priority=2**40,
        hedge_seconds=-1.0, backend_model="",
    )  # fmt: skip
    assert isinstance(row, MappingColumns)
    shown = BackendMappingResponse.model_validate(row)
    assert (shown.model_pattern, shown.backend_name, shown.priority) == (" a\n", "NO", 2**40)
    assert (shown.hedge_seconds, shown.backend_model) == (-1.0, "")
