"""What is shown to be copied: read by the parser of what it is written in, whatever the model, the key and the address are."""

from __future__ import annotations

import json
import shutil
import subprocess
import tomllib
from typing import Any

import pytest

from pointsman.programs.program import NO_KEY, Pointed, Snippet, Writing, filled, reachable_by_all
from pointsman.programs.registry import BY_NAME, PROGRAMS

URL = "http://127.0.0.1:4480"
ODD = 'it\'s "<script>alert(1)</script>" $(touch x) `id` \\ ${y} {window} <<{key}>> é 😀 qwen3:8b'
PLACES = {
    "plain": Pointed(URL, "practice"),
    "with a key": Pointed(URL, "practice", "pmk-abc"),
    "odd": Pointed(URL, ODD, "pmk-abc", 1234),
}
SNIPPETS = [(program.name, snippet) for program in PROGRAMS for snippet in program.snippets]


def written(kind: Writing) -> Any:
    return pytest.mark.parametrize(
        "snippet", [pytest.param(s, id=f"{name}: {s.where}") for name, s in SNIPPETS if s.writing is kind]
    )


places = pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)


def strings(value: object) -> list[str]:
    if isinstance(value, dict):
        return [text for pair in value.items() for one in pair for text in strings(one)]
    if isinstance(value, list):
        return [text for one in value for text in strings(one)]
    return [value] if isinstance(value, str) else []


def names(found: list[str], place: Pointed) -> bool:
    """Does it name the model (as its own string or behind `pointsman/`) and the gateway?"""
    return any(text.endswith(place.model) for text in found) and any(text.startswith(URL) for text in found)


@places
@written(Writing.JSON)
def test_json_is_json_and_says_the_values(snippet: Snippet, place: Pointed) -> None:
    found = strings(json.loads(filled(snippet, place)))
    assert (
        names(found, place)
        if "{v1}" in snippet.text or "{url}" in snippet.text
        else place.key in (None, *found)
    )


@places
@written(Writing.TOML)
def test_toml_is_toml_and_says_the_values(snippet: Snippet, place: Pointed) -> None:
    assert names(strings(tomllib.loads(filled(snippet, place))), place)


@places
@written(Writing.YAML)
def test_yaml_quotes_every_value_as_json_does(snippet: Snippet, place: Pointed) -> None:
    """A double-quoted scalar of YAML 1.2 that JSON wrote means the same."""
    lines = [line.partition(": ")[2] for line in filled(snippet, place).splitlines()]
    assert names([json.loads(value) for value in lines if value.startswith('"')], place)


@places
@written(Writing.PYTHON)
def test_python_compiles(snippet: Snippet, place: Pointed) -> None:
    text = filled(snippet, place)
    consts = compile(text, "snippet", "exec").co_consts
    assert (
        place.model in str(consts)
        or any(place.model in str(one) for one in consts)
        or repr(place.model) in text
    )
    assert ("pmk-abc" in text) == (place.key is not None)


@places
@written(Writing.SH)
def test_a_shell_runs_nothing_that_stands_in_a_name(snippet: Snippet, place: Pointed) -> None:
    """Its own words are replaced by one that prints what it was given."""
    text = filled(snippet, place)
    checked = subprocess.run(["bash", "-n"], input=text, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    first = {line.split()[0] for line in text.replace("\\\n", " ").splitlines() if line}
    shown = "".join(f"{word}() {{ printf '%s\\n' \"$@\"; }}\n" for word in first)
    done = subprocess.run(
        [str(shutil.which("bash")), "-c", shown + text],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "/nowhere"},
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    if "<<{model}>>" in snippet.text:
        assert place.model in done.stdout


@places
@written(Writing.FIELDS)
def test_fields_are_values_as_they_are_typed(snippet: Snippet, place: Pointed) -> None:
    values = [line.partition(": ")[2] for line in filled(snippet, place).splitlines()]
    assert f"{URL}/v1" in values
    assert (place.key or NO_KEY) in values


@pytest.mark.skipif(shutil.which("node") is None, reason="NO NODE: TypeScript snippets are not parsed")
@places
@written(Writing.TYPESCRIPT)
def test_typescript_parses(snippet: Snippet, place: Pointed) -> None:
    command = ["node", "--input-type=module", "--check"]
    done = subprocess.run(command, input=filled(snippet, place), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_no_snippet_has_html_or_a_hole_left() -> None:
    for name, snippet in SNIPPETS:
        text = filled(snippet, PLACES["plain"])
        assert "<<" not in text, name
        assert "[key]" not in text, name
        assert "[socket]" not in text, name
        assert "<" not in snippet.where, name


def test_every_program_says_how_its_first_request_is_sent_and_where_the_facts_are_from() -> None:
    assert len(BY_NAME) == len(PROGRAMS)
    for program in PROGRAMS:
        assert program.first, program.name
        assert program.source.startswith("["), program.name


def test_a_key_is_only_there_where_the_gateway_wants_one() -> None:
    curl = BY_NAME["curl"].snippets[0]
    assert "authorization" not in filled(curl, PLACES["plain"])
    assert "'authorization: Bearer pmk-abc'" in filled(curl, PLACES["with a key"])


def test_a_gateway_on_a_socket_alone_is_no_address_that_a_program_can_ask() -> None:
    """It was `base_url = "unix:///run/x y.sock/v1"`, and curl's first word too."""
    alone = Pointed("unix:///run/x y.sock", "practice")
    for name, snippet in SNIPPETS:
        assert "unix://" not in filled(snippet, alone), name
    assert "--unix /run/x y.sock" not in str(BY_NAME["codex"].problem(alone.url))
    assert "--unix '/run/x y.sock' --port 4480" in str(BY_NAME["codex"].problem(alone.url))
    curl = BY_NAME["curl"]
    assert curl.problem(alone.url) is None
    assert "chat/completions \\\n  --unix-socket '/run/x y.sock' \\\n" in filled(curl.snippets[0], alone)
    assert "curl http://localhost/v1/" in filled(curl.snippets[0], alone)
    assert "--unix-socket" not in filled(curl.snippets[0], PLACES["plain"])


def test_llm_sends_the_key_that_it_is_given() -> None:
    """Of a model in that file it sends none, whatever --key says, unless the model's key has a name (llm 0.36)."""
    assert "\n  api_key_name: " in filled(BY_NAME["llm"].snippets[0], PLACES["with a key"])


def test_a_container_gets_a_name_for_this_machine_and_no_other_address_is_changed() -> None:
    docker = BY_NAME["open-webui"].snippets[0]
    assert "http://host.docker.internal:4480/v1" in filled(docker, PLACES["plain"])
    assert "http://box.lan:4480/v1" in filled(docker, Pointed("http://box.lan:4480", "m"))


@pytest.mark.parametrize(
    "url",
    [
        URL,
        "http://models.example.com",
        "https://localhost",
        "https://10.0.0.3",
        "https://box.lan",
        "https://box",
    ],
)
def test_cursor_is_told_why_it_cannot_reach_this_gateway(url: str) -> None:
    problem = BY_NAME["cursor"].problem(url)
    assert problem is not None
    assert "https" in problem
    assert url in problem
    assert BY_NAME["zed"].problem(url) is None


def test_an_address_that_all_the_world_reaches_is_good_for_cursor() -> None:
    assert BY_NAME["cursor"].problem("https://models.example.com") is None
    assert reachable_by_all("https://1.1.1.1")


@pytest.mark.parametrize("model", ["", "a\nb", "x" * 201])
def test_a_name_that_no_snippet_can_hold_is_refused(model: str) -> None:
    with pytest.raises(ValueError, match="model"):
        filled(BY_NAME["curl"].snippets[0], Pointed(URL, model))
