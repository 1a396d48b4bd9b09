"""The pages in docs/reference say what the code does now."""

from __future__ import annotations

import pytest

from .fidelity import FIELDS, data, rows_of
from .pages import DATA, FOLDER, PAGES


@pytest.mark.parametrize("name", PAGES)
def test_the_page_is_what_the_code_says(name: str) -> None:
    assert (FOLDER / name).read_text() == PAGES[name](), "run: make docs"


def test_the_page_in_the_browser_has_the_same() -> None:
    assert DATA.read_text() == data(), "run: make docs"


def test_nothing_is_lost_without_a_word() -> None:
    """A field may be silent only where its absence means the same: this list is short, and argued."""
    allowed = {
        "include: encrypted reasoning",  # always given
        "reasoning.summary",  # reasoning that comes is always shown
        "thinking: adaptive",  # the model thinks as it sees fit, which is what it says
        "thinking: disabled",  # toward a model that does not think
        "json_schema.strict: true",  # a format is always enforced in Messages
        "json_schema.strict: true of an open schema",  # likewise
        "text.format.strict: true of an open schema",  # likewise
        "tools: cache_control",  # marks for caches change a price, and never what is answered
        "cache_control.ttl: 1h",
        "cache_control at the top",
        "prompt_cache_breakpoint",
        "stream_options.include_usage",  # how the answer is written for this client
        "stream_options.include_obfuscation",
        "tools: eager_input_streaming",
        "thinking.display: omitted",
        "reasoning_details (signed elsewhere)",  # signed reasoning goes to who signed it
        "reasoning (encrypted)",
        "thinking (signed)",
        "redacted_thinking",
    }
    page = PAGES["fidelity.md"]()
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    silent = {line.split("`")[1] for line in rows if "silent" in line}
    assert silent <= allowed
    assert sum(len(found) for client in FIELDS for found in rows_of(client).values()) == len(rows)
