"""`pointsman prices`."""

from __future__ import annotations

import json
from pathlib import Path

from pointsman.cli.prices import command
from pointsman.ledger.price_spec import QUANTITIES
from tests.ledger.test_price_files import GENAI, LITELLM

from .conftest import Shell


def test_each_quantity_has_its_option() -> None:
    named = {option.name for option in command.commands["set"].params}
    assert set(QUANTITIES) <= named


def test_a_price_as_people_set_and_see_it(shell: Shell) -> None:
    done = shell.run("prices", "set", "openai", "gpt-5.4", "--input", "2", "--output", "10")
    assert "yours has none, and holds instead" in done.stderr
    row = done.stdout.splitlines()[1].split()
    assert row == ["1", "openai", "gpt-5.4", "-", "-", "2", "-", "10", "-", "own"]
    flex = ("--tier", "flex", "--above", "1000", "--from", "2026-12-01", "--web-search", "0.0025")
    assert "flex, above 1000 tokens" in shell.run("prices", "set", "openai", "gpt-5.4", *flex).stdout
    assert [one["id"] for one in shell.json("prices", "list", "--own")] == [1, 2]
    shown = shell.run("prices", "list", "--provider", "anthropic", "--model", "opus-4-8").stdout
    assert "cache_write_long 10, web_search 0.01" in shown
    shell.run("prices", "remove", "1")
    shell.run("prices", "remove", "1", code=1)


def test_lists_of_others_are_read_from_a_file(shell: Shell, tmp_path: Path) -> None:
    file = tmp_path / "prices.json"
    for data, models in ((GENAI, {"acme": 1}), (LITELLM, {"openai": 1, "groq": 1, "google": 1})):
        file.write_text(json.dumps(data))
        assert shell.json("prices", "update", "--from", str(file)) == {"models": models, "own": 0}
    shell.json("prices", "set", "acme", "rocket", "--input", "1")
    file.write_text(json.dumps(shell.json("prices", "list", "--own")))
    assert "1 prices of yours" in shell.run("prices", "update", "--from", str(file)).stderr
    file.write_text("{}")
    assert "list of prices" in shell.run("prices", "update", "--from", str(file), code=1).stderr
    file.write_text("{")
    assert "cannot be read as JSON" in shell.run("prices", "update", "--from", str(file), code=1).stderr
    shell.run("prices", "update", code=2)
    shell.run("prices", "update", "--built-in")
    assert shell.json("prices", "list", "--provider", "acme", "--model", "rocket")[1:] == []


def test_what_saved_money_is_measured_by(shell: Shell) -> None:
    assert "measured by nothing" in shell.run("prices", "reference").stderr
    shell.run("prices", "reference", "anthropic:claude-sonnet-5")
    assert "claude-sonnet-5" in shell.run("prices", "reference").stdout
    assert shell.json("prices", "reference", "none") == {"target": None}
    shell.run("prices", "reference", "anthropic:claude-of-tomorrow", code=1)


def test_a_large_file_is_read_a_few_providers_at_a_time(shell: Shell, tmp_path: Path) -> None:
    one = {"input_cost_per_token": 1e-6, "output_cost_per_token": 1e-6, "note": "x" * 300}
    theirs = (
        "gemini",
        "vertex_ai-language-models",
        "openai",
        "text-completion-openai",
        "bedrock",
        "bedrock_converse",
    )
    data = {f"{name}-{n}": {"litellm_provider": name, **one} for name in theirs for n in range(500)}
    file = tmp_path / "prices.json"
    file.write_text(json.dumps(data))
    assert file.stat().st_size > 1024 * 1024, "more than the API takes at once"
    told = shell.json("prices", "update", "--from", str(file))
    assert told == {"models": {"google": 1000, "openai": 1000, "aws": 1000}, "own": 0}
    for name in theirs[:2]:
        assert len(shell.json("prices", "list", "--provider", "google", "--model", f"{name}-")) == 500
