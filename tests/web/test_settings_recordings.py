"""Recordings over the wire: what is shown of them, the file, the deletion; and that a rule's form offers them."""

from __future__ import annotations

import json

from tests.e2e.gateway import Gateway

from .visitor import Visitor

PAGE = "/ui/settings/recordings"
FILE = {
    "name": "shown",
    "answers": [{"path": "/v1/chat/completions", "request": {"model": "m"}, "answer": ["canary-7a61"]}],
}


def test_a_recording_is_shown_offered_downloaded_and_deleted(gateway: Gateway, visitor: Visitor) -> None:
    gateway.api("POST", "/api/recordings", FILE)
    page = visitor.text(PAGE)
    assert "canary" not in page
    assert "1 answer, 4.1 KB" in page
    assert '<option value="replay/shown">' in visitor.text("/ui/mappings?new=m")
    assert "replay/shown" not in visitor.text("/ui/backends"), "nothing of it can be edited there"
    (one,) = [one for one in gateway.api("GET", "/api/backends") if one["recording"]]
    assert (one["key"], one["state"], one["leaves_machine"], one["base_url"]) == (
        "replay/shown",
        "works",
        False,
        None,
    )
    answer = visitor.get(f"{PAGE}/shown/file")
    assert dict(answer.headers)["content-disposition"] == 'attachment; filename="shown.json"'
    assert json.loads(answer.body)["answers"][0]["answer"] == ["canary-7a61"]
    name = gateway.fresh()
    rule = gateway.rule(name, "replay/shown")
    page = visitor.text(PAGE)
    assert f'href="/ui/mappings#rule-{rule["id"]}">{name}</a>' in page
    assert "Delete the recording" not in page
    card = visitor.text("/ui/mappings")
    assert "replay/shown" in card
    refused = visitor.post(f"{PAGE}/shown/delete", {})
    assert (refused.status, b"answers out of this recording" in refused.body) == (409, True)
    gateway.api("DELETE", f"/api/mappings/{rule['id']}")
    assert "The recording shown is deleted." in visitor.follow(f"{PAGE}/shown/delete", {}).body.decode()
    assert "None yet." in visitor.text(PAGE)
