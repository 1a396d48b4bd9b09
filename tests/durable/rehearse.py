"""The promises that need whole processes (docs/reliability-promises.md#r8 to #r12): what is done to
a running gateway, and numbers.

Tests call these with small numbers, `make faults` with the promised ones. Nothing here asserts; `ok` is the verdict.
"""

from __future__ import annotations

import http.client
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from pointsman.admin.store.usage_columns import Block
from pointsman.admin.store.usage_file import UsageFile
from pointsman.config import SPOOL_FOLDER
from pointsman.ledger.records import UsageRecord
from pointsman.link.spool import Spool
from pointsman.practice import Pause, Reply, ScriptedUpstream
from tests.crowding import within
from tests.e2e.gateway import Gateway, wait_until
from tests.e2e.load import FixedUpstream, Outcome, run, under_load
from tests.e2e.replies import SSE
from tests.e2e.wires import CHAT, WIRES

from .load import Load

BACK_SECONDS = 5.0
"""R10: back by itself within that time after the recovery."""
USAGE_SECONDS = 1.0
"""R9: what a crash may cost of the usage rows."""
ID_HEAD = len("req_0123456789")
"""How much of a request's id is alike for all of one process."""
UNANSWERED = (OSError, http.client.HTTPException)
FAST = "local/practice=practice:fast"


@dataclass(frozen=True)
class Rehearsal:
    """name: R8 ... R12. ok: None = it could not be tried here."""

    name: str
    promise: str
    done: str
    numbers: dict[str, float] = field(default_factory=dict)
    ok: bool | None = None
    failures: tuple[str, ...] = ()

    @property
    def seen(self) -> str:
        """The numbers in words."""
        told = ", ".join(f"{word} {value:g}" for word, value in self.numbers.items())
        return told + ("" if not self.failures else f"; {'; '.join(self.failures)[:400]}")


@contextmanager
def gateway(
    *options: str, env: dict[str, str] | None = None, folder: Path | None = None
) -> Iterator[Gateway]:
    """One of its own with a rule "m" for the practice model. Its log must hold no traceback."""
    with tempfile.TemporaryDirectory(prefix="pm-durable-") as made:
        with Gateway((folder or Path(made)) / "data", *options, env=env) as found:
            found.rule("m", FAST)
            yield found


# -- R8: SIGTERM


def r8(streams: int = 20, drain_seconds: float = 3.0) -> Rehearsal:
    """Under load and with streams: short ones end well, those beyond the limit end with an error in the stream."""
    short = [*CHAT.start(), CHAT.piece("one "), Pause(1.0), CHAT.piece("two"), *CHAT.end("one two")]
    endless = [*CHAT.start(), CHAT.piece("one "), Pause(60.0), *CHAT.end("one ")]
    with ExitStack() as stack:
        quick, slow = stack.enter_context(ScriptedUpstream()), stack.enter_context(ScriptedUpstream())
        quick.always(Reply(200, SSE, parts=short, framing="chunked"))
        slow.always(Reply(200, SSE, parts=endless, framing="chunked"))
        found = stack.enter_context(gateway(env={"POINTSMAN_DRAIN_SECONDS": f"{drain_seconds:g}"}))
        names = [found.route("openai", server.url)[0] for server in (quick, slow)]
        bodies: dict[str, list[bytes]] = {name: [] for name in names}

        def ask(name: str) -> None:
            bodies[name].append(found.fetch("POST", CHAT.path, CHAT.ask(name, stream=True)).body)

        threads = [
            threading.Thread(target=ask, args=(name,)) for name in names for _ in range(max(1, streams // 2))
        ]
        load = stack.enter_context(Load(found, "m", forgiven=True))
        for thread in threads:
            thread.start()
        quick.wait(streams // 2, 20)
        slow.wait(streams // 2, 20)
        time.sleep(0.3)
        found.terminate()
        begun = time.monotonic()
        refused = wait_until("the listener is closed", lambda: _refuses(found), 5, 0.01) and time.monotonic()
        load.stop()
        for thread in threads:
            thread.join(30)
        assert found.process is not None
        code = found.process.wait(30)
        took, found.process = time.monotonic() - begun, None
        rows = _usage_ids(found.data_dir)
    numbers = {
        "streams finished": sum(CHAT.ended(body) for body in bodies[names[0]]),
        "ended with an error in the stream": sum(
            bool(CHAT.broken(body)) and not CHAT.ended(body) for body in bodies[names[1]]
        ),
        "requests answered under load": len(load.answered),
        "failed": len(load.failures),
        "answered without a usage row": len(set(load.answered) - rows),
        "usage rows": len(rows),
        "listener closed after s": round(refused - begun, 3),
        "exit code": code,
        "ended after s": round(took, 2),
    }
    half = max(1, streams // 2)
    ok = (
        (numbers["streams finished"], numbers["ended with an error in the stream"]) == (half, half)
        and not load.failures
        and set(load.answered) <= rows
        and len(rows) >= len(load.answered) + 2 * half
        and code == 0
        and within(refused - begun, 0.5)
        and within(took, drain_seconds + 5)
    )
    return Rehearsal(
        "R8",
        "SIGTERM: the listener closes at once, streams finish up to the limit, then end with an error frame;"
        " exit 0; every usage row stored",
        f"SIGTERM under load with {half} streams that end in 1 s and {half} that never do; limit {drain_seconds:g} s",
        numbers,
        ok,
        tuple(load.failures[:3]),
    )


def _refuses(found: Gateway) -> bool:
    try:
        found.fetch("GET", "/livez")
    except OSError:
        return True
    return False


def _usage_ids(data_dir: Path) -> set[str]:
    """Of all records; none while there is no such file or table yet."""
    with (
        suppress(sqlite3.OperationalError),
        closing(sqlite3.connect(f"file:{data_dir}/usage.db?mode=ro", uri=True)) as database,
    ):
        rows = database.execute("SELECT body, records FROM block").fetchall()
        return {name for body, records in rows for name in Block(body, records).ids()}
    return set()


def _usage_rows(data_dir: Path) -> list[UsageRecord]:
    """All records of a gateway that is stopped."""
    store, found, cursor = UsageFile(data_dir / "usage.db"), [], None
    with closing(store):
        while True:
            rows, cursor = store.page(cursor=cursor, limit=1000)
            found += rows
            if cursor is None:
                return found


# -- R9: kill -9


def r9(rounds: int = 200) -> Rehearsal:
    """In turns the control plane and the data plane, in the middle of writes and requests."""
    acknowledged: set[str] = set()
    struck: list[tuple[float, float]] = []
    bad = 0
    with gateway("--workers", "2") as found:
        with Load(found, "m", clients=2, forgiven=True) as load:
            for number in range(rounds):
                if number % 2:
                    (victim, _) = wait_until("two workers", lambda: _two(found), 20)
                    before = time.monotonic()
                    os.kill(victim, signal.SIGKILL)
                    struck.append((before, time.monotonic()))
                else:
                    acknowledged |= _write_until_killed(found, number)
                wait_until("the control plane answers", lambda: _status(found) == 200, 20, 0.02)
                bad += not _intact(found.data_dir / "pointsman.db")
            there = {row["model_pattern"] for row in found.api("GET", "/api/mappings")}
        found.stop()
        bad += not (_intact(found.data_dir / "pointsman.db") and _intact(found.data_dir / "usage.db"))
        rows = _usage_ids(found.data_dir) | _spooled_ids(found.data_dir)  # a start takes those up
    lost = set(load.answered) - rows
    ages = lost_before(lost, load.asked_at, load.answered, struck)
    late = [age for age in ages.values() if age is None or age > USAGE_SECONDS]
    gone = acknowledged - there
    return Rehearsal(
        "R9",
        f"`kill -9` {rounds} times during writes: every integrity check ok, no acknowledged row lost, at most 1 s of"
        " usage lost",
        "kill -9 of the control plane while rules are written and of one of two data-plane processes under load, in"
        " turns",
        {
            "rounds": rounds,
            "rules acknowledged": len(acknowledged),
            "rules lost": len(gone),
            "bad integrity checks": bad,
            "requests answered": len(load.answered),
            "wrong answers": len(load.failures),
            "cut with their process": load.cut,
            "usage rows lost within 1 s of a kill": len(lost) - len(late),
            "the oldest of a kill, s before it": round(max(filter(None, ages.values()), default=0.0), 3),
            "usage rows lost otherwise": len(late),
        },
        not (gone or bad or load.failures or late) and bool(acknowledged),
        tuple(load.failures[:3]),
    )


def lost_before(
    lost: Iterable[str],
    asked_at: Mapping[str, float],
    answered: Mapping[str, float],
    struck: Sequence[tuple[float, float]],
) -> dict[str, float | None]:
    """Of each lost row: how long before the end of its process it was made, at least; None when that process answered what
    was asked after every kill that could have ended it. struck: of each kill, the moments before and after it.

    A row is made between the question and the answer, and who asks may look at its clock much later on a crowded machine."""
    last: dict[str, float] = {}  # of each process: when it was asked last, of what it answered
    for name, asked in asked_at.items():
        last[name[:ID_HEAD]] = max(last.get(name[:ID_HEAD], 0.0), asked)
    found: dict[str, float | None] = {}
    for name in lost:
        ends = [before - answered[name] for before, after in struck if after >= last[name[:ID_HEAD]]]
        found[name] = max(0.0, min(ends)) if ends else None
    return found


def _spooled_ids(data_dir: Path) -> set[str]:
    """Of records that wait on disk for the next start. Of a gateway that is stopped."""
    found: set[str] = set()
    for path in (data_dir / SPOOL_FOLDER).glob("*.usage"):
        spool = Spool(path.parent, int(path.stem), sys.maxsize)
        while (block := spool.take()) is not None and block.records:
            found |= {record.id for record in block.read()}
    return found


def _two(found: Gateway) -> list[int] | None:
    pids = found.pids("pointsman.gateway")
    random.shuffle(pids)
    return pids if len(pids) == 2 else None


def _write_until_killed(found: Gateway, number: int) -> set[str]:
    """The rules that were acknowledged before the control plane died: at any moment, or in every second round after
    the first was."""
    (control,) = wait_until("a control plane", lambda: found.pids("pointsman.admin"), 20)
    done: set[str] = set()
    timer = threading.Timer(random.uniform(0.0, 0.1), os.kill, (control, signal.SIGKILL))
    if number % 4:
        timer.start()
    try:
        for one in range(10_000):
            name = f"r{number}-{one}"
            answer = found.api_answer(
                "POST", "/api/mappings", {"model_pattern": name, "backend_type": "local"}
            )
            if answer.status != 201:
                break
            done.add(name)
            if not timer.ident:
                timer.start()
    except UNANSWERED:
        found._close_admin()
    if not timer.ident:  # refused before any was acknowledged
        timer.start()
    timer.join()
    return done


def _intact(path: Path) -> bool:
    with closing(sqlite3.connect(path)) as database:
        return bool(database.execute("PRAGMA integrity_check").fetchone() == ("ok",))


def _status(found: Gateway, *, write: bool = False) -> int:
    """What the admin API says to a read, or to a change; 0 when nobody answers."""
    try:
        if write:
            body = {"model_pattern": found.fresh("p"), "backend_type": "local"}
            return found.api_answer("POST", "/api/mappings", body).status
        return found.api_answer("GET", "/api/mappings").status
    except UNANSWERED:
        found._close_admin()
        return 0


# -- R10: the database


@dataclass
class Trouble:
    """One way a database is lost. begin and end may take the gateway down and up again."""

    name: str
    begin: Callable[[Gateway], None]
    end: Callable[[Gateway], None]
    lenient: bool = False  # a change that still finds room is taken, and kept


def r10(seconds: float = 10.0) -> Rehearsal:
    """Every trouble for so long, one after the other, each with a gateway of its own."""
    parts = [locked(seconds), gone(seconds), damaged(seconds), full(seconds), read_only(seconds)]
    tried = [part for part in parts if part.ok is not None]
    numbers = {f"{part.name}: {word}": value for part in tried for word, value in part.numbers.items()}
    return Rehearsal(
        "R10",
        "database locked, gone, damaged, full or read-only: no request fails, changes are 503 with Retry-After, back by"
        f" itself within {BACK_SECONDS:g} s",
        "; ".join(part.done for part in parts),
        numbers,
        bool(tried) and all(part.ok for part in tried),
        tuple(text for part in parts for text in part.failures),
    )


def locked(seconds: float) -> Rehearsal:
    held: list[sqlite3.Connection] = []

    def begin(found: Gateway) -> None:
        other = sqlite3.connect(
            found.data_dir / "pointsman.db", isolation_level=None, check_same_thread=False
        )
        other.execute("BEGIN EXCLUSIVE")
        held.append(other)

    with gateway() as found:
        return suffer(found, Trouble("locked", begin, lambda _: held.pop().close()), seconds)


def gone(seconds: float) -> Rehearsal:
    """Moved away, and the control plane killed: the new one finds nothing, and must not begin an empty one."""

    def begin(found: Gateway) -> None:
        _move(found.data_dir, found.data_dir / "away")
        _kill_control(found)

    with gateway() as found:
        (found.data_dir / "away").mkdir(mode=0o700)
        return suffer(
            found,
            Trouble(
                "gone, control plane killed", begin, lambda g: _move(g.data_dir / "away", found.data_dir)
            ),
            seconds,
        )


def damaged(seconds: float) -> Rehearsal:
    """Overwritten with noise, and the whole gateway started again: it serves by the last good rules."""

    def begin(found: Gateway) -> None:
        found.stop()
        path = found.data_dir / "pointsman.db"
        shutil.copyfile(path, found.data_dir / "copy.db")
        with path.open("r+b") as file:
            file.write(random.Random(1).randbytes(path.stat().st_size))
        found.start()

    def end(found: Gateway) -> None:
        path = found.data_dir / "copy.db"
        path.chmod(0o600)
        os.replace(path, found.data_dir / "pointsman.db")

    with gateway() as found:
        return suffer(found, Trouble("damaged at start", begin, end), seconds, restarts=True)


def full(seconds: float) -> Rehearsal:
    """A small disk of its own, filled to the last byte."""
    with small_disk() as disk:
        if disk is None:
            return Rehearsal(
                "full",
                "",
                "full disk: not tried, this user cannot mount a tmpfs",
                failures=("full: skipped",),
            )
        with gateway(folder=disk) as found:
            trouble = Trouble(
                "disk full", lambda _: fill(disk), lambda _: (disk / "filler").unlink(missing_ok=True), True
            )
            return suffer(found, trouble, seconds)


def read_only(seconds: float) -> Rehearsal:
    """The database on a disk of its own that is made read-only while the control plane starts anew."""
    with small_disk() as disk:
        if disk is None:
            return Rehearsal(
                "read-only", "", "read-only: not tried, no tmpfs", failures=("read-only: skipped",)
            )
        disk.chmod(0o700)

        def begin(found: Gateway) -> None:
            _kill_control(found)
            wait_until("it is read-only", lambda: _remount(disk, "ro"), 5, 0.005)

        with gateway(env={"POINTSMAN_DATABASE_URL": f"sqlite:///{disk}/pointsman.db"}) as found:
            return suffer(
                found,
                Trouble("read-only, control plane killed", begin, lambda _: _remount(disk, "rw") and None),
                seconds,
            )


def suffer(found: Gateway, trouble: Trouble, seconds: float, *, restarts: bool = False) -> Rehearsal:
    """Requests with a known key go on, changes are refused, and it is back by itself."""
    key = found.api("POST", "/api/keys", {}, status=201)["secret"]
    rules = len(found.api("GET", "/api/mappings"))
    if restarts:
        trouble.begin(found)
    with Load(found, "m", key=key) as load:
        if not restarts:
            wait_until("requests", lambda: load.answered, 10)
            trouble.begin(found)
        seen: set[int] = set()
        bare = taken = 0
        until = time.monotonic() + seconds
        while time.monotonic() < until or (503 not in seen and time.monotonic() < until + 15):
            answer = _answer(found)
            if answer is not None:
                seen.add(answer[0])
                bare += answer[0] == 503 and not answer[1]
                taken += answer[0] == 201
            time.sleep(0.1)
        trouble.end(found)
        recovered = time.monotonic()
        wait_until("changes are taken", lambda: _status(found, write=True) == 201, 30, 0.02)
        back = time.monotonic() - recovered
        time.sleep(0.3)
    kept = len(found.api("GET", "/api/mappings")) - 1 == rules + taken
    missing = _wait_stored(found, set(load.answered))
    wanted = seen <= ({503, 201} if trouble.lenient else {503}) and 503 in seen
    ok = not load.failures and wanted and not bare and within(back, BACK_SECONDS) and kept and not missing
    return Rehearsal(
        trouble.name,
        "",
        f"{trouble.name} for {seconds:g} s",
        {
            "requests": load.asked,
            "failed": len(load.failures),
            "slowest s": round(load.slowest, 3),
            "back after s": round(back, 2),
            "usage rows missing": missing,
            **({} if seen == {503} else {f"changes answered {code}": 1 for code in seen}),
        },
        ok,
        (*load.failures[:3], *(() if kept else ("rules are missing",))),
    )


def _answer(found: Gateway) -> tuple[int, str | None] | None:
    try:
        body = {"model_pattern": found.fresh("p"), "backend_type": "local"}
        answer = found.api_answer("POST", "/api/mappings", body)
        return answer.status, answer.header("retry-after")
    except UNANSWERED:
        found._close_admin()
        return None


def _wait_stored(found: Gateway, ids: set[str]) -> int:
    """How many of these requests have no usage row in the end."""
    until = time.monotonic() + 25
    while (missing := len(ids - _usage_ids(found.data_dir))) and time.monotonic() < until:
        time.sleep(0.2)
    return missing


def _kill_control(found: Gateway) -> None:
    for pid in found.pids("pointsman.admin"):
        os.kill(pid, signal.SIGKILL)


def _move(source: Path, target: Path) -> None:
    for path in source.glob("pointsman.db*"):
        os.replace(path, target / path.name)


@contextmanager
def small_disk(size: str = "16m") -> Iterator[Path | None]:
    """A tmpfs of that size; None where this user may not mount one."""
    with tempfile.TemporaryDirectory(prefix="pm-disk-") as folder:
        command = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "tmpfs", folder]
        try:
            mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
        except OSError:
            mounted = False
        if not mounted:
            yield None
            return
        try:
            yield Path(folder)
        finally:
            subprocess.run(["umount", "-l", folder], capture_output=True, check=False)


def _remount(disk: Path, mode: str) -> bool:
    command = ["mount", "-o", f"remount,{mode}", str(disk)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def fill(disk: Path) -> None:
    """Leaves not one free byte."""
    descriptor = os.open(disk / "filler", os.O_WRONLY | os.O_CREAT)
    try:
        with suppress(OSError):
            while True:
                os.write(descriptor, b"x" * 4096)
    finally:
        os.close(descriptor)


# -- R11: changes under load


def r11(requests: int = 10_000, changes: int = 100) -> Rehearsal:
    """One rule pointed to and fro between two backends, under two model names, while it is used."""

    async def scene(found: Gateway) -> tuple[Outcome, set[str], set[str]]:
        async with FixedUpstream("a") as a, FixedUpstream("b") as b:
            for server in (a, b):
                found.api("POST", "/api/local", {"name": server.says, "base_url": server.url})
            rule = found.rule("to-and-fro", "local/a=for-a")
            import asyncio

            async def change(outcome: Outcome) -> None:
                for turn in range(changes):
                    name = "ba"[turn % 2]
                    edit = {"backend_name": name, "backend_model": f"for-{name}"}
                    await asyncio.to_thread(found.api, "PATCH", f"/api/mappings/{rule['id']}", edit)
                    while outcome.total < (turn + 1) * requests // changes:
                        await asyncio.sleep(0.001)

            outcome = await under_load(found.url, "to-and-fro", change, at_least=requests)
            return outcome, set(a.models), set(b.models)

    with gateway() as found:
        outcome, at_a, at_b = run(scene(found))
    mixed = sum(
        count for (text, target), count in outcome.answers.items() if target != f"local/{text}:for-{text}"
    )
    return Rehearsal(
        "R11",
        f"{changes} rule changes during {requests} requests: none fails, each sees one set of rules throughout",
        "one rule pointed from one backend and model name to another and back under 16 connections",
        {
            "requests": outcome.total,
            "failed": len(outcome.failures),
            "answered by two sets of rules": mixed,
            "asked for the other's model": len((at_a - {"for-a"}) | (at_b - {"for-b"})),
        },
        outcome.failures == [] and not mixed and at_a == {"for-a"} and at_b == {"for-b"},
        tuple(outcome.failures[:3]),
    )


# -- R12: the clock


def faketime_library() -> Path | None:
    return next(
        (
            found
            for root in ("/usr/lib", "/usr/local/lib")
            for found in Path(root).rglob("libfaketimeMT.so.1")
        ),
        None,
    )


_OTHER_SLEEP = """\
import select, time
time.sleep = lambda seconds: select.select([], [], [], max(0.0, seconds)) and None
"""
"""libfaketime 0.9.10 fails clock_nanosleep until a moment of the monotonic clock, which is what time.sleep calls."""


def r12() -> Rehearsal:
    """The wall clock jumps by a day in both directions and by an hour (DST) while streams run."""
    promise = "clock steps of a day and an hour: no limit, breaker or time-out moves, no duration is negative"
    library = faketime_library()
    if library is None:
        return Rehearsal("R12", promise, "not tried: libfaketime is not installed")
    steps = ("+1d", "-1d", "+1h", "-1h", "+0")
    with tempfile.TemporaryDirectory(prefix="pm-clock-") as folder, ScriptedUpstream() as server:
        clock = Path(folder) / "clock"
        clock.write_text("+0\n")
        (Path(folder) / "sitecustomize.py").write_text(_OTHER_SLEEP)
        env = {
            "PYTHONPATH": folder,
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(clock),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
        }
        with gateway(env=env) as found:
            names = []
            for wire in WIRES:
                names.append(found.route(wire.kind, server.url)[0])
            bodies: list[tuple[int, bytes]] = []

            def ask(index: int) -> None:
                wire = WIRES[index]
                bodies.append(
                    (index, found.fetch("POST", wire.path, wire.ask(names[index], stream=True)).body)
                )

            parts = {
                wire.path: [*wire.start(), wire.piece("a"), Pause(0.3 * len(steps) + 0.5), *wire.end("a")]
                for wire in WIRES
            }
            server.always(lambda got: Reply(200, SSE, parts=parts[got.path.split("?")[0]], framing="chunked"))
            with Load(found, "m", clients=2) as load:
                threads = [threading.Thread(target=ask, args=(index,)) for index in range(len(WIRES))]
                for thread in threads:
                    thread.start()
                server.wait(len(WIRES), 20)
                for step in steps:
                    time.sleep(0.3)
                    clock.write_text(f"{step}\n")
                for thread in threads:
                    thread.join(30)
            found.stop()
            rows = _usage_rows(found.data_dir)
            took = [row.total_ms for row in rows if row.total_ms is not None]
            first = [row.first_output_ms for row in rows if row.first_output_ms is not None]
            at = [row.at for row in rows]
            ranges = (len(rows), min(took), max(took), min(first, default=None), max(at) - min(at))
    numbers = {
        "streams whole": sum(WIRES[index].ended(body) for index, body in bodies),
        "requests": load.asked,
        "failed": len(load.failures),
        "usage rows": ranges[0],
        "shortest ms": round(ranges[1], 2),
        "longest ms": round(ranges[2], 1),
        "s between the first and the last row's clock": round(ranges[4]),
    }
    ok = (
        numbers["streams whole"] == len(WIRES)
        and not load.failures
        and ranges[1] >= 0
        and ranges[2] < 20_000
        and (ranges[3] is None or ranges[3] >= 0)
        and ranges[4] > 80_000
    )
    return Rehearsal(
        "R12", promise, f"{', '.join(steps)} by libfaketime", numbers, ok, tuple(load.failures[:3])
    )
