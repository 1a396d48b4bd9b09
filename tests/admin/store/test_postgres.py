"""One PostgreSQL and what befalls it: each trouble ends, is said in our words without a password or a value, and is over when
it is over. The faults are real ones, in a cluster of their own.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from pointsman.admin.store import mappings, settings
from pointsman.admin.store.database import Store
from pointsman.admin.store.database_url import PostgresPlace, database_place
from pointsman.admin.store.postgres import POOL, PostgresServer
from pointsman.admin.store.postgres_trouble import trouble_of
from pointsman.admin.store.schemas import BackendMappingCreate
from pointsman.admin.store.tables import BackendMapping
from pointsman.errors import PointsmanError
from pointsman.kinds import BackendType, ErrorKind
from tests.postgres import Cluster

PASSWORD = "canary-of-a-password"
SLOTS = 12
HBA = "local all postgres trust\nlocal all all scram-sha-256\n"


@pytest.fixture(scope="module")
def own(cluster: Cluster) -> Iterator[Cluster]:
    """One that may be stopped, with a user that has a password. cluster: so that there is a reason to skip."""
    with Cluster(f"max_connections={SLOTS}", "superuser_reserved_connections=3", hba=HBA) as running:
        running.run(f"CREATE ROLE keyed LOGIN PASSWORD '{PASSWORD}'")
        running.run("CREATE DATABASE keyed OWNER keyed")
        yield running


def place_of(url: str) -> PostgresPlace:
    place = database_place(Path(), url)
    assert isinstance(place, PostgresPlace)
    return place


def keyed(cluster: Cluster, database: str = "keyed", password: str = PASSWORD, user: str = "keyed") -> str:
    return f"postgresql://{user}:{password}@/{database}?host={cluster.folder}&port={cluster.port}"


@contextmanager
def server(url: str, seconds: float = 10.0) -> Iterator[PostgresServer]:
    opened = PostgresServer(place_of(url), seconds)
    try:
        yield opened
    finally:
        opened.close()


def one(at: PostgresServer, statement: str = "SELECT 1", *, write: bool = True) -> object:
    with at.transaction(write=write) as connection:
        return connection.scalar(sa.text(statement))


def refused(at: PostgresServer, words: str, statement: str = "SELECT 1") -> PointsmanError:
    with pytest.raises(PointsmanError, match=words) as caught:
        one(at, statement)
    assert caught.value.kind is ErrorKind.UNAVAILABLE
    assert caught.value.retry_after
    assert PASSWORD not in str(caught.value) + repr(caught.value) + caught.value.public
    return caught.value


def test_a_crash_is_said_at_once_and_over_by_itself(own: Cluster) -> None:
    with server(own.url("postgres")) as at:
        assert one(at) == 1
        with pytest.raises(PointsmanError, match=r"cannot be reached|is starting, stopping"):
            with at.transaction(write=True) as connection:
                own.stop("immediate")
                connection.scalar(sa.text("SELECT 1"))
        refused(at, "cannot be reached; start it")
        own.start()
        assert one(at) == 1


def test_a_server_process_that_is_stopped_is_cut_in_time(own: Cluster) -> None:
    with server(own.url("postgres"), seconds=0.3) as at:
        with at.transaction(write=False) as connection:
            pid = connection.scalar(sa.text("SELECT pg_backend_pid()"))
        assert pid
        try:
            with pytest.raises(PointsmanError, match="cannot be reached"):
                with at.transaction(write=True) as connection:
                    assert connection.scalar(sa.text("SELECT pg_backend_pid()")) == pid, "the same one"
                    os.kill(pid, signal.SIGSTOP)
                    connection.scalar(sa.text("SELECT 1"))
            assert one(at) == 1, "by another connection"
        finally:
            os.kill(pid, signal.SIGCONT)


def test_one_that_is_stopped_between_two_uses_is_left_without_a_word(own: Cluster) -> None:
    with server(own.url("postgres"), seconds=0.3) as at:
        pid = one(at, "SELECT pg_backend_pid()")
        assert isinstance(pid, int)
        os.kill(pid, signal.SIGSTOP)
        try:
            assert one(at, "SELECT pg_backend_pid()") != pid
        finally:
            os.kill(pid, signal.SIGCONT)


def test_a_sign_of_life_that_was_cut_left_a_traceback_in_the_log(
    own: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    """The pool tried to end the transaction of a connection that was gone."""
    with server(own.url("postgres"), seconds=0.3) as at:
        pid = one(at, "SELECT pg_backend_pid()")
        assert isinstance(pid, int)
        try:
            with pytest.raises(PointsmanError, match="cannot be reached"), at.raw() as link:
                os.kill(pid, signal.SIGSTOP)
                link.execute("SELECT 1")
        finally:
            os.kill(pid, signal.SIGCONT)
        assert one(at) == 1
    assert [record.getMessage() for record in caplog.records if record.exc_info] == []


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("SSL error: unexpected eof while reading", "cannot be reached"),
        ("SSL SYSCALL error: EOF detected", "cannot be reached"),
        ("SSL error: certificate verify failed", "no certificate that can be verified"),
    ],
)
def test_a_server_that_was_given_up_as_it_greeted_was_said_to_have_a_wrong_certificate(
    said: str, words: str
) -> None:
    found = trouble_of(psycopg.OperationalError(f'connection to server at "db", port 5432 failed: {said}'))
    assert found is not None
    assert words in found[1]


def test_a_port_that_takes_connections_and_says_nothing_is_away() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with server(f"postgresql://u@127.0.0.1:{port}/d?connect_timeout=2") as at:
            refused(at, rf"PostgreSQL at 127.0.0.1:{port}, database d\) cannot be reached")


def test_a_server_that_stands_still_is_asked_by_one_at_a_time() -> None:
    """After a minute of it a thousand clients stood in its queue that had given up, and it greeted them all before the living."""
    taken: list[socket.socket] = []

    def take(silent: socket.socket) -> None:
        with suppress(OSError):  # it is closed
            while True:
                taken.append(silent.accept()[0])

    with ExitStack() as stack:
        silent = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        thread = threading.Thread(target=take, args=(silent,), daemon=True)
        thread.start()
        url = f"postgresql://u@127.0.0.1:{silent.getsockname()[1]}/d?connect_timeout=2"
        at = stack.enter_context(server(url))
        refused(at, "cannot be reached")
        assert len(taken) == 1
        said: list[str] = []
        askers = [
            threading.Thread(target=lambda: said.append(refused(at, "cannot be reached").public))
            for _ in range(POOL)
        ]
        for asker in askers:
            asker.start()
        for asker in askers:
            asker.join(20)
        assert len(said) == POOL
        assert len({*said}) == 1
        assert len(taken) == 2
        silent.shutdown(socket.SHUT_RDWR)
        thread.join(5)
        for one_taken in taken:
            one_taken.close()


def test_a_connection_that_is_ended_between_two_uses_is_not_missed(own: Cluster) -> None:
    with server(own.url("postgres")) as at:
        pid = one(at, "SELECT pg_backend_pid()")
        own.run(f"SELECT pg_terminate_backend({pid}, 5000)")
        assert one(at, "SELECT pg_backend_pid()") != pid


def test_one_that_is_ended_within_a_use_is_an_error_and_the_next_use_works(own: Cluster) -> None:
    with server(own.url("postgres")) as at:
        with pytest.raises(PointsmanError, match="was told to end this connection"):
            with at.transaction(write=True) as connection:
                pid = connection.scalar(sa.text("SELECT pg_backend_pid()"))
                own.run(f"SELECT pg_terminate_backend({pid}, 5000)")
                connection.scalar(sa.text("SELECT 1"))
        assert one(at) == 1


def test_whom_it_does_not_let_in(own: Cluster, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing that is said or logged holds the password, at whatever level."""
    caplog.set_level(logging.DEBUG)
    for url, words in (
        (keyed(own, password=PASSWORD + "x"), "refuses the user or the password"),
        (keyed(own, user="nobody"), "refuses the user or the password"),
        (own.url("postgres").replace("postgres@", "nobody@"), "refuses the user or the password"),
        (keyed(own, database="nothing"), "has no database of that name"),
    ):
        with server(url) as at:
            refused(at, words)
            assert PASSWORD not in repr(at.place)
    assert "PostgreSQL: 28" in caplog.text
    assert PASSWORD not in caplog.text


def test_a_password_that_was_changed_is_taken_from_its_file(own: Cluster, tmp_path: Path) -> None:
    own.run("CREATE ROLE moving LOGIN PASSWORD 'first'")
    passfile = tmp_path / "pass"
    url = own.url("postgres", passfile=str(passfile)).replace("postgres@", "moving@")

    def says(password: str) -> None:
        passfile.write_text(f"*:*:*:moving:{password}\n")
        passfile.chmod(0o600)

    says("first")
    with server(url) as at:
        assert one(at) == 1
        own.run("ALTER ROLE moving PASSWORD 'second'")
        at.forget()
        refused(at, "refuses the user or the password")
        says("second")
        assert one(at) == 1


def test_a_full_server_says_that_it_is_full(own: Cluster) -> None:
    words = "takes no more connections: raise its max_connections"
    with server(keyed(own)) as at:
        for name in ("ROLE keyed", "DATABASE keyed"):
            own.run(f"ALTER {name} CONNECTION LIMIT 0")
            refused(at, words)
            own.run(f"ALTER {name} CONNECTION LIMIT -1")
        assert one(at) == 1
        at.forget()
        with ExitStack() as stack:
            with pytest.raises(psycopg.OperationalError):
                for _ in range(SLOTS + 1):
                    stack.enter_context(psycopg.connect(own.url("postgres")))
            refused(at, words)
    with server(keyed(own)) as at:
        until = time.monotonic() + 10
        while True:  # the others are gone a moment after they were closed
            try:
                assert one(at) == 1
                break
            except PointsmanError:
                assert time.monotonic() < until


def test_a_replica_is_not_taken_for_the_primary(own: Cluster) -> None:
    own.run("CREATE DATABASE standby")
    with server(own.url("standby")) as at:
        with pytest.raises(PointsmanError, match="this is a replica"):
            with at.transaction(write=True) as connection:  # it became one while the connection was open
                connection.execute(sa.text("SET TRANSACTION READ ONLY"))
                connection.execute(sa.text("CREATE TABLE t (x int)"))
        own.run("ALTER DATABASE standby SET default_transaction_read_only = on")
        refused(at, "this is a replica; name the primary, or promote it")
        own.run("ALTER DATABASE standby RESET default_transaction_read_only")
        assert one(at) == 1, "it was promoted"


def test_a_user_who_may_not_make_tables_is_told_so(own: Cluster, tmp_path: Path) -> None:
    own.run("CREATE DATABASE foreign_one")
    with pytest.raises(PointsmanError, match="make the user the owner of the database"):
        Store.open(tmp_path / "data", keyed(own, database="foreign_one"))
    own.run("REVOKE CONNECT ON DATABASE foreign_one FROM PUBLIC")
    with server(keyed(own, database="foreign_one")) as at:
        refused(at, "make the user the owner of the database")
    Store.open(tmp_path / "data", keyed(own)).close()


def test_another_program_s_database_is_refused(cluster: Cluster, tmp_path: Path) -> None:
    url = cluster.database()
    name = place_of(url).link["dbname"]
    cluster.run("CREATE TABLE alembic_version (version_num text)", name)
    cluster.run("INSERT INTO alembic_version VALUES ('ae1027a6acf')", name)
    with pytest.raises(PointsmanError, match=r"is another program's.*Name an empty one"):
        Store.open(tmp_path / "data", url)
    cluster.drop(url)


def test_a_table_of_another_s_in_the_way_is_said_and_nothing_is_made(
    cluster: Cluster, tmp_path: Path
) -> None:
    url = cluster.database()
    name = place_of(url).link["dbname"]
    cluster.run("CREATE TABLE settings (mine text)", name)
    with pytest.raises(PointsmanError, match="nothing in it was changed"):
        Store.open(tmp_path / "data", url)
    found = cluster.run(
        "SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace", name
    )
    assert found == [("settings",)]
    cluster.drop(url)


def test_tables_that_are_gone_are_said(cluster: Cluster, tmp_path: Path) -> None:
    url = cluster.database()
    store = Store.open(tmp_path / "data", url)
    cluster.run("DROP TABLE settings", place_of(url).link["dbname"])
    with pytest.raises(PointsmanError, match="not all of them; put a backup back"), store.read() as session:
        settings.pepper(session)
    store.close()
    cluster.drop(url)


@pytest.mark.parametrize(
    ("option", "statement", "words"),
    [
        ("statement_timeout", "SELECT pg_sleep(20)", "was too slow to answer"),
        ("lock_timeout", "SELECT pg_advisory_xact_lock(7)", "is locked by another program"),
    ],
)
def test_what_takes_too_long_is_ended(own: Cluster, option: str, statement: str, words: str) -> None:
    url = own.url("postgres", options=f"-c%20{option}=100ms")
    with server(url) as at, psycopg.connect(own.url("postgres")) as other:
        other.execute("SELECT pg_advisory_lock(7)")
        pid = one(at, "SELECT pg_backend_pid()")
        refused(at, words, statement)
        assert one(at, "SELECT pg_backend_pid()") == pid, "the connection was a good one"


def test_a_change_that_waits_for_its_own_gateway_is_ended_by_the_server(own: Cluster) -> None:
    with server(own.url("postgres", options="-c%20idle_in_transaction_session_timeout=50ms")) as at:
        with pytest.raises(PointsmanError, match="has ended a change that took too long"):
            with at.transaction(write=True) as connection:
                connection.scalar(sa.text("SELECT 1"))
                time.sleep(0.3)
                connection.scalar(sa.text("SELECT 1"))
        assert one(at) == 1


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("53100", "its disk is full"),
        ("53200", "is short of memory"),
        ("58030", "reports an error of its disk"),
        ("XX001", "reports that it is damaged"),
        ("40P01", "was busy with another change"),
        ("57P03", "is starting, stopping"),
    ],
)
def test_what_it_reports_is_said_in_our_words(cluster: Cluster, state: str, words: str) -> None:
    with server(cluster.url("postgres")) as at:
        refused(at, words, f"DO $$ BEGIN RAISE EXCEPTION 'played' USING ERRCODE = '{state}'; END $$")
        assert one(at) == 1


def test_a_mistake_of_our_own_stays_one(cluster: Cluster) -> None:
    with server(cluster.url("postgres")) as at, pytest.raises(sa.exc.ProgrammingError):
        one(at, "SELEKT 1")


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
def test_a_text_with_a_nul_and_a_number_too_large_are_the_asker_s_mistakes(store: Store) -> None:
    for row, words in (
        (settings.Setting(key="k", value="a\0b"), "NUL character"),
        (BackendMapping(model_pattern="m", backend_type=BackendType.OPENAI, priority=2**63), "too large"),
        (BackendMapping(model_pattern=random_text(), backend_type=BackendType.OPENAI), "too long"),
    ):
        with pytest.raises(PointsmanError, match=words) as caught, store.write() as session:
            session.add(row)
        assert caught.value.kind is ErrorKind.INVALID
    with store.read() as session:
        assert settings.get(session, "k") is None


def random_text() -> str:
    """That no compression makes short enough for an index."""
    return os.urandom(9000).hex()


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
def test_no_error_s_text_holds_the_row_that_was_refused(store: Store) -> None:
    """PostgreSQL says "Failing row contains (...)" where SQLite names the column."""
    values = "'canary-name', 'nowhere', now(), now()"
    statement = (
        f"INSERT INTO cloud_credentials (name, backend_type, created_at, updated_at) VALUES ({values})"
    )
    with pytest.raises(IntegrityError) as caught, store.backing.transaction(write=True) as connection:
        connection.exec_driver_sql(statement)
    assert "violates" in str(caught.value)
    assert "canary" not in str(caught.value.orig) + str(caught.value.args) + repr(caught.value.orig)


def test_connections_in_use_are_closed_after_it_when_all_are_let_go(own: Cluster) -> None:
    """They were forgotten by the pool and never closed."""
    entered, go = threading.Barrier(POOL + 1), threading.Event()
    said: list[object] = []
    with server(own.url("postgres")) as at:

        def use() -> None:
            with at.transaction(write=False) as connection:
                connection.scalar(sa.text("SELECT 1"))
                entered.wait(10)
                go.wait(10)
                said.append(connection.scalar(sa.text("SELECT 1")))

        threads = [threading.Thread(target=use) for _ in range(POOL)]
        for thread in threads:
            thread.start()
        entered.wait(10)
        at.forget()
        at.close()
        go.set()
        for thread in threads:
            thread.join(10)
        assert said == [1] * POOL
        with pytest.raises(PointsmanError, match="is closed"):
            one(at)
    until = time.monotonic() + 10
    mine = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
    while own.run(mine) != [(0,)]:
        assert time.monotonic() < until, "a connection is left open"
        time.sleep(0.01)


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
def test_a_budget_above_two_thousand_million_is_kept(store: Store) -> None:
    """It was refused as too large, as each number went as a narrow one."""
    with store.write() as session:
        row = mappings.create(
            session, BackendMappingCreate(model_pattern="m", backend_type=BackendType.OPENAI)
        )
        row.priority = 2**31 + 5
    with store.read() as session:
        assert [row.priority for row in mappings.list_all(session)] == [2**31 + 5]


def test_usage_that_is_read_for_a_list_of_keys_is_read_by_the_same_connection(cluster: Cluster) -> None:
    """It was an error; and of a connection each, as many lists at once as there are connections would wait for each other."""
    with server(cluster.database()) as at:
        for write in (False, True):
            with at.transaction(write=write) as connection, at.transaction(write=False) as within:
                assert within is connection
                with pytest.raises(RuntimeError, match="inside another"), at.transaction(write=True):
                    pass
            with at.transaction(write=False) as after:
                assert after.scalar(sa.text("SELECT 1")) == 1
