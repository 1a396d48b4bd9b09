"""Backends: where a key will go is said before it is saved, a test is told in parts, a key never comes back; engines start, stop
and show what they printed; whatever a server says is text."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from pointsman.practice import Reply
from pointsman.practice.scripted import ScriptedUpstream
from pointsman.providers.urls import engine_url
from pointsman.warden.recipe import write_recipe
from tests.e2e.gateway import Gateway
from tests.vendor_bodies import chat

from .accessible import assert_accessible
from .visitor import Visitor

if TYPE_CHECKING:
    from .windows import Windows

KEY = "sk-canary-0123456789abcdefghij"
NEW_KEY = "sk-canary-9876543210zyxwvutsrq"
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"
ROOT = Path(__file__).parents[2]


@pytest.fixture
def upstream() -> Iterator[ScriptedUpstream]:
    with ScriptedUpstream() as running:
        yield running


def models(*names: str) -> Reply:
    return Reply(200, {"content-type": "application/json"}, body={"data": [{"id": one} for one in names]})


def form(gateway: Gateway, upstream: ScriptedUpstream, **more: str) -> dict[str, str]:
    return {
        "add": "url",
        "backend_type": "openai",
        "name": gateway.fresh("cloud"),
        "base_url": upstream.url,
        "api_key": KEY,
    } | more


def steps_of(visitor: Visitor, fields: dict[str, str]) -> str:
    """The steps of a test when it is over, asked for as a page's htmx does."""
    answer = visitor.post("/ui/backends/test", fields, hx_request="true")
    for _ in range(20):
        assert answer.status == 200, answer.body
        text = answer.body.decode()
        more = re.search(r'hx-get="(/ui/backends/test/[^"]+)"', text)
        if more is None:
            assert 'data-trial="done"' in text
            return text
        answer = visitor.get(unescape(more[1]), hx_request="true")
    raise AssertionError("it never ended")


@pytest.mark.parametrize(
    ("kind", "address", "says"),
    [
        ("openai", "https://api.groq.com/openai/v1", "<b>https://api.groq.com</b>"),
        ("openai", "", "<b>https://api.openai.com</b>"),
        ("local", "http://127.1:8080", "<b>http://127.0.0.1:8080</b>"),
        ("openai", "https://api.groq.com@evil.example", "must not hold a user name"),
        ("openai", HOSTILE, "holds spaces"),
    ],
)
def test_the_origin_of_a_key_is_said_while_somebody_types(
    visitor: Visitor, kind: str, address: str, says: str
) -> None:
    text = visitor.text(f"/ui/backends/origin?backend_type={kind}&base_url={quote(address, safe='')}")
    assert says in text
    assert "<script>" not in text
    assert ("nowhere else" in text) is says.startswith("<b>")


def test_a_form_that_is_refused_comes_back_without_its_key(
    gateway: Gateway, visitor: Visitor, upstream: ScriptedUpstream
) -> None:
    fields = form(gateway, upstream, base_url="http://8.8.8.8/v1", name="No Name")
    answer = visitor.post("/ui/backends/add", fields)
    text = answer.body.decode()
    assert answer.status == 422
    assert "Not saved:" in text
    assert 'value="http://8.8.8.8/v1"' in text
    assert 'value="No Name"' in text
    assert "paste it again" in text
    assert KEY not in text
    said = visitor.post("/ui/backends/add", fields, hx_request="true")
    assert (said.status, said.header("hx-retarget")) == (422, "#notice")
    assert KEY.encode() not in said.body


def test_a_provider_from_nothing_to_a_request_a_new_key_and_gone(
    gateway: Gateway, visitor: Visitor, upstream: ScriptedUpstream
) -> None:
    fields = form(gateway, upstream)
    key = f"openai/{fields['name']}"
    steps = steps_of(visitor, fields)
    assert [one for one in ("Connected", "Key accepted", "Models listed") if one in steps]
    assert "One token" in steps
    page = visitor.follow("/ui/backends/add", fields).body.decode()
    assert f"{key} is added." in page
    model = gateway.fresh()
    gateway.rule(model, f"{key}=practice")
    assert gateway.fetch("POST", "/v1/chat/completions", chat.ask(model)).status == 200
    assert upstream.requests[-1].headers["authorization"] == f"Bearer {KEY}"
    unnamed = visitor.post("/ui/backends/rotate", {"key": key, "api_key": NEW_KEY, "typed": "openai"})
    assert unnamed.status == 422
    assert f"Type {key} to replace its key." in unnamed.body.decode()
    rotation = {"key": key, "api_key": NEW_KEY, "typed": key}
    page = visitor.follow("/ui/backends/rotate", rotation).body.decode()
    assert f"{key} has a new key" in page
    assert gateway.fetch("POST", "/v1/chat/completions", chat.ask(model)).status == 200
    assert upstream.requests[-1].headers["authorization"] == f"Bearer {NEW_KEY}"
    assert model in page, "the rule that names it"
    refused = visitor.post("/ui/backends/remove", {"key": key, "typed": "openai"})
    assert refused.status == 422
    page = visitor.follow("/ui/backends/remove", {"key": key, "typed": key}).body.decode()
    assert f"{key} is removed." in page
    for text in (steps, page, gateway.read_log()):
        assert KEY not in text
        assert NEW_KEY not in text


def test_a_refused_key_is_the_step_that_fails_and_says_what_the_provider_said(
    gateway: Gateway, visitor: Visitor, upstream: ScriptedUpstream
) -> None:
    upstream.script(Reply(401, {}, body={"error": {"message": f"Wrong key {KEY} {HOSTILE}"}}))
    text = steps_of(visitor, form(gateway, upstream))
    assert "Key refused (401)" in text
    assert "not tried" in text
    assert KEY not in text
    assert "<script>" not in text
    assert "&lt;script&gt;" in text


def test_a_models_name_from_a_server_is_text(
    gateway: Gateway, visitor: Visitor, upstream: ScriptedUpstream
) -> None:
    upstream.script(models(HOSTILE, "x" * 10_000), Reply(404, {}, body={"error": HOSTILE}))
    text = steps_of(visitor, form(gateway, upstream, one_token=HOSTILE))
    assert "<script>" not in text
    assert "<img" not in text
    assert "&lt;script&gt;alert(1)" in text


def test_a_test_is_the_business_of_who_began_it(
    gateway: Gateway, visitor: Visitor, upstream: ScriptedUpstream
) -> None:
    other = Visitor(gateway.url, gateway.admin_token)
    upstream.script(lambda _: (time.sleep(0.3), models("m"))[1])
    begun = visitor.post("/ui/backends/test", form(gateway, upstream), hx_request="true").body.decode()
    found = re.search(r"/ui/backends/test/([\w-]+)\?", begun)
    assert found is not None, begun
    assert other.get(f"/ui/backends/test/{found[1]}").status == 404
    assert visitor.get(f"/ui/backends/test/{found[1]}").status == 200
    other.close()


def test_a_local_server_is_switched_off_and_on_again(
    gateway: Gateway, visitor: Visitor, upstream: ScriptedUpstream
) -> None:
    key = gateway.backend("local", upstream.url)
    page = visitor.follow("/ui/backends/switch", {"key": key, "on": "0"}).body.decode()
    assert f"{key} is off" in page
    assert "Somebody switched it off." in page
    page = visitor.follow("/ui/backends/switch", {"key": key, "on": "1"}).body.decode()
    assert f"{key} is on." in page
    assert "/ui/undo/" in page


def test_without_a_script_a_test_is_a_page_with_all_its_steps(
    gateway: Gateway, windows: Windows, upstream: ScriptedUpstream
) -> None:
    key = gateway.backend("local", upstream.url)
    page = windows.open(gateway, script=False)
    page.goto("/ui/backends")
    page.get_by_role("button", name=f"Test {key}").click()
    assert page.locator("#steps .steps").inner_text().count("ms") >= 4
    assert page.locator("#aside h2").inner_text() == key


def test_a_provider_is_added_in_a_browser(
    gateway: Gateway, windows: Windows, upstream: ScriptedUpstream
) -> None:
    name = gateway.fresh("cloud")
    page = windows.open(gateway)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(f"{request.url} {request.post_data or ''}"))
    page.goto("/ui/backends")
    page.get_by_role("link", name="Groq").click()
    assert page.locator("#goes b").inner_text() == "https://api.groq.com"
    page.fill("#f-k", KEY)
    page.fill("#f-n", name)
    page.fill("#f-url", upstream.url)
    page.locator("#goes b", has_text=upstream.url).wait_for()
    assert not [one for one in asked if KEY in one], "it was sent while somebody typed"
    page.locator("#add").get_by_role("button", name="Test").click()
    page.locator("#steps[data-trial=done]").wait_for()
    page.fill("#one-token", "practice")
    page.locator("#add").get_by_role("button", name="Test").click()
    page.get_by_text("One token came").wait_for()
    page.get_by_role("button", name="Save").click()
    page.get_by_text(f"openai/{name} is added").wait_for()
    assert page.url.endswith(f"/ui/backends?show=openai/{name}")
    assert KEY not in page.content()
    assert upstream.requests[-1].json()["model"] == "practice"
    (used,) = gateway.api("GET", f"/api/usage?client=pointsman+test&target=openai/{name}:practice")
    assert used["outcome"] == "ok", "what may have cost is in usage"


def engine_of(gateway: Gateway, *more: str) -> str:
    """The name of a small engine that is started on demand."""
    name = gateway.fresh("tiny")
    script = str(ROOT / "tests/e2e/small_engine.py")
    command: list[Any] = [sys.executable, script, "--port", "{port}", "--name", name, *more]
    recipe = {"command": command, "env": {"PYTHONPATH": str(ROOT)}, "models": [name]}
    write_recipe(gateway.data_dir, name, recipe)
    gateway.api("POST", "/api/local", {"name": name, "base_url": engine_url(name)}, status=201)
    return name


def test_a_test_says_what_it_waits_for_and_is_stopped(gateway: Gateway, windows: Windows) -> None:
    """The Test of an engine that never gets ready said nothing for 90 s."""
    name = engine_of(gateway, "--load", "60")
    page = windows.open(gateway)
    page.goto(f"/ui/backends?show=local/{name}")
    page.get_by_role("button", name="Test", exact=True).last.click()
    steps = page.locator("#steps")
    steps.get_by_text("It runs, and loads its model").wait_for()
    assert "gives up at" in steps.inner_text()
    assert_accessible(page)
    page.get_by_role("button", name="Stop the test").press("Enter")
    steps.get_by_text("Stopped: nothing more is tried. The engine goes on loading").wait_for()
    assert steps.get_attribute("data-trial") == "done"
    gateway.api("DELETE", f"/api/local/{name}", status=204)


def test_an_engine_starts_shows_its_log_and_stops(gateway: Gateway, windows: Windows, tmp_path: Path) -> None:
    name = engine_of(gateway)
    page = windows.open(gateway)
    page.goto(f"/ui/backends?show=local/{name}")
    row = page.locator(f"[id='b-local/{name}']")
    assert "Asleep" in row.inner_text()
    row.get_by_role("button", name="Start").click()
    page.get_by_text(f"{name} starts.").wait_for()
    row.get_by_role("button", name="Stop").wait_for()  # by itself: the page is live
    row.get_by_text(re.compile(r"\d [MK]B")).wait_for()
    row.get_by_role("button", name="Stop").click()
    page.get_by_text(f"{name} stops when").wait_for()
    row.get_by_role("button", name="Start").wait_for()
    gateway.api("DELETE", f"/api/local/{name}", status=204)
