"""Every link of every page leads somewhere: followed from Home, each kind of page once, on a gateway that has something of
everything."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from urllib.parse import urljoin, urlsplit

from pointsman.practice.scripted import ScriptedUpstream
from tests.e2e.gateway import Gateway

from .visitor import Visitor

_HREF = re.compile(r'<a [^>]*?href="([^"]*)"')
_FETCHED = re.compile(r'data-live="[^"]*"[^>]*? hx-get="([^"]*)"')
_NUMBER = re.compile(r"req_[0-9a-z]+|\d+")
ENOUGH = 3
"""Of the same path but for its numbers: three are looked at."""


def links(text: str, path: str) -> set[str]:
    """Of a page, and of what it fetches later: paths of this gateway, with their queries."""
    found = {html.unescape(one) for one in (*_HREF.findall(text), *_FETCHED.findall(text))}
    inside = {urljoin(path, one) for one in found if one and not one.startswith(("#", "mailto:"))}
    return {one.partition("#")[0] for one in inside if not urlsplit(one).netloc}


def kind(path: str) -> str:
    parts = urlsplit(path)
    names = sorted(one.partition("=")[0] for one in parts.query.split("&"))
    return _NUMBER.sub("1", parts.path) + "?" + "&".join(names)


def test_every_link_leads_to_a_page(
    own_gateway: Callable[..., Gateway], upstream: Callable[..., ScriptedUpstream]
) -> None:
    gateway = own_gateway()
    model, _ = gateway.route("openai", upstream().url, upstream().url)
    gateway.route("local", upstream().url, model="<b>&?#%/ bold")
    gateway.api("POST", "/api/groups", {"name": "team", "budget_money": 5.0})
    key = gateway.api("POST", "/api/keys", {"name": "a/b?c#d&e%20<i>", "group": "team"})
    for name in (model, "practice", "no-such"):
        body = {"model": name, "messages": [{"role": "user", "content": "hello"}]}
        gateway.fetch("POST", "/v1/chat/completions", body, authorization=f"Bearer {key['secret']}")
    visitor = Visitor(gateway.url, gateway.admin_token)
    left, seen, broken = ["/ui"], dict[str, int](), list[str]()
    while left:
        path = left.pop()
        if seen.setdefault(kind(path), 0) >= ENOUGH:
            continue
        seen[kind(path)] += 1
        answer = visitor.get(path)
        kept = answer.status in (200, 204) or (  # 204: what is shown is what there is
            answer.status == 303 and "sign-in" not in (answer.header("location") or "")
        )
        if not kept:
            broken.append(f"{path}: {answer.status}")
        elif (answer.header("content-type") or "").startswith("text/html"):
            left += sorted(links(answer.body.decode(), path))
    visitor.close()
    assert broken == [], "\n".join(broken)
    assert len(seen) > 20
