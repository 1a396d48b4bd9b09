"""`/api/backups` over the socket: made while it serves, looked at, put back live; hostile and foreign files refused."""

from __future__ import annotations

import io
import shutil
import sqlite3
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.postgres_ready import ReadyDatabases

from .plane import Plane, Worker, check_problem


@pytest.fixture(params=["sqlite", "postgres"])
def env(request: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    """Of a plane with an empty database of either kind."""
    if request.param == "sqlite":
        yield {}
        return
    ready: ReadyDatabases = request.getfixturevalue("ready_databases")
    with ready.lent() as url:
        yield {"POINTSMAN_DATABASE_URL": url}


def rules(plane: Plane) -> list[str]:
    return [row["model_pattern"] for row in plane.good("GET", "/api/mappings")]


def add_rule(plane: Plane, pattern: str) -> None:
    plane.good("POST", "/api/mappings", {"model_pattern": pattern, "backend_type": "openai"}, 201)


def test_a_backup_is_put_back_live_and_what_was_there_is_kept(
    env: dict[str, str], own_plane: Callable[..., Plane]
) -> None:
    plane = own_plane(env=env)
    with Worker(plane) as worker:
        add_rule(plane, "first")
        plane.good("PUT", "/api/credentials/openai", {"api_key": "sk-one"})
        made = plane.good("POST", "/api/backups", {"usage": True}, 201)
        assert made["with_usage"] is True
        found = plane.good("GET", f"/api/backups/{made['name']}")
        assert (found["same_gateway"], found["counts"]["mapping"], found["counts"]["credential"]) == (
            True,
            1,
            1,
        )
        add_rule(plane, "second")
        plane.good("DELETE", "/api/credentials/openai", status=204)
        done = plane.good("POST", f"/api/backups/{made['name']}/restore", {"usage": True}, 200)
        assert rules(plane) == ["first"]
        assert [one.pattern for one in worker.snapshot.mappings] == ["first"], "live when it answers"
        assert worker.snapshot.problems == (), "its key opens"
        entry = plane.good("GET", "/api/audit?noun=database")[0]
        assert done["kept_aside"] in entry["why_not"]
        add_rule(plane, "third")
        plane.good("POST", f"/api/backups/{done['kept_aside']}/restore", status=200)
        assert sorted(rules(plane)) == ["first", "second"]
        names = {one["name"] for one in plane.good("GET", "/api/backups")}
        assert {made["name"], done["kept_aside"]} <= names
        plane.good("DELETE", f"/api/backups/{made['name']}", status=204)
        plane.problem("GET", f"/api/backups/{made['name']}", status=404)
        assert not [one for one in (plane.data_dir / "backups").iterdir() if one.name.startswith(".")]


def test_a_backup_is_downloaded_whole_without_the_master_key(plane: Plane) -> None:
    made = plane.good("POST", "/api/backups", status=201)
    said = plane.call("GET", f"/api/backups/{made['name']}/file")
    assert said.status == 200
    with tarfile.open(fileobj=io.BytesIO(said.body)) as tar:
        assert tar.getnames() == ["pointsman.db", "SHA256SUMS"]
        assert {member.mode for member in tar} == {0o600}
    assert (plane.data_dir / "master.key").read_text().strip().encode() not in said.body


def test_a_file_from_elsewhere_is_taken_in_once_it_was_looked_at(plane: Plane) -> None:
    add_rule(plane, "carried-*")
    made = plane.good("POST", "/api/backups", status=201)["name"]
    content = plane.call("GET", f"/api/backups/{made}/file").body
    said = plane.call("POST", "/api/uploaded-backups", content)
    found = said.json()
    assert said.status == 201
    assert said.headers["location"] == f"/api/backups/{found['name']}"
    assert plane.good("GET", f"/api/backups/{found['name']}")["same_gateway"] is True
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        member = tar.getmember("pointsman.db")
    plain = content[member.offset_data : member.offset_data + member.size]
    assert plane.call("POST", "/api/uploaded-backups", plain).json()["name"].endswith(".db")
    assert check_problem(plane.call("POST", "/api/uploaded-backups", content[:3000]), 422)
    assert not list((plane.data_dir / "backups").glob(".*"))


def put(plane: Plane, name: str, content: bytes) -> str:
    folder = plane.data_dir / "backups"
    folder.mkdir(mode=0o700, exist_ok=True)
    (folder / name).write_bytes(content)
    return name


def tar_of(**members: bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name.replace("__", "."))
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


def link() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        info = tarfile.TarInfo("pointsman.db")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(info)
    return out.getvalue()


def database(tmp_path: Path, *statements: str, copy: Path | None = None) -> bytes:
    path = tmp_path / "made.db"
    path.unlink(missing_ok=True)
    if copy is not None:
        shutil.copy(copy, path)
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()
    return path.read_bytes()


def hostile(plane: Plane, tmp_path: Path) -> dict[str, tuple[bytes, str]]:
    own = plane.data_dir / "pointsman.db"
    whole = database(tmp_path, copy=own)
    trigger = "CREATE TRIGGER t AFTER INSERT ON backend_mappings BEGIN DELETE FROM client_keys; END"
    return {
        "nothing.tar": (b"", "cannot be read"),
        "text.db": (b"hello, I am a backup" * 100, "cannot be read"),
        "outside.tar": (tar_of(**{"../pointsman__db": whole}), "no part of a backup"),
        "link.tar": (link(), "no part of a backup"),
        "more.tar": (tar_of(pointsman__db=whole, evil__sh=b"#!"), "no part of a backup"),
        "no-database.tar": (tar_of(pointsman__db=b"x" * 4096), "is no database"),
        "empty.tar": (tar_of(usage__db=whole), "no pointsman.db in it"),
        "foreign.db": (database(tmp_path, "CREATE TABLE notes (x)"), "no Pointsman's"),
        "trigger.db": (database(tmp_path, trigger, copy=own), "which no Pointsman makes"),
        "view.db": (database(tmp_path, "CREATE VIEW v AS SELECT 1", copy=own), "which no Pointsman makes"),
        "newer.db": (
            database(tmp_path, "UPDATE alembic_version SET version_num='9999'", copy=own),
            "newer Pointsman",
        ),
        "cut.db": (whole[: len(whole) // 2], "cannot be read"),
    }


def test_a_hostile_or_foreign_file_is_refused_with_a_clear_word(plane: Plane, tmp_path: Path) -> None:
    add_rule(plane, "stays")
    for name, (content, word) in hostile(plane, tmp_path).items():
        put(plane, name, content)
        for method, path in (("GET", f"/api/backups/{name}"), ("POST", f"/api/backups/{name}/restore")):
            problem = plane.problem(method, path, status=422)
            assert word in problem["detail"], (name, problem["detail"])
            assert problem["detail"].endswith("Nothing was changed.")
    assert "stays" in rules(plane)


@pytest.mark.parametrize("name", ["..%2Fpointsman.db", "master.key", ".hidden.db", "a%2Fb.db", "x" * 161])
def test_no_other_file_is_read_or_deleted(plane: Plane, name: str) -> None:
    for method, path in (("GET", ""), ("GET", "/file"), ("POST", "/restore"), ("DELETE", "")):
        said = plane.call(method, f"/api/backups/{name}{path}")
        assert said.status in (404, 405, 422), (method, path, said.status)
    assert (plane.data_dir / "master.key").exists()


def test_a_key_that_the_start_was_given_works_after_a_restore(own_plane: Callable[..., Plane]) -> None:
    plane = own_plane(env={"POINTSMAN_CLIENT_KEY": "4f1c9a7e2b8d6035f1e7c4a9b2d8063e"})
    copy = database(plane.data_dir.parent, "DELETE FROM client_keys", copy=plane.data_dir / "pointsman.db")
    put(plane, "before.db", copy)
    with Worker(plane) as worker:
        plane.good("POST", "/api/backups/before.db/restore", status=200)
        assert "environment" in [key.name for key in worker.snapshot.client_keys]


def test_a_link_in_the_folder_is_no_backup(plane: Plane) -> None:
    put(plane, "x.db", b"")
    (plane.data_dir / "backups" / "link.db").symlink_to(plane.data_dir / "pointsman.db")
    plane.problem("GET", "/api/backups/link.db/file", status=404)


def test_another_gateway_s_backup_needs_a_word_and_its_master_key(
    plane: Plane, env: dict[str, str], own_plane: Callable[..., Plane]
) -> None:
    """Of whatever kind its database is."""
    other: Any = own_plane(env=env)
    made = other.good("POST", "/api/backups", status=201)
    content = (other.data_dir / "backups" / made["name"]).read_bytes()
    put(plane, "other.tar", content)
    assert plane.good("GET", "/api/backups/other.tar")["same_gateway"] is False
    refused = plane.problem("POST", "/api/backups/other.tar/restore", status=409)
    assert refused["param"] == "other_gateway"
    plane.good("POST", "/api/backups/other.tar/restore", {"other_gateway": True}, 200)
    assert rules(plane) == []
    assert plane.good("GET", "/api/secrets")["problem"] is None
    plane.good("PUT", "/api/credentials/openai", {"api_key": "sk-here"})
    other.good("PUT", "/api/credentials/openai", {"api_key": "sk-other"})
    keyed = other.good("POST", "/api/backups", status=201)
    put(plane, "keyed.tar", (other.data_dir / "backups" / keyed["name"]).read_bytes())
    wish = {"other_gateway": True}
    refused = plane.problem("POST", "/api/backups/keyed.tar/restore", wish, status=409)
    assert "need the master key" in refused["detail"]


def test_a_backup_that_was_damaged_on_a_disk_is_not_put_back(own_plane: Callable[..., Plane]) -> None:
    """A database does not see a letter that has changed within a text."""
    plane = own_plane()
    add_rule(plane, "as-it-was-saved")
    name = plane.good("POST", "/api/backups", status=201)["name"]
    path = plane.data_dir / "backups" / name
    whole = path.read_bytes()
    assert b"as-it-was-saved" in whole
    path.write_bytes(whole.replace(b"as-it-was-saved", b"as-it-was-sxved"))
    for method, there in (("GET", ""), ("POST", "/restore")):
        assert "damaged" in plane.problem(method, f"/api/backups/{name}{there}", status=422)["detail"]
    assert rules(plane) == ["as-it-was-saved"]
    path.write_bytes(whole)
    plane.good("POST", f"/api/backups/{name}/restore", status=200)
