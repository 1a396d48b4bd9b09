"""`pointsman audit`, without a gateway."""

from __future__ import annotations

from .conftest import Shell


def test_a_change_is_listed_shown_and_undone(shell: Shell) -> None:
    shell.run("mapping", "add", "qwen*", "--to", "local")
    shell.run("mapping", "update", "1", "--priority", "5")
    (entry, *_) = shell.json("audit", "list", "--of", "mapping", "--row", "1")
    assert entry["who"] == "command line"
    listed = shell.run("audit", "list").stdout
    assert "mapping 1 qwen* changed (priority)" in listed
    shown = shell.run("audit", "show", str(entry["id"])).stdout
    assert "priority" in shown
    assert shell.run("audit", "undo", str(entry["id"])).stderr.startswith(f"undone: change {entry['id']} ")
    assert shell.json("mapping", "list")[0]["priority"] == 0
    again = shell.run("audit", "undo", str(entry["id"]), code=1)
    assert "undo that one first" in again.stderr
    assert f"undid {entry['id']}: mapping 1" in shell.run("audit", "list").stdout


def test_what_cannot_be_undone_says_why(shell: Shell) -> None:
    shell.run("key", "create", "--name", "laptop")
    (entry, *_) = shell.json("audit", "list", "--of", "key")
    shown = shell.run("audit", "show", str(entry["id"]))
    assert "cannot be undone: The key may be in use. Revoke it: pointsman key revoke 1" in shown.stderr
    assert "pointsman key revoke 1" in shell.run("audit", "undo", str(entry["id"]), code=1).stderr
