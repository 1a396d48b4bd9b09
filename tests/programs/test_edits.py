"""What `pointsman connect` makes of a settings file's text: what it does not touch stays, and all of it can be taken back."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import tomlkit
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pointsman.programs.edits import json_text, toml_text, yaml_text
from pointsman.programs.edits.change import (
    ChangedText,
    NotChangeable,
    changed,
    packed,
    taken_back,
    told,
    unpacked,
)
from pointsman.programs.edits.places import ABSENT, NotReadable, after, same, value_at
from pointsman.programs.program import Pointed, Program, SettingsFile, Snippet, Writing, filled
from pointsman.programs.registry import BY_NAME, PROGRAMS

AT = Pointed("http://127.0.0.1:4480", "practice", "pm-abc")
OTHER = Pointed("http://127.0.0.1:4480", "other: [1] # {", "pm-xyz")
TEXTS = {Writing.JSON: json_text, Writing.TOML: toml_text, Writing.YAML: yaml_text}
FILES = [(program, snippet) for program in PROGRAMS for snippet in program.files]
every_file = pytest.mark.parametrize(
    ("program", "snippet"), [pytest.param(p, s, id=f"{p.name} {s.file and s.file.path}") for p, s in FILES]
)


def file_of(snippet: Snippet) -> SettingsFile:
    assert snippet.file is not None
    return snippet.file


def says_all(text: str, snippet: Snippet, at: Pointed) -> bool:
    """Is a second change none?"""
    return changed(text, filled(snippet, at), snippet.writing, file_of(snippet)).text == text


def there_and_back(text: str, snippet: Snippet, at: Pointed = AT) -> tuple[ChangedText, str]:
    """The text changed, and that with each place put back by itself."""
    made = changed(text, filled(snippet, at), snippet.writing, file_of(snippet))
    assert says_all(made.text, snippet, at)
    back, others = taken_back(
        made.text, text, unpacked(packed(made.touched)), snippet.writing, file_of(snippet)
    )
    assert others == []
    return made, back


MINE: dict[str, str] = {
    "claude-code": '{\n    // mine\n    "env": { "A": "1" }, /* x */\n    "permissions": {"allow": ["a",]} // last\n}\n',
    "codex": '# top\nmodel = "gpt-5" # mine\n\n[projects."/x"]\ntrust_level = "trusted"\n',
    "opencode": '{\r\n\t"model": "x", // this\r\n\t"provider": {\r\n\t\t"mine": {},\r\n\t},\r\n}\r\n',
    "aider": "# hello\nmodel: gpt-4o  # c\nread: [a, b]\n",
    "goose": "extensions:\n  dev:\n    enabled: true\n    # deep\nGOOSE_MODEL: x\n",
    "crush": '{"lsp": {"go": {"command": "gopls"}}, "providers": {"pointsman": {"models": [{"id": "mine", "name": "m"}]}}}',
    "qwen-code": '{"$version": 3, "security": {"folderTrust": {"enabled": true}}}\n',
    "cline": '{\n  "version": 1,\n  "modes": {},\n  "providers": {\n    "cline": { "settings": { "provider": "cline" } }\n  }\n}\n',
    "continue": "name: Mine # c\nversion: 1.0.0\nschema: v1\nmodels:\n- name: a\n  provider: x\n  model: b # own\n\n# end\nrules: []\n",
    "zed": '// Zed\n{\n  "theme": "One", // dark\n}\n',
    "llm": "- model_id: a\n  model_name: b\n",
}


@every_file
def test_a_file_that_is_not_there_gets_what_the_page_shows(program: Program, snippet: Snippet) -> None:
    assert (
        changed("", filled(snippet, AT), snippet.writing, file_of(snippet)).text == filled(snippet, AT) + "\n"
    )


@pytest.mark.parametrize("name", MINE)
def test_what_is_not_touched_keeps_its_bytes_and_all_of_it_goes_back(name: str) -> None:
    snippet, mine = BY_NAME[name].files[0], MINE[name]
    made, back = there_and_back(mine, snippet)
    assert back == mine
    kept = [line for line in re.split(r"\r?\n", mine) if "model" not in line.lower() and line.strip(" \t{},")]
    for line in kept:
        for comment in re.findall(r"(?://|#|/\*).*", line):
            assert comment in made.text, line
    assert ("\r\n" in made.text) == ("\r\n" in mine)
    assert made.text.count("\n") >= mine.count("\n")


@pytest.mark.parametrize("name", MINE)
def test_a_line_that_is_not_touched_is_the_same_line(name: str) -> None:
    snippet, mine = BY_NAME[name].files[0], MINE[name]
    made, _ = there_and_back(mine, snippet)
    gone = [line for line in mine.splitlines() if line not in made.text.splitlines()]
    assert len(gone) <= 3, gone


@every_file
@pytest.mark.parametrize("text", ["\n", "  \n\n", "# mine\n", "// mine\n", "{}", "{\n}\n", "[]\n", "---\n"])
def test_a_file_that_says_nothing_yet(program: Program, snippet: Snippet, text: str) -> None:
    """Or that is another language's: told then."""
    module, target = TEXTS[snippet.writing], TEXTS[snippet.writing].read(filled(snippet, AT))
    try:
        found = module.read(text)
    except NotReadable:
        found = "broken"
    if found is not ABSENT and type(found) is not type(target):
        with pytest.raises((NotReadable, NotChangeable)):
            changed(text, filled(snippet, AT), snippet.writing, file_of(snippet))
        return
    made = changed(text, filled(snippet, AT), snippet.writing, file_of(snippet)).text
    assert same(module.read(made), module.read(filled(snippet, AT)))
    assert "mine" not in text or "mine" in made


@every_file
@pytest.mark.parametrize("text", ['{"a": ', "a = [\n", "\tb: ]", "{,}", '"', "}"])
def test_a_broken_file_is_told_with_its_place(program: Program, snippet: Snippet, text: str) -> None:
    with pytest.raises((NotReadable, NotChangeable), match=r"[a-z]"):
        changed(text, filled(snippet, AT), snippet.writing, file_of(snippet))


def test_a_value_of_another_kind_is_in_the_way() -> None:
    claude = BY_NAME["claude-code"].files[0]
    for text in ('{"env": "none"}', "[1]", '"x"', "7"):
        with pytest.raises(NotChangeable, match="is not a group of values"):
            changed(text, filled(claude, AT), claude.writing, file_of(claude))
    llm = BY_NAME["llm"].files[0]
    with pytest.raises(NotChangeable, match="is not a list"):
        changed("a: 1\n", filled(llm, AT), llm.writing, file_of(llm))


@pytest.mark.parametrize("name", MINE)
def test_line_ends_are_of_one_kind(name: str) -> None:
    snippet, mine = BY_NAME[name].files[0], re.sub(r"\r?\n", "\r\n", MINE[name])
    made, back = there_and_back(mine, snippet)
    assert "\n" not in made.text.replace("\r\n", "")
    assert back == mine


def test_a_second_model_of_one_name_is_the_same_row() -> None:
    snippet = BY_NAME["continue"].files[0]
    mine = "name: N\nversion: 1\nschema: v1\nmodels:\n  - name: practice\n    provider: ollama\n    roles: [chat]\n"
    made, back = there_and_back(mine, snippet)
    assert yaml.safe_load(made.text)["models"] == [
        {"name": "practice", "provider": "openai", "roles": ["chat"], "model": "practice",
         "apiBase": "http://127.0.0.1:4480/v1", "apiKey": "pm-abc"}
    ]  # fmt: skip
    assert back == mine


EDITS: list[tuple[str, str, str, bool]] = [
    # program, what its user replaces afterwards, by what, and whether that is at a place that was changed
    ("claude-code", '"A": "1"', '"A": "2", "NEW": "x"', False),
    ("claude-code", '"ANTHROPIC_MODEL": "practice"', '"ANTHROPIC_MODEL": "mine"', True),
    ("codex", "# top", "# top\nsandbox_mode = 'read-only'", False),
    ("codex", 'trust_level = "trusted"', 'trust_level = "untrusted"', False),
    ("codex", 'name = "Pointsman"', 'name = "Pointsman"\nrequest_max_retries = 9', True),
    ("codex", 'model = "practice"', 'model = "mine"', True),
    ("opencode", '"mine": {}', '"mine": {"npm": "x"}', False),
    ("opencode", '"name": "Pointsman"', '"name": "Mine"', True),
    ("continue", "rules: []", "rules: [a]\nprompts: []", False),
    ("continue", "  apiKey: pm-abc", "  apiKey: pm-abc\n  roles: [chat]", True),
    ("aider", "read: [a, b]", "read: [a]\ndark-mode: true", False),
    ("cline", '"modes": {}', '"modes": {"plan": 1}', False),
    ("zed", '"theme": "One"', '"theme": "Two", "vim_mode": true', False),
]


@pytest.mark.parametrize(("name", "old", "new", "touched"), EDITS)
def test_an_edit_since_is_kept_or_nothing_is_taken_back(name: str, old: str, new: str, touched: bool) -> None:
    snippet, mine = BY_NAME[name].files[0], MINE[name]
    module, file = TEXTS[snippet.writing], file_of(snippet)
    made = changed(mine, filled(snippet, AT), snippet.writing, file)
    assert old in made.text
    edited = made.text.replace(old, new, 1)
    text, others = taken_back(edited, mine, made.touched, snippet.writing, file)
    if touched:
        assert others, "its user's value stands where ours was"
        return
    assert others == []
    assert new in text
    assert same(module.read(text), module.read(mine.replace(old, new, 1)))


def test_what_a_program_made_beside_ours_stays_and_ours_goes() -> None:
    """A group that was made for ours got others' values in it since: an empty file of Claude Code's, then one more variable."""
    snippet = BY_NAME["claude-code"].files[0]
    made = changed("", filled(snippet, AT), snippet.writing, file_of(snippet))
    more = made.text.replace('"env": {', '"env": {\n    "MY_OWN": "1",')
    text, others = taken_back(more, "", made.touched, snippet.writing, file_of(snippet))
    assert (json.loads(text), others) == ({"env": {"MY_OWN": "1"}}, [])


def test_a_time_that_the_program_writes_is_no_edit_of_its_user() -> None:
    """Cline dates each entry anew; without a date it throws the whole file away."""
    snippet = BY_NAME["cline"].files[0]
    made = changed(MINE["cline"], filled(snippet, AT), snippet.writing, file_of(snippet))
    later = made.text.replace("2026-11-28T12:00", "2027-01-01T00:00")
    assert says_all(later, snippet, AT)
    assert taken_back(later, MINE["cline"], made.touched, snippet.writing, file_of(snippet)) == (
        MINE["cline"],
        [],
    )


def test_a_reference_in_yaml_is_not_changed_through() -> None:
    snippet = BY_NAME["continue"].files[0]
    text = "name: N\nversion: 1\nschema: v1\nbase: &b [{name: x}]\nmodels: *b\n"
    with pytest.raises(NotChangeable):
        changed(text, filled(snippet, AT), snippet.writing, file_of(snippet))


def test_an_inline_table_that_cannot_be_added_to_is_told() -> None:
    snippet = BY_NAME["codex"].files[0]
    with pytest.raises(NotChangeable, match="break"):
        changed(
            'model_providers = { x = { name = "y" } }\n',
            filled(snippet, AT),
            snippet.writing,
            file_of(snippet),
        )


def test_a_place_is_told_as_its_user_would() -> None:
    snippet = BY_NAME["continue"].files[0]
    made = changed(MINE["continue"], filled(snippet, AT), snippet.writing, file_of(snippet))
    assert [told(one.path) for one in made.touched] == ["models[name=practice]"]


# -- any file ------------------------------------------------------------------------------------------

NAMES = st.sampled_from(
    [
        "env",
        "model",
        "model_provider",
        "provider",
        "providers",
        "pointsman",
        "models",
        "security",
        "auth",
        "A b",
        "é",
        "x",
        "n-1",
    ]
)
LEAVES = st.one_of(
    st.booleans(),
    st.integers(-5, 5),
    st.text(st.characters(codec="utf-8", exclude_categories=["C"]), max_size=6),
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    LEAVES,
    lambda below: st.one_of(st.lists(below, max_size=3), st.dictionaries(NAMES, below, max_size=3)),
    max_leaves=8,
)
DATA = st.dictionaries(NAMES, VALUES, max_size=5)
SPACE = st.sampled_from(["", " ", "\n", "\n  ", "\t", " // c1\n", "\n/* c2 */ ", "/**/"])


@st.composite
def jsonc(draw: st.DrawFn, value: Any) -> str:
    """JSON of that value as somebody may have written it."""
    space = lambda: draw(SPACE)  # noqa: E731
    if not isinstance(value, dict | list) or not value:
        inside = (
            space() if value in ({}, []) and value is not False and not isinstance(value, int | str) else ""
        )
        return (
            json.dumps(value, ensure_ascii=False)
            if not inside
            else f"{json.dumps(value)[0]}{inside}{json.dumps(value)[-1]}"
        )
    if isinstance(value, dict):
        parts = [
            f"{json.dumps(key)}{space()}:{space()}{draw(jsonc(one))}{space()}" for key, one in value.items()
        ]
        return "{" + space() + f",{space()}".join(parts) + draw(st.sampled_from(["", ","])) + space() + "}"
    return "[" + space() + f",{space()}".join(draw(jsonc(one)) + space() for one in value) + space() + "]"


@st.composite
def written(draw: st.DrawFn, writing: Writing) -> str:
    """A settings file's text."""
    data = draw(DATA)
    if writing is Writing.JSON:
        return draw(SPACE) + draw(jsonc(data)) + draw(SPACE)
    if writing is Writing.TOML:
        text = tomlkit.dumps(data)
        return (
            "".join(f"{line}{draw(st.sampled_from(['', '', ' # c']))}\n" for line in text.splitlines())
            if '"""' not in text
            else text
        )
    text = yaml.safe_dump(
        data,
        default_flow_style=draw(st.sampled_from([True, False, None])),
        allow_unicode=True,
        sort_keys=False,
    )
    return (
        draw(st.sampled_from(["", "# head\n", "\n"])) + text + draw(st.sampled_from(["", "# tail\n", "\n\n"]))
    )


def check(text: str, snippet: Snippet) -> None:
    module = TEXTS[snippet.writing]
    try:
        data = module.read(text)
        made, back = there_and_back(text, snippet, OTHER)
    except NotChangeable:
        return  # told, and nothing is changed
    assert same(module.read(back), data) or not data or data is ABSENT
    if any(isinstance(value_at(data, place.path), dict | list) for place in made.touched):
        return  # what stood in a value that is another one now has gone with it
    for comment in re.findall(r"// c1|/\* c2 \*/|# c\b|# head|# tail", text):
        assert made.text.count(comment) == text.count(comment)
        assert back.count(comment) == text.count(comment)


@settings(max_examples=150, deadline=None)
@given(written(Writing.JSON), st.sampled_from(["claude-code", "opencode", "crush", "qwen-code"]))
@example('{"a": 1 // c1\n}', "claude-code")
@example('{/**/"env":{ // c1\n}}', "claude-code")
def test_any_json_there_and_back(text: str, name: str) -> None:
    check(text, BY_NAME[name].files[0])


@settings(max_examples=100, deadline=None)
@given(written(Writing.TOML))
def test_any_toml_there_and_back(text: str) -> None:
    check(text, BY_NAME["codex"].files[0])


@settings(max_examples=100, deadline=None)
@given(written(Writing.YAML), st.sampled_from(["aider", "goose", "continue"]))
def test_any_yaml_there_and_back(text: str, name: str) -> None:
    check(text, BY_NAME[name].files[0])


@settings(max_examples=200, deadline=None)
@given(DATA, st.data())
def test_a_json_text_is_read_as_json_reads_it(data: dict[str, Any], draw: st.DataObject) -> None:
    text = draw.draw(jsonc(data))
    assert same(json_text.read(text), data)
    key = draw.draw(st.sampled_from([*data, "new"]))
    assert same(json_text.read(json_text.put(text, (key,), {"v": [1]})), after(data, (key,), {"v": [1]}))
    if key in data:
        assert same(json_text.read(json_text.drop(text, (key,))), after(data, (key,), ABSENT))
