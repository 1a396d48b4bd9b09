"""A PostgreSQL of the tests' own: a cluster in a temporary folder, in memory where there is room, on a Unix socket (and a
loopback port where asked), with an empty database for each test. Its server is Debian's `postgresql`, which `.ci/run`
installs. Not here: databases with our tables in them (postgres_ready.py), and what is tested.
"""

from __future__ import annotations

import ctypes
import fcntl
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType

import psycopg

from tests.bench.tools import find

_USER = "postgres"
_PDEATHSIG = 1
_QUICK = (
    "fsync=off", "full_page_writes=off", "synchronous_commit=off", "wal_level=minimal", "max_wal_senders=0",
    "autovacuum=off",
)  # fmt: skip
"""For tests that kill gateways and no database."""
_MEMORY = Path("/dev/shm")
_MEMORY_BYTES = 2 << 30
"""Free there: less is a container's few megabytes, and a cluster is made on the disk."""
_PREFIX = "pg-tests-"
_HELD = "held"
_NEW_SECONDS = 60.0


def missing() -> str | None:
    """Why there can be no cluster here."""
    if find("initdb") is None:
        return "PostgreSQL's server is not installed (apt-get install postgresql)"
    return None


class Cluster:
    """`with Cluster() as cluster`. durable: it writes as it does in earnest. port: also on 127.0.0.1. settings: further
    ones, as `name=value`. folder: where, an own temporary one if None."""

    def __init__(
        self,
        *settings: str,
        durable: bool = False,
        port: int | None = None,
        folder: Path | None = None,
        hba: str = "",
    ) -> None:
        self._made = None if folder else _Folder(memory=not durable)
        self.folder = folder or Path(self._made.path if self._made else "")
        self.data = self.folder / "data"
        self.log = self.folder / "log"
        self.port = port or 5432
        self._settings = [*(() if durable else _QUICK), *settings]
        if port is None:
            self._settings.append("listen_addresses=")
        self._hba = hba
        self._process: subprocess.Popen[bytes] | None = None
        self._numbers = itertools.count()
        self._owner = pwd.getpwnam(_USER) if os.geteuid() == 0 else None

    def __enter__(self) -> Cluster:
        if self._owner is not None:  # PostgreSQL refuses to run as root
            os.chown(self.folder, self._owner.pw_uid, self._owner.pw_gid)
        self.folder.chmod(0o755)
        made = [_words("initdb"), "--pgdata", self.data, "--username", _USER, "--auth", "trust", "--no-sync"]
        subprocess.run(
            [*made, "--locale", "C.UTF-8"], check=True, stdout=subprocess.DEVNULL, **self._as_owner()
        )
        if self._hba:
            (self.data / "pg_hba.conf").write_text(self._hba)
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop("immediate")
        if self._made:
            self._made.remove()

    def start(self, seconds: float = 30.0) -> None:
        """Until it takes connections."""
        words = [_words("postgres"), "-D", str(self.data), "-k", str(self.folder), "-p", str(self.port)]
        for one in ("max_connections=200", "log_min_messages=warning", *self._settings):
            words += ["-c", one]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                words, stdout=log, stderr=log, preexec_fn=_end_with_tests, **self._as_owner()
            )
        until = time.monotonic() + seconds
        while True:
            try:
                self.run("SELECT 1")
                return
            except psycopg.OperationalError:
                if time.monotonic() > until or self._process.poll() is not None:
                    raise RuntimeError(f"PostgreSQL did not start: {self.log.read_text()[-2000:]}") from None
                time.sleep(0.05)

    def stop(self, how: str = "fast") -> None:
        """how: smart, fast or immediate, which is a crash to it."""
        process, self._process = self._process, None
        if process is None:
            return
        subprocess.run(
            [_words("pg_ctl"), "stop", "-D", str(self.data), "-m", how, "-t", "30"],
            check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **self._as_owner(),
        )  # fmt: skip
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    @property
    def alive(self) -> bool:
        """Its first process has not ended."""
        return self._process is not None and self._process.poll() is None

    @property
    def pids(self) -> list[int]:
        """Of all its processes, the first one first."""
        assert self._process is not None
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        return [self._process.pid, *map(int, children)]

    def run(self, statement: str, database: str = "postgres") -> list[tuple[object, ...]]:
        """Rows of one statement, outside a transaction."""
        with psycopg.connect(self._link(database), autocommit=True, connect_timeout=5) as connection:
            cursor = connection.execute(statement)  # type: ignore[call-overload]
            return cursor.fetchall() if cursor.description else []

    def database(self, template: str = "template1") -> str:
        """The URL of a new one."""
        name = f"d{os.getpid()}_{next(self._numbers)}"
        self.run(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
        return self.url(name)

    def url(self, name: str, **more: str) -> str:
        """Over the socket."""
        rest = "".join(f"&{key}={value}" for key, value in more.items())
        return f"postgresql://{_USER}@/{name}?host={self.folder}&port={self.port}{rest}"

    def drop(self, url: str) -> None:
        """A database of database(), by its URL, with whoever is connected to it."""
        self.run(f"DROP DATABASE {url.partition('@/')[2].partition('?')[0]} WITH (FORCE)")

    def _link(self, database: str) -> str:
        return f"host={self.folder} port={self.port} user={_USER} dbname={database}"

    def _as_owner(self) -> dict[str, object]:
        if self._owner is None:
            return {"cwd": self.folder}
        return {
            "user": self._owner.pw_uid,
            "group": self._owner.pw_gid,
            "extra_groups": [],
            "cwd": self.folder,
        }


class _Folder:
    """A new one, held as long as this process lives: what killed tests left in memory is removed by the next ones."""

    def __init__(self, *, memory: bool) -> None:
        room = memory and _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free > _MEMORY_BYTES
        if room:
            _remove_left()
        self.path = tempfile.mkdtemp(prefix=_PREFIX, dir=_MEMORY if room else None)
        self._held = os.open(Path(self.path) / _HELD, os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(self._held, fcntl.LOCK_EX)

    def remove(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._held)


def _remove_left() -> None:
    for held in _MEMORY.glob(f"{_PREFIX}*/{_HELD}"):
        with suppress(OSError), held.open("rb") as file:
            if time.time() - held.stat().st_mtime < _NEW_SECONDS:
                continue  # made and not locked yet
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(held.parent, ignore_errors=True)


def _end_with_tests() -> None:
    """A worker of the tests that is killed leaves no server behind."""
    ctypes.CDLL(None).prctl(_PDEATHSIG, signal.SIGQUIT)


def _words(name: str) -> str:
    found = find(name)
    assert found is not None, missing()
    return found
