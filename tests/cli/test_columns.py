"""The options of rules and servers: each column of the API has one, what is not named is not sent."""

from __future__ import annotations

from typing import Any

import click
import pytest
from click.testing import CliRunner
from pydantic import BaseModel

from pointsman.cli import credential, local, mapping
from pointsman.cli.columns import Column, Verb, summary, takes
from pointsman.models import (
    BackendMappingUpdate,
    CloudCredentialCreate,
    CloudCredentialResponse,
    LocalBackendUpdate,
)


@pytest.mark.parametrize(
    ("columns", "shape", "without"),
    [
        (mapping.COLUMNS, BackendMappingUpdate, set()),
        (local.COLUMNS, LocalBackendUpdate, {"auth"}),
        (credential.COLUMNS, CloudCredentialCreate, {"backend_type", "name", "api_key"}),
    ],
    ids=["mapping", "local", "credential"],
)
def test_each_column_of_the_api_has_its_option(
    columns: tuple[Column, ...], shape: type[BaseModel], without: set[str]
) -> None:
    """without: what has no option, each for a reason (arguments, standard input, REST only)."""
    several = {
        "to": {"backend_type", "backend_name"},
        "fallbacks": {"fallback_backend", "fallback_model", "fallbacks"},
        "unset": {"presets"},
    }
    named: set[str] = set()
    for column in columns:
        named |= several.get(column.field, {column.field})
    assert named == set(shape.model_fields) - without


def test_a_replaced_key_keeps_every_column_of_its_row() -> None:
    """What the API answers is what it takes, but for what it sets itself and the row's address."""
    columns = set(CloudCredentialResponse.model_fields) - credential.SET_BY_THE_API
    assert columns == set(CloudCredentialCreate.model_fields) - {"backend_type", "name", "api_key"}


COLUMNS = (
    Column("--size", "size", "How big.", "", kind=int, default=3, required=False),
    Column("--name", "name", "", "", blank_clears=True, clear=("--no-name", "None.")),
    Column("--tag", "tags", "", "", many=True, clear=("--no-tag", "None.")),
    Column("--fast", "fast", "", "", kind=bool, summary=lambda on: ["fast"] if on else []),
    Column("--only-add", "only_add", ""),
    Column("--on/--off", "on", None, "", kind=bool),
)


def said(verb: Verb, *words: str) -> Any:
    found: list[dict[str, Any]] = []

    @click.command()
    @takes(COLUMNS, verb)
    def command(body: dict[str, Any]) -> None:
        found.append(body)

    @click.group()
    def thing() -> None:
        """A noun."""

    thing.add_command(command, "do")
    done = CliRunner().invoke(thing, ["do", *words])
    return found[0] if done.exit_code == 0 else done.output


@pytest.mark.parametrize(
    ("verb", "words", "body"),
    [
        (Verb.ADD, "", {"size": 3}),
        (Verb.ADD, "--name= --fast", {"size": 3, "name": "", "fast": True}),
        (Verb.ADD, "--tag a --tag b --only-add x", {"size": 3, "tags": ["a", "b"], "only_add": "x"}),
        (Verb.SET, "--no-name --no-tag", {"size": 3, "name": None, "tags": []}),
        (Verb.UPDATE, "--size 0", {"size": 0}),
        (Verb.UPDATE, "--name= --no-fast", {"name": None, "fast": False}),
        (Verb.UPDATE, "--fast --off --no-tag", {"fast": True, "on": False, "tags": []}),
    ],
)
def test_what_is_named_is_what_is_sent(verb: Verb, words: str, body: dict[str, Any]) -> None:
    assert said(verb, *words.split()) == body


@pytest.mark.parametrize(
    ("verb", "words", "text"),
    [
        (Verb.UPDATE, "", "nothing to change; see pointsman thing do --help"),
        (Verb.UPDATE, "--tag a --no-tag", "--tag and --no-tag exclude each other"),
        (Verb.SET, "--name a --no-name", "--name and --no-name exclude each other"),
        (Verb.ADD, "--no-name", "No such option"),
        (Verb.ADD, "--no-fast", "No such option"),
        (Verb.ADD, "--on", "No such option"),
        (Verb.UPDATE, "--only-add x", "No such option"),
    ],
)
def test_what_contradicts_or_is_not_there_is_told(verb: Verb, words: str, text: str) -> None:
    assert text in said(verb, *words.split())


def test_a_list_says_what_stands_out() -> None:
    assert summary(COLUMNS, {"fast": True}) == "fast"
    assert summary(COLUMNS, {"fast": False}) == ""
