"""Which URL gives which link: TLS with a verified certificate to any other computer, whoever said otherwise; a URL is never
quoted."""

from __future__ import annotations

from pathlib import Path

import pytest

from pointsman.admin.store.database_url import PostgresPlace, backups_of, database_place
from pointsman.errors import PointsmanError
from pointsman.kinds import ErrorKind

pytest.importorskip("psycopg")
CANARY = "canary-of-a-password"
VERIFIED = {"sslmode": "verify-full", "sslrootcert": "system", "gssencmode": "disable"}
LIMITS = {
    "connect_timeout": "5", "keepalives_idle": "3", "keepalives_interval": "1", "keepalives_count": "3",
    "tcp_user_timeout": "4000", "target_session_attrs": "read-write", "gssencmode": "disable",
}  # fmt: skip


@pytest.fixture(autouse=True)
def _nothing_said(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PGHOST", "PGHOSTADDR", "PGPORT", "PGSSLMODE", "PGSSLROOTCERT", "PGSERVICE", "PGDATABASE"):
        monkeypatch.delenv(name, raising=False)


def place(url: str) -> PostgresPlace:
    found = database_place(Path("/data"), url)
    assert isinstance(found, PostgresPlace)
    assert CANARY not in found.said + repr(found)
    return found


@pytest.mark.parametrize(
    ("url", "link", "said"),
    [
        ("postgresql://u:canary-of-a-password@db.example/p",
         {"host": "db.example", "user": "u", "password": CANARY, "dbname": "p"} | VERIFIED, "db.example:5432, database p"),
        ("postgres://db.example:7/p", {"host": "db.example", "port": "7", "dbname": "p"} | VERIFIED, "db.example:7, database p"),
        ("postgresql+psycopg://10.1.2.3/p", {"host": "10.1.2.3", "dbname": "p"} | VERIFIED, "10.1.2.3:5432, database p"),
        ("postgresql://u:a%3Fb%40c@db.example/p",
         {"host": "db.example", "user": "u", "password": "a?b@c", "dbname": "p"} | VERIFIED, "db.example:5432, database p"),
        ("postgresql://db.example/p?sslrootcert=/ca.pem&sslmode=verify-full",
         {"host": "db.example", "dbname": "p"} | VERIFIED | {"sslrootcert": "/ca.pem"}, "db.example:5432, database p"),
        ("postgresql://db.example/p?sslmode=prefer&gssencmode=require",
         {"host": "db.example", "dbname": "p"} | VERIFIED, "db.example:5432, database p"),
        ("postgresql:///p?host=a.example,b.example&port=1,2",
         {"host": "a.example,b.example", "port": "1,2", "dbname": "p"} | VERIFIED, "a.example,b.example:1,2, database p"),
        ("postgresql:///p?host=/run/pg,b.example", {"host": "/run/pg,b.example", "dbname": "p"} | VERIFIED,
         "/run/pg,b.example, database p"),
        ("postgresql://localhost/p?hostaddr=10.1.2.3",
         {"host": "localhost", "hostaddr": "10.1.2.3", "dbname": "p"} | VERIFIED, "10.1.2.3:5432, database p"),
        ("postgresql://127.1/p", {"host": "127.1", "dbname": "p"} | VERIFIED, "127.1:5432, database p"),
        ("postgresql://localhost/p", {"host": "localhost", "dbname": "p"}, "localhost:5432, database p"),
        ("postgresql://127.0.0.9/p?sslmode=disable",
         {"host": "127.0.0.9", "dbname": "p", "sslmode": "disable"}, "127.0.0.9:5432, database p"),
        ("postgresql://[::1]:9/p", {"host": "::1", "port": "9", "dbname": "p"}, "::1:9, database p"),
        ("postgresql://u@/p", {"user": "u", "dbname": "p"}, "the local socket, database p"),
        ("postgresql:///p?host=/run/pg&target_session_attrs=any&connect_timeout=2",
         {"host": "/run/pg", "dbname": "p", "target_session_attrs": "any", "connect_timeout": "2"}, "/run/pg, database p"),
        ("postgresql:///p?passfile=/x/pass", {"dbname": "p", "passfile": "/x/pass"}, "the local socket, database p"),
    ],
)  # fmt: skip
def test_which_link_a_url_gives(url: str, link: dict[str, str], said: str) -> None:
    found = place(url)
    assert found.link == LIMITS | link
    assert found.said == f"PostgreSQL at {said}"


@pytest.mark.parametrize(
    ("url", "words"),
    [
        (f"postgresql://u:{CANARY}@db.example", "does not name a database"),
        (
            f"postgresql://u:{CANARY}@db.example/p?sslmode=require",
            "asks for sslmode=require to another computer",
        ),
        (f"postgresql://u:{CANARY}@db.example/p?sslmode=disable", "asks for sslmode=disable"),
        (f"postgresql://u:{CANARY}@localhost/p?hostaddr=10.1.2.3&sslmode=allow", "asks for sslmode=allow"),
        (f"postgresql://u:{CANARY}@h/p?sslmod=x&pool_size=3", "library does not know: pool_size, sslmod"),
        (
            f"postgresql://u:{CANARY}@h/p?colour=red",
            "an option that PostgreSQL's library does not know: colour",
        ),
        (f"postgresql://u@h/p?{CANARY}=x", "behind its . that is no option"),
        (f"postgresql://u:{CANARY}@h/p?password={CANARY}", "says password twice"),
        (f"postgresql://u:{CANARY}@h/p?host=a&host=b", "says host twice"),
        (f"postgresql://u:{CANARY}@/p?service=other", "names a service"),
        (f"postgresql://u:{CANARY}@h:port/p", "is not a database URL"),
        (f"postgresql+asyncpg://u:{CANARY}@h/p", r"names postgresql\+asyncpg, which is not supported"),
    ],
)
def test_what_is_refused(url: str, words: str) -> None:
    with pytest.raises(PointsmanError, match=words) as caught:
        database_place(Path("/data"), url)
    assert caught.value.kind is ErrorKind.INVALID
    assert caught.value.param == "database_url"
    assert CANARY not in str(caught.value) + repr(caught.value)


def test_what_the_environment_says_of_a_link_is_no_way_around(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGHOST", "db.example")
    assert place("postgresql:///p").link["sslmode"] == "verify-full"
    monkeypatch.setenv("PGSSLROOTCERT", "/ca.pem")
    assert place("postgresql:///p").link["sslrootcert"] == "/ca.pem"
    monkeypatch.setenv("PGSSLMODE", "require")
    with pytest.raises(PointsmanError, match="sslmode=require"):
        place("postgresql:///p")
    monkeypatch.setenv("PGHOSTADDR", "127.0.0.1")
    assert "sslmode" not in place("postgresql:///p").link


def test_backups_lie_beside_a_file_and_else_in_the_data_folder() -> None:
    file = database_place(Path("/data"), "sqlite:////elsewhere/x.db")
    assert backups_of(file, Path("/data")) == Path("/elsewhere/backups")
    assert backups_of(place("postgresql:///p"), Path("/data")) == Path("/data/backups")
