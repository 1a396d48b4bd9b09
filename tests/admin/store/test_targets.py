"""One function turns a mapping into its targets, for rows and for schemas alike."""

from __future__ import annotations

from typing import Any

from pointsman.admin.store.schemas import BackendMappingCreate
from pointsman.admin.store.tables import BackendMapping
from pointsman.admin.store.targets import TargetRef, problem_of, targets_of
from pointsman.kinds import BackendType

FIELDS: dict[str, Any] = {
    "model_pattern": "gpt-*",
    "backend_type": BackendType.LOCAL,
    "backend_name": "box",
    "backend_model": "qwen3",
    "fallback_backend": BackendType.OPENAI,
    "fallback_model": "gpt-4o-mini",
    "fallbacks": [{"backend_type": "anthropic", "backend_name": "work", "model": None}, {"backend_type": "local"}],
}  # fmt: skip
ORDER = (
    TargetRef(BackendType.LOCAL, "box", "qwen3"),
    TargetRef(BackendType.OPENAI, "", "gpt-4o-mini"),
    TargetRef(BackendType.ANTHROPIC, "work", None),
    TargetRef(BackendType.LOCAL, "", None),
)


def test_rows_and_schemas_have_the_same_targets_in_order() -> None:
    assert targets_of(BackendMapping(**FIELDS)) == ORDER
    assert targets_of(BackendMappingCreate.model_validate(FIELDS)) == ORDER


def test_a_target_is_written_as_people_write_it() -> None:
    assert [ref.text for ref in ORDER] == ["local/box:qwen3", "openai:gpt-4o-mini", "anthropic/work", "local"]
    assert [ref.backend for ref in ORDER] == ["local/box", "openai", "anthropic/work", "local"]


def test_the_whole_target_counts_when_looking_for_repeats() -> None:
    row = BackendMapping(
        model_pattern="m*", backend_type=BackendType.LOCAL, backend_name="a", backend_model="x"
    )
    row.fallbacks = [
        {"backend_type": "local", "backend_name": "b", "model": "x"},
        {"backend_type": "local", "backend_name": "a", "model": "y"},
        {"backend_type": "local", "backend_name": "a", "model": None},
    ]
    assert problem_of(row) is None
    row.fallbacks = [*row.fallbacks[:2], {"backend_type": "local", "backend_name": "a", "model": "x"}]
    assert problem_of(row) == ("fallbacks", "local/a:x stands twice in this mapping; remove one of the two")


def test_four_targets_are_enough() -> None:
    row = BackendMapping(**FIELDS)
    assert problem_of(row) is None
    row.fallbacks = [*row.fallbacks, {"backend_type": "local", "backend_name": "b", "model": None}]
    field, text = problem_of(row) or ("", "")
    assert field == "fallbacks"
    assert "at most 4" in text
