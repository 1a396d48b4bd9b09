"""`/ui/usage/shadow`: what the report says, as a page; linked from Usage and from a rule's card."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from pointsman.admin.control.shadow_report import FEWEST
from pointsman.admin.store.shadows import ShadowStore
from pointsman.ledger.shadows import Comparison, NotAsked
from pointsman.link.messages import Shadowed
from tests.e2e.gateway import Gateway

from .accessible import assert_accessible, assert_fits
from .visitor import Visitor
from .windows import Windows

PATH = "/ui/usage/shadow"


@pytest.fixture(scope="module")
def rules(gateway: Gateway) -> Iterator[dict[str, int]]:
    """Two that have a shadow, the first with much of it, the other with a little."""
    found: dict[str, int] = {}
    for word in ("much", "few"):
        near = gateway.backend("local", "http://127.0.0.1:9")
        rule = gateway.rule(
            gateway.fresh(word), gateway.backend("openai", "http://127.0.0.1:9"), shadow=f"{near}:q"
        )
        found[word], found[f"{word} pattern"] = rule["id"], rule["model_pattern"]
    store = ShadowStore(gateway.data_dir)
    store.add(
        Shadowed(
            tuple(one(found["much"], at) for at in range(FEWEST + 2))
            + (one(found["few"], 0, failed="timeout"),),
            (NotAsked(1000.0, found["much"], "m", "local/box:q", "gave_way", 12),),
        )
    )
    store.close()
    yield found
    ShadowStore(gateway.data_dir).clear()


def one(mapping_id: int, at: int, **more: Any) -> Comparison:
    told = {
        "tools": True, "arguments": True, "likeness": 0.25, "stop": "end", "local_stop": "end", "tokens": 40,
        "local_tokens": 50, "characters": 900, "local_characters": 1100, "first_ms": 300.0, "local_first_ms": 900.0,
        "total_ms": 2000.0, "local_total_ms": 5000.0, "cost": 2_000_000, "local_cost": 0,
    }  # fmt: skip
    return Comparison(
        f"req_{at}",
        2000.0 + at,
        mapping_id,
        "m",
        "openai:gpt-5",
        "local/box:q",
        "openai_chat",
        False,
        **(told | more),
    )


def test_it_says_what_the_report_says(rules: dict[str, int], visitor: Visitor) -> None:
    page = visitor.text(PATH)
    much, few = (
        page.partition(f'id="shadow-{rules[word]}"')[2].partition("</section>")[0] for word in ("much", "few")
    )
    assert "It would do: calls and structured output were the same in 32 of 32" in much
    assert "It took 2.5 times as long, and would have saved $0.0640 of $0.0640." in much
    assert "32 of 32" in much
    assert "89 to 100 %" in much
    assert "Texts: 0.25 alike" in much
    assert "Not asked: 12 gave way." in much
    assert f"pointsman mapping update {rules['much']} --to local/box --model q --fallback openai/" in much
    assert "Nobody can tell yet: 0 answers were compared" in few
    assert "Failed here: 1 timeout." in few
    assert "Nothing was compared in 7 days" in visitor.text(f"{PATH}?range=7d")
    assert f'href="{PATH}"' in visitor.text("/ui/mappings?edit=" + str(rules["much"]))
    done = visitor.follow(f"{PATH}/{rules['few']}/clear", {}).body.decode()
    assert f"What was compared for rule {rules['few']} is deleted." in done
    assert f'id="shadow-{rules["few"]}"' not in done
    assert f'id="shadow-{rules["much"]}"' in done


def test_it_can_be_read_by_everybody(rules: dict[str, int], gateway: Gateway, windows: Windows) -> None:
    page = windows.open(gateway, width=375)
    page.goto(PATH)
    assert_accessible(page)
    assert_fits(page)
