"""Keys with limits as a person uses them: the commands, what clients are told, and what is left after a restart."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from .gateway import Gateway, run_cli, wait_until
from .warm import run_warm

ASK = {"model": "practice:fast", "max_tokens": 8, "messages": [{"role": "user", "content": "hi there"}]}


def pointsman(data_dir: Path, *words: str) -> Any:
    done = run_cli(data_dir, *words, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout) if done.stdout else None


def chat(gateway: Gateway, secret: str) -> int:
    return gateway.fetch("POST", "/v1/chat/completions", ASK, authorization=f"Bearer {secret}").status


def test_a_budget_is_spent_stays_spent_over_a_restart_and_can_be_raised(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path / "data")
    with gateway:
        data = gateway.data_dir
        pointsman(data, "group", "add", "team", "--budget-tokens", "1000000", "--per", "month")
        made = pointsman(
            data, "key", "create", "--name", "ci", "--budget-tokens", "60", "--per", "day", "--group", "team"
        )
        statuses = [chat(gateway, made["secret"]) for _ in range(10)]
        assert set(statuses) == {200, 429}
        assert statuses == sorted(statuses), "once it is spent it is spent"
        wait_until(
            "all of them in the usage",
            lambda: [row["requests"] for row in gateway.api("GET", "/api/usage/by/key")] == [len(statuses)],
            seconds=20,
        )
        (shown,) = pointsman(data, "key", "list")
        spent = shown["spent"]["tokens"]
        assert shown["group"] == "team"
        assert "secret" not in shown
        (group,) = pointsman(data, "group", "list")
        assert group["spent"]["tokens"] == spent
        told = run_cli(data, "key", "list").stdout
        assert f"{spent} tokens" in told
        assert "60 tokens per day" in told
    with gateway:
        assert chat(gateway, made["secret"]) == 429
        assert pointsman(data, "key", "list")[0]["spent"]["tokens"] == spent
        pointsman(data, "key", "update", "1", "--budget-tokens", "6000", "--rate-requests", "1")
        assert [chat(gateway, made["secret"]) for _ in range(2)] == [200, 429]
        new = pointsman(data, "key", "rotate", "1", "--grace", "1h")
        pointsman(data, "key", "update", "1", "--no-rates")
        assert [chat(gateway, one["secret"]) for one in (made, new)] == [200, 200]
        assert run_cli(data, "group", "remove", "team").returncode == 1
        run_cli(data, "key", "revoke", "1")
        assert chat(gateway, new["secret"]) == 401
        assert run_cli(data, "group", "remove", "team").returncode == 0
    assert "100 % of the budget of key/1 is spent" in gateway.read_log()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("key", "create", "--expires", "soon"), "write 2026-12-01"),
        (("key", "create", "--budget-money", "0"), "--budget-money"),
        (("key", "create", "--budget-money", "5", "--zone", "Mars"), "no time zone"),
        (("key", "create", "--per", "year"), "--per"),
        (("key", "create", "--group", "nobody"), "pointsman group add nobody"),
        (("key", "update", "99", "--name", "x"), "no client key 99"),
        (("key", "update", "99"), "nothing to change"),
        (("key", "rotate", "99", "--grace", "long"), "30m, 24h or 7d"),
        (("group", "add", "Team A"), "is not a name"),
        (("key", "update", "1", "--no-budget", "--budget-money", "3"), "exclude each other"),
        (("key", "create", "--per", "day"), "say how much may be spent"),
        (("key", "create", "--expires", "2020-01-01"), "is over already"),
        (("credential", "update", "openai", "--budget-money", "20"), "pointsman credential set openai"),
        (("credential", "update", "openai"), "nothing to change"),
        (("group", "update", "nobody", "--note", "x"), "pointsman group add nobody"),
    ],
)
def test_what_cannot_be_is_said_with_what_to_write(tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    done = run_warm(tmp_path / "data", *words)
    assert done.returncode in (1, 2)
    assert said in done.stderr
    assert "Traceback" not in done.stderr
