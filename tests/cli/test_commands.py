"""The commands without a gateway: words in, REST answers out, exit codes, text for people."""

from __future__ import annotations

import base64
import json
import os
import re
from pathlib import Path

import pytest

from pointsman import __version__, interpreter, native
from pointsman.admin.store.usage_file import UsageFile
from pointsman.cli.explain import lines as explain_lines
from pointsman.ledger.blocks import block_of
from pointsman.ledger.records import UsageRecord
from pointsman.practice import Received, Reply
from pointsman.practice.scripted import ScriptedUpstream

from .conftest import Shell


def test_a_mapping_from_add_to_remove(shell: Shell) -> None:
    added = shell.json(
        *(
            "mapping",
            "add",
            "gpt-*",
            "--to",
            "local/box",
            "--model",
            "qwen3",
            "--priority",
            "7",
            "--local-only",
        ),
        *("--fallback", "local=other", "--fallback", "local/two=m"),
    )
    assert (added["backend_type"], added["backend_name"], added["backend_model"]) == ("local", "box", "qwen3")
    assert (added["fallback_backend"], added["fallback_model"], added["local_only"]) == (
        "local",
        "other",
        True,
    )
    assert added["fallbacks"] == [{"backend_type": "local", "backend_name": "two", "model": "m"}]
    assert shell.json("mapping", "list") == [added]
    number = str(added["id"])
    changed = shell.json("mapping", "update", number, "--model", "", "--no-fallback", "--no-local-only")
    assert (changed["backend_model"], changed["fallback_backend"], changed["fallback_model"]) == (
        None,
        None,
        None,
    )
    assert (changed["fallbacks"], changed["local_only"], changed["priority"]) == ([], False, 7)
    changed = shell.json(
        "mapping", "update", number, "--to", "openai", "--pattern", "o*", "--fallback", "local/z"
    )
    assert (changed["backend_type"], changed["backend_name"], changed["model_pattern"]) == (
        "openai",
        "",
        "o*",
    )
    assert (changed["fallback_backend"], len(changed["fallbacks"])) == (None, 1)
    assert shell.json("mapping", "update", number, "--disable")["enabled"] is False
    assert shell.json("mapping", "update", number, "--enable", "--priority", "-3")["priority"] == -3
    done = shell.run("mapping", "remove", number, "--json")
    assert done.stdout == "", "204 has no body"
    shell.run("mapping", "remove", number, code=1)


def test_mappings_for_people(shell: Shell) -> None:
    assert "pointsman mapping add" in shell.run("mapping", "list").stderr
    done = shell.run("mapping", "add", "a*", "--to", "openai/groq", "--model", "m", "--fallback", "local/box")
    assert "openai/groq:m" in done.stdout
    assert "local/box" in done.stdout
    assert "warning: openai/groq has no key yet" in done.stderr
    lines = shell.run("mapping", "list").stdout.splitlines()
    assert lines[0].split()[:4] == ["id", "enabled", "priority", "pattern"]
    assert len(lines) == 2


def test_a_nameless_fallback_that_comes_first_all_the_same_is_told(shell: Shell) -> None:
    done = shell.run(
        "mapping", "add", "a", "--to", "local/x", "--fallback", "local/box", "--fallback", "openai"
    )
    assert "openai is tried before local/box" in done.stderr
    done = shell.run(
        "mapping", "add", "b", "--to", "local/x", "--fallback", "openai", "--fallback", "local/box"
    )
    assert "tried before" not in done.stderr


def test_an_error_is_told_in_both_ways_with_exit_code_1(shell: Shell) -> None:
    done = shell.run("mapping", "add", "", "--to", "local", "--json", code=1)
    problem = json.loads(done.stdout)
    assert (problem["code"], problem["param"], problem["status"]) == ("invalid", "model_pattern", 422)
    assert "model pattern is empty" in done.stderr
    assert shell.run("mapping", "add", "", "--to", "local", code=1).stdout == ""


@pytest.mark.parametrize(
    "words",
    [
        ["mapping", "add", "x", "--to", "azure"],
        ["mapping", "add", "x", "--to", "local/Bad Name"],
        ["mapping", "add", "x", "--to", "local", "--fallback", "openai="],
        ["mapping", "update", "1"],
        ["mapping", "update", "1", "--fallback", "openai", "--no-fallback"],
        ["credential", "set", "local/box"],
        ["credential", "set", "openai", "--base-url", "https://x", "--default-url"],
        ["local", "update", "box"],
        ["local", "update", "box", "--key", "--no-key"],
        ["usage", "--limit", "0"],
        ["explain"],
    ],
    ids=" ".join,
)
def test_a_wrong_call_is_exit_code_2(shell: Shell, words: list[str]) -> None:
    assert shell.run(*words, stdin="k", code=2).stderr.strip()


@pytest.mark.parametrize("stdin", ["", "\n", "two words\n", "one\ntwo\n"])
def test_a_key_is_one_word_on_standard_input(shell: Shell, stdin: str) -> None:
    done = shell.run("credential", "set", "openai", stdin=stdin, code=2)
    assert "word" not in done.stdout
    assert "two" not in done.output


def test_a_credential_keeps_its_url_when_its_key_is_replaced(shell: Shell) -> None:
    made = shell.json(
        "credential",
        "set",
        "openai/groq",
        "--base-url",
        "https://api.groq.com/openai/v1",
        "--no-try",
        stdin="k1",
    )
    done = shell.run("credential", "set", "openai/groq", "--json", stdin="k2\n")
    again = json.loads(done.stdout)
    assert (again["id"], again["base_url"]) == (made["id"], "https://api.groq.com/openai/v1")
    assert again["key_fingerprint"] != made["key_fingerprint"]
    assert "stays at https://api.groq.com/openai/v1" in done.stderr
    assert shell.json("credential", "set", "openai/groq", "--default-url", stdin="k3")["base_url"] is None
    text = shell.run("credential", "list").stdout
    assert "openai/groq" in text
    shell.run("credential", "remove", "openai/groq")
    assert shell.json("credential", "list") == []


def test_plain_http_needs_the_word(shell: Shell) -> None:
    words = ("credential", "set", "openai/lan", "--base-url", "http://192.168.1.9:4000", "--no-try")
    assert "http" in shell.run(*words, stdin="k", code=1).stderr
    assert shell.json(*words, "--allow-http", stdin="k")["allow_http"] is True
    assert shell.json("credential", "set", "openai/lan", stdin="k2")["allow_http"] is True


def test_a_local_server_from_add_to_remove(shell: Shell) -> None:
    with ScriptedUpstream() as upstream:
        upstream.always(Reply(200, body={"data": [{"id": f"m{n}"} for n in range(12)]}))
        made = shell.json("local", "add", "box", "--url", f"{upstream.url}/v1", "--dialect", "openai_chat")
        assert (made["base_url"], made["dialects"]) == (upstream.url, ["openai_chat"])
        shell.run("local", "add", "box", "--url", upstream.url, code=1)
        assert shell.json("local", "update", "box", "--key", stdin="sk-l\n")["key_fingerprint"]
        text = shell.run("local", "test", "box").stdout
        assert upstream.requests[-1].headers["authorization"] == "Bearer sk-l"
        assert "m0" in text
        assert "4 more" in text
        changed = shell.json("local", "update", "box", "--no-key", "--context-window", "8192", "--disable")
        assert (changed["key_fingerprint"], changed["context_window"], changed["enabled"]) == (
            None,
            8192,
            False,
        )
        assert "enable" in shell.run("local", "test", "box", code=1).stderr
        shell.run("local", "update", "box", "--enable")
    failed = shell.json("local", "test", "box", code=1)
    assert failed["ok"] is False
    assert "FAILED" in shell.run("local", "test", "box", code=1).stdout
    assert "box" in shell.run("local", "list").stdout
    shell.run("local", "remove", "box")
    assert "local add" in shell.run("local", "list").stderr


def test_an_address_that_is_given_is_tried_and_what_answers_is_said(shell: Shell) -> None:
    def models(received: Received) -> Reply:
        if received.path == "/engine/v1/models":
            return Reply(200, body={"data": [{"id": "m"}]})
        return Reply(404, body={"error": {"message": "no such path"}})

    with ScriptedUpstream() as upstream:
        upstream.always(models)
        found = shell.run("local", "add", "a", "--url", f"{upstream.url}/engine/v1").stderr
        assert "it answers: 1 models" in found
        found = shell.run("local", "add", "b", "--url", f"{upstream.url}/engine").stderr
        assert f"{upstream.url}/engine/models answered 404" in found
        assert f"there is one under {upstream.url}/engine/v1" in found
        found = shell.run(
            "credential", "set", "openai/x", "--base-url", f"{upstream.url}/engine", stdin="k"
        ).stderr
        assert f"there is one under {upstream.url}/engine/v1" in found
        asked = len(upstream.requests)
        assert "answered" not in shell.run("local", "add", "c", "--url", upstream.url, "--no-try").stderr
        assert len(upstream.requests) == asked
    assert "tried: tcp" in shell.run("local", "add", "d", "--url", "http://127.0.0.1:9").stderr


def test_explain_shows_the_exact_url_that_will_be_asked(shell: Shell) -> None:
    azure = "http://127.0.0.1:9/openai/deployments/gpt-4o?api-version=2024-10-21"
    shell.json("local", "add", "azure", "--url", azure, "--dialect", "openai_chat", "--no-try")
    shell.run("mapping", "add", "*", "--to", "local/azure")
    (target,) = shell.json("explain", "m")["targets"]
    url = "http://127.0.0.1:9/openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21"
    assert target["urls"] == {"openai_chat": url}
    assert f"asked in openai_chat: {url}" in shell.run("explain", "m").stdout


def test_what_a_backend_speaks_is_said_and_taken_back(shell: Shell) -> None:
    url = ("--base-url", "https://api.example.com", "--no-try")
    made = shell.json("credential", "set", "openai/x", *url, "--dialect", "openai_chat", stdin="k1")
    assert made["dialects"] == ["openai_chat"]
    assert shell.json("credential", "set", "openai/x", stdin="k2")["dialects"] == ["openai_chat"], "kept"
    shell.run("mapping", "add", "*", "--to", "openai/x")
    assert explained(shell)["openai_responses"] == "translated to openai_chat"
    assert "openai_chat" in shell.run("credential", "list").stdout
    cleared = shell.json("credential", "set", "openai/x", "--no-dialect", stdin="k3")
    assert (cleared["dialects"], cleared["base_url"]) == (None, "https://api.example.com")
    said = "as it is if it knows the path, else translated to openai_chat"
    assert explained(shell)["openai_responses"] == said
    assert explained(shell)["openai_chat"] == "as it is"

    shell.run("local", "add", "box", "--url", "http://127.0.0.1:9")
    words = ("--dialect", "anthropic_messages", "--dialect", "openai_chat")
    changed = shell.json("local", "update", "box", *words)
    assert changed["dialects"] == ["anthropic_messages", "openai_chat"]
    assert shell.json("local", "update", "box", "--no-dialect")["dialects"] is None
    both = shell.run("local", "update", "box", "--dialect", "openai_chat", "--no-dialect", code=2)
    assert "exclude each other" in both.stderr


def explained(shell: Shell) -> dict[str, str]:
    found: dict[str, str] = shell.json("explain", "m")["targets"][0]["protocols"]
    return found


def test_a_provider_at_its_own_address_speaks_what_is_its_own(shell: Shell) -> None:
    shell.run("credential", "set", "openai", stdin="k")
    shell.run("mapping", "add", "*", "--to", "openai")
    assert explained(shell)["openai_responses"] == "as it is"


def test_client_keys(shell: Shell) -> None:
    assert "everybody on this computer" in shell.run("key", "list").stderr
    done = shell.run("key", "create", "--name", "laptop")
    secret = done.stdout.strip()
    assert secret.startswith("pm-")
    assert " " not in secret, "the secret alone is on standard output, to be piped"
    made = shell.json("key", "create")
    assert made["secret"] != secret
    listed = shell.run("key", "list").stdout
    assert "laptop" in listed
    assert secret not in listed
    changed = shell.json("key", "update", str(made["id"]), "--cache", "--cache-any-temperature")
    assert (changed["cache_seconds"], changed["cache_any_temperature"]) == (3600, True)
    assert "cache=1h cache_any_temperature" in shell.run("key", "list").stdout
    request = '{"model": "practice", "messages": [{"role": "user", "content": "hi"}]}'
    shell.json("key", "update", str(made["id"]), "--name", "keeper")
    said = shell.run("explain", "-", "--key", "keeper", stdin=request).stdout
    assert "one of the last 3600 s is kept; its client key says so, the rule says nothing of it" in said
    assert "cache:" not in shell.run("explain", "-", "--key", "laptop", stdin=request).stdout
    changed = shell.json("key", "update", str(made["id"]), "--no-cache")
    assert (changed["cache_seconds"], changed["cache_any_temperature"]) == (None, False)
    refused = shell.run("key", "update", str(made["id"]), "--cache-any-temperature", code=1)
    assert "set cache_seconds" in refused.stderr
    shell.run("key", "revoke", str(made["id"]))
    assert [row["revoked_at"] is None for row in shell.json("key", "list")] == [True, False]
    shell.run("key", "revoke", "99", code=1)


def test_explain(shell: Shell) -> None:
    shell.run(
        "mapping", "add", "fast", "--to", "openai", "--model", "gpt-4o-mini", "--fallback", "local/practice"
    )
    text = shell.run("explain", "fast").stdout
    assert text.index("1. openai:gpt-4o-mini") < text.index("2. local/practice:fast")
    assert "pointsman credential set openai" in text
    assert shell.json("explain", "fast")["targets"][1]["usable"] is True
    assert "pointsman mapping add" in shell.run("explain", "x&y=z #").stdout
    assert shell.json("explain", "a b/c&d")["model"] == "a b/c&d"


def test_a_request_from_standard_input_is_explained(shell: Shell) -> None:
    shell.run("credential", "set", "openai", stdin="k")
    shell.run("mapping", "add", "m", "--to", "openai", "--model", "gpt-4o-mini")
    body = {
        "model": "m",
        "max_tokens": 9,
        "top_k": 3,
        "system": "s",
        "messages": [{"role": "user", "content": "x"}],
    }
    text = shell.run("explain", "-", stdin=json.dumps(body)).stdout
    assert "posted to /v1/messages (anthropic_messages, by what is in it)" in text
    assert "1. openai:gpt-4o-mini  would be asked" in text
    assert "https://api.openai.com/v1/chat/completions (openai_chat, translated)" in text
    assert "lost or changed: dropped:top_k" in text
    assert "paste a model's name" in shell.run("explain", "-", stdin="", code=1).stderr


def test_a_rule_that_is_never_asked_is_moved_up(shell: Shell) -> None:
    shell.run("mapping", "add", "qwen*", "--to", "openai", "--priority", "1")
    shell.run("mapping", "add", "qwen3", "--to", "local/box")
    warning = shell.run("mapping", "list").stderr
    assert "rule 2 (qwen3): No request gets to it: rule 1 (qwen*) takes all its names" in warning
    assert "pointsman mapping move 2 --before 1" in warning
    assert shell.run("mapping", "move", "2", "--before", "1").stdout == "rule 2 (qwen3) has priority 1 now\n"
    assert [row["id"] for row in shell.json("mapping", "list")] == [2, 1]
    assert shell.run("mapping", "list").stderr == ""
    assert "stood there already" in shell.run("mapping", "move", "1", "--after", "2").stderr
    assert "--before ID, or --after ID" in shell.run("mapping", "move", "1", code=2).stderr


def test_the_master_key_is_rotated(shell: Shell) -> None:
    shell.run("credential", "set", "openai", "--base-url", "http://127.0.0.1:9", stdin="k")
    before = (shell.data_dir / "master.key").read_text()
    found = shell.json("secrets", "rotate")
    assert found["resealed"] == 1
    assert (shell.data_dir / "master.key").read_text() != before
    text = shell.run("doctor", code=1).stdout
    assert found["key_id"] in text
    assert "backend openai" in text


def test_a_master_key_of_the_environment_is_read_from_standard_input(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = (base64.b64encode(os.urandom(32)).decode() for _ in range(2))
    monkeypatch.setenv("POINTSMAN_MASTER_KEY", old)
    shell.run("credential", "set", "openai", stdin="k")
    shell.run("secrets", "rotate", stdin="", code=2)
    assert "new_key" in shell.json("secrets", "rotate", stdin="short", code=1)["param"]
    done = shell.run("secrets", "rotate", stdin=f"{new}\n")
    assert "POINTSMAN_MASTER_KEY" in done.stdout
    assert new not in done.output
    monkeypatch.setenv("POINTSMAN_MASTER_KEY", new)
    assert shell.json("secrets", "rotate", stdin=old)["resealed"] == 1


def test_usage_without_any(shell: Shell) -> None:
    assert shell.json("usage") == []
    assert "nothing was asked" in shell.run("usage").stderr
    assert (
        shell.json("usage", "--since", "2026-01-01T00:00:00+00:00", "--status", "200", "--model", "a b") == []
    )


def test_version(shell: Shell) -> None:
    runs, about = native.how()
    python = interpreter.about()
    assert shell.json("version") == {"version": __version__, "runs": runs, "about": about, "python": python}
    assert shell.run("version").stdout == f"pointsman {__version__} ({runs}): {about} {python}.\n"


def test_doctor_finds_no_error_in_a_new_folder(shell: Shell) -> None:
    report = shell.json("doctor")
    assert report["ok"] is True
    assert {"database", "master key", "sqlite version", "admin token", "python"} <= {
        c["name"] for c in report["checks"]
    }


def test_doctor_works_where_the_database_cannot_be_opened(shell: Shell) -> None:
    shell.run("mapping", "list")
    (shell.data_dir / "pointsman.db").chmod(0o644)
    done = shell.run("doctor", code=1)
    assert "chmod 600" in done.stdout
    report = shell.json("doctor", code=1)
    names = [check["name"] for check in report["checks"]]
    assert "database" in names
    assert "sqlite version" in names
    assert "chmod 600" in shell.run("mapping", "list", code=1).stderr
    assert shell.json("mapping", "list", code=1)["code"] == "unavailable"


def test_what_rules_and_servers_say_of_failures(shell: Shell) -> None:
    added = shell.json(
        "mapping",
        "add",
        "m",
        "--to",
        "local/box",
        "--fallback",
        "openai",
        "--fallback-on",
        "context",
        "--hedge",
        "2.5",
    )
    assert (added["fallback_on"], added["hedge_seconds"]) == (["context"], 2.5)
    changed = shell.json("mapping", "update", str(added["id"]), "--no-hedge", "--fallback-on", "refusal")
    assert (changed["fallback_on"], changed["hedge_seconds"]) == (["refusal"], None)
    changed = shell.json("mapping", "update", str(added["id"]), "--no-fallback-on")
    assert changed["fallback_on"] == []
    server = shell.json(
        "local", "add", "box", "--url", "http://127.0.0.1:9", "--max-in-flight", "2", "--join-resends"
    )
    assert (server["max_in_flight"], server["join_resends"]) == (2, True)
    server = shell.json("local", "update", "box", "--no-join-resends", "--max-in-flight", "5")
    assert (server["max_in_flight"], server["join_resends"]) == (5, False)
    key = shell.json("credential", "set", "openai", "--max-in-flight", "7", stdin="sk-1")
    assert key["max_in_flight"] == 7
    kept = shell.json("credential", "set", "openai", stdin="sk-2")
    assert kept["max_in_flight"] == 7, "a replaced key keeps what was said of its backend"
    assert "7" in shell.run("credential", "list").stdout.splitlines()[1].split()
    cleared = shell.json("credential", "set", "openai", "--no-max-in-flight", stdin="sk-3")
    assert cleared["max_in_flight"] is None
    assert shell.run("local", "list").stdout.splitlines()[1].split()[-2:] == ["5", "-"]
    server = shell.json("local", "update", "box", "--no-max-in-flight", "--join-resends", "--silent-end")
    assert (server["max_in_flight"], server["join_resends"], server["silent_end"]) == (None, True, True)
    for switch, expected in (("--silent-end", True), ("--no-silent-end", False)):
        assert shell.json("credential", "set", "openai", switch, stdin="sk-4")["silent_end"] is expected


def test_a_rule_that_sets_something(shell: Shell) -> None:
    shell.run("local", "add", "box", "--url", "http://127.0.0.1:9", "--dialect", "openai_chat")
    long = "Be brief. " * 20
    added = shell.json(
        "mapping", "add", "m", "--to", "local/box", "--set", "temperature=0.2", "--set", "top_p?=0.9",
        "--set", "chat_template_kwargs.enable_thinking=false", "--set", f"system={long}", "--set", "num_ctx=4096",
    )  # fmt: skip
    assert added["presets"] == {
        "temperature": 0.2, "top_p?": 0.9, "chat_template_kwargs.enable_thinking": False, "system": long, "num_ctx": 4096,
    }  # fmt: skip
    number = str(added["id"])
    assert "set:temperature=0.2 set:top_p?=0.9" in shell.run("mapping", "list").stdout
    said = shell.run("explain", "m").stdout
    assert (
        "sets in each request: temperature=0.2, top_p?=0.9, chat_template_kwargs.enable_thinking=false, system=Be"
        in said
    )
    assert long not in said
    assert "set in openai_chat: dropped:num_ctx" in said
    changed = shell.json(
        "mapping",
        "update",
        number,
        "--set",
        "temperature?=1",
        "--unset",
        "top_p",
        "--unset",
        "num_ctx",
        "--unset",
        "system",
    )
    assert changed["presets"] == {"temperature?": 1, "chat_template_kwargs.enable_thinking": False}
    assert "set in openai_chat: all of it" in shell.run("explain", "m").stdout
    assert "'heat' cannot be set" in shell.run("mapping", "update", number, "--unset", "heat", code=1).stderr
    assert shell.json("mapping", "update", number, "--no-set")["presets"] is None
    assert "sets in each request" not in shell.run("explain", "m").stdout


def test_a_rule_that_spreads(shell: Shell) -> None:
    for name in ("a", "b"):
        shell.run("local", "add", name, "--url", "http://127.0.0.1:9")
    shell.run("credential", "set", "openai", stdin="sk-1")
    added = shell.json(
        "mapping", "add", "m", "--to", "local/a", "--fallback", "local/b=two", "--spread", "--weights", "3,1",
        "--fallback-on", "busy",
    )  # fmt: skip
    assert (added["spread"], added["weights"], added["fallback_on"]) == (True, [3, 1], ["busy"])
    number = str(added["id"])
    assert "spread weights=3,1" in shell.run("mapping", "list").stdout
    said = shell.run("explain", "m").stdout
    assert "equals are asked in turn, chosen for each request" in said
    assert "also goes to the next target on: busy" in said
    assert [line.strip() for line in said.splitlines() if "weight" in line] == ["weight 3", "weight 1"]
    assert (
        "--no-weights"
        in shell.run("mapping", "update", number, "--weights", "1,1", "--no-weights", code=2).stderr
    )
    assert "one number a target" in shell.run("mapping", "update", number, "--weights", "1", code=1).stderr
    cleared = shell.json("mapping", "update", number, "--no-weights", "--no-spread")
    assert (cleared["spread"], cleared["weights"]) == (False, None)
    assert shell.json("explain", "m")["targets"][0]["weight"] is None


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["mapping", "add", "m", "--to", "openai", "--set", "heat=1"],
            "'heat' cannot be set; what can be is temperature",
        ),
        (["mapping", "add", "m", "--to", "openai", "--set", "seed"], "'seed' is not NAME=VALUE"),
        (["mapping", "update", "1", "--set", "seed=1", "--no-set"], "exclude each other"),
        (["mapping", "add", "m", "--to", "openai", "--weights", "3,x"], "write one a target, such as 3,1"),
        (["mapping", "update", "1", "--hedge", "1", "--no-hedge"], "--no-hedge"),
        (["mapping", "update", "1", "--fallback-on", "context", "--no-fallback-on"], "--no-fallback-on"),
        (["mapping", "add", "m", "--to", "openai", "--fallback-on", "lunch"], "'context', 'refusal', 'busy'"),
        (["local", "update", "box", "--max-in-flight", "1", "--no-max-in-flight"], "exclude each other"),
        (["credential", "set", "openai", "--max-in-flight", "1", "--no-max-in-flight"], "exclude each other"),
        (["local", "add", "box", "--url", "http://127.0.0.1:9", "--max-in-flight", "0"], "1<=x<=10000"),
    ],
)
def test_what_contradicts_itself_is_a_usage_error(shell: Shell, words: list[str], said: str) -> None:
    assert said in shell.run(*words, stdin="k", code=2).stderr


@pytest.mark.parametrize("seconds", ["nan", "inf", "0.01", "601"])
def test_a_hedge_out_of_bounds_is_refused(shell: Shell, seconds: str) -> None:
    words = ("mapping", "add", "m", "--to", "openai", "--fallback", "local/box", "--hedge", seconds)
    assert shell.json(*words, code=1)["param"] == "hedge_seconds"
    assert shell.json("mapping", "list") == []


def test_usage_shows_each_attempt_with_its_request(shell: Shell) -> None:
    shell.run("mapping", "list")  # makes the folder
    store = UsageFile(shell.data_dir / "usage.db")
    store.add(
        block_of(
            [
                attempt("req_a/1", 1, "failed", 0),
                attempt("req_a", 2, "ok", 200),
                attempt("req_b", 1, "ok", 200, joined=True),
            ]
        )
    )
    store.close()
    head, *rows = (line.split() for line in shell.run("usage", "--request", "req_a").stdout.splitlines())
    assert head[-1] == "request"
    assert sorted((row[4], row[6], row[-1]) for row in rows) == [
        ("1/2", "failed", "req_a"),
        ("2/2", "ok", "req_a"),
    ]
    assert "ok (joined)" in shell.run("usage", "--request", "req_b").stdout
    assert {row["request"] for row in shell.json("usage", "--request", "req_a")} == {"req_a"}


def attempt(number: str, nth: int, outcome: str, status: int, *, joined: bool = False) -> UsageRecord:
    return UsageRecord(
        number, 1_700_000_000.0 + nth, "openai_chat", "/v1/chat/completions", "m", "local/box:m", 2, "connect",
        status, outcome, False, request=number.partition("/")[0], attempt=nth, joined=joined,
    )  # fmt: skip


def test_a_rule_with_conditions_is_written_listed_and_explained(shell: Shell, tmp_path: Path) -> None:
    practice = ("--to", "local/practice", "--model", "practice")
    shell.run("mapping", "add", "m", *practice)
    long = (*practice[:2], "--model", "practice:long")
    said = shell.run(
        "mapping", "add", "m*", *long, "--when", "Tokens > 5", "--when", "client=curl", "--when", "key=a b"
    ).stdout
    assert "when:client=curl when:key=a b when:tokens>5" in said
    name = shell.run("explain", "m").stdout
    assert (
        "rule 2 (m*) takes it first when client=curl and key=a b and tokens>5: local/practice:practice:long"
        in name
    )
    asked = tmp_path / "request.json"
    asked.write_text(
        '{"model": "other", "messages": [{"role": "user", "content": "five words and some more"}]}'
    )
    more = ("--request", str(asked), "--header", "user-agent: curl/8")
    told = shell.run("explain", "m", *more, "--key", "a b").stdout
    assert told.splitlines()[:5] == [
        "m: rule 2: m*",
        "  rule 2 (m*) takes it",
        "     holds:          client=curl",
        "     holds:          key=a b",
        "     holds:          tokens>5",
    ]
    told = shell.run("explain", "m", *more, "--key", "c").stdout
    assert "rule 2 (m*) does not take it" in told
    assert "does not hold:  key=a b" in told
    assert told.startswith("m: rule 1: m\n")
    assert "--request FILE" in shell.run("explain", "m", "--key", "a", code=2).stderr
    shell.run(
        "mapping",
        "update",
        "2",
        "--always",
        "--fallback",
        "local/practice=practice",
        "--fallback-on",
        "stuck=4",
    )
    row = next(one for one in shell.json("mapping", "list") if one["id"] == 2)
    assert (row["conditions"], row["fallback_on"], row["stuck_after"]) == ([], ["stuck"], 4)
    assert "no reason" in shell.run("mapping", "update", "2", "--fallback-on", "busy=4", code=2).stderr


def test_explain_says_what_a_rule_and_a_backend_say_of_failures(shell: Shell) -> None:
    shell.run("local", "add", "box", "--url", "http://127.0.0.1:9", "--max-in-flight", "2")
    shell.run(
        "mapping", "add", "m", "--to", "local/box", "--fallback", "local/practice=practice",
        "--fallback-on", "context", "--fallback-on", "refusal", "--hedge", "2.5",
    )  # fmt: skip
    said = shell.run("explain", "m").stdout
    assert "also goes to the next target on: context, refusal" in said
    assert "asks the next target too after 2.5 s without output" in said
    assert "requests at once: 0 (limit: 2, over all processes), waiting: 0" in said
    found = shell.json("explain", "m")
    assert found["targets"][0]["breaker"] == "closed"
    found["targets"][0] |= {
        "in_flight": 2,
        "queued": 4,
        "health": "its breaker is open",
        "passed_over": True,
        "passed_over_until": "2026-11-24T10:00:00+00:00",
    }
    text = "\n".join(explain_lines(found))
    assert "requests at once: 2 (limit: 2, over all processes), waiting: 4" in text
    assert re.search(
        r"passed over until 2026-11-2\d .* while another target remains: its breaker is open", text
    )
    found["targets"][0]["passed_over"] = False
    assert "passed over" not in (text := "\n".join(explain_lines(found)))
    assert "its breaker is open" in text
