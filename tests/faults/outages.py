"""The promises that need whole processes: R8 to R12, R14. Real `pointsman serve`, real signals, real full disks."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from pointsman.practice import Pause, Reply, ScriptedUpstream
from tests.e2e.gateway import Gateway, wait_until
from tests.e2e.replies import SSE
from tests.e2e.wires import CHAT

from .promises import Shown

Make = Callable[..., Gateway]
TRIED = 5.0
"""Seconds within which the admin API must be back after a recovery."""


@contextmanager
def gateway(
    *options: str, env: dict[str, str] | None = None, folder: Path | None = None
) -> Iterator[Gateway]:
    """One of its own, with a rule for the practice model."""
    with tempfile.TemporaryDirectory(prefix="pm-faults-") as made:
        data_dir = (folder or Path(made)) / "data"
        with Gateway(data_dir, *options, env=env, expect_clean_log=False) as found:
            found.rule("m", "local/practice=practice")
            yield found


class Asking(threading.Thread):
    """A client that asks and asks; failures: what was not a whole answer."""

    def __init__(self, found: Gateway, model: str = "m") -> None:
        super().__init__(daemon=True)
        self.found, self.model = found, model
        self.count = 0
        self.failures: list[str] = []
        self._stop_asking = threading.Event()

    def run(self) -> None:
        while not self._stop_asking.is_set():
            try:
                answer = self.found.fetch("POST", CHAT.path, CHAT.ask(self.model))
                if answer.status != 200 or not CHAT.text(answer.json()):
                    self.failures.append(f"{answer.status} {answer.body[:100]!r}")
            except Exception as error:
                self.failures.append(repr(error))
            self.count += 1
            time.sleep(0.005)

    def __enter__(self) -> Asking:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop_asking.set()
        self.join(30)


def drained() -> Shown:
    """R8: SIGTERM with streams running: they finish, the listener is closed at once, every row is stored."""
    count, parts = (
        20,
        [*CHAT.start(), CHAT.piece("one "), Pause(1.5), CHAT.piece("two"), *CHAT.end("one two")],
    )
    with ScriptedUpstream() as server, gateway() as found:
        server.always(Reply(200, SSE, parts=parts, framing="chunked"))
        name, _ = found.route("openai", server.url)
        answers: list[bytes] = []

        def ask() -> None:
            answers.append(found.fetch("POST", CHAT.path, CHAT.ask(name, stream=True)).body)

        threads = [threading.Thread(target=ask) for _ in range(count)]
        for thread in threads:
            thread.start()
        server.wait(count, 20)
        time.sleep(0.3)
        began = time.monotonic()
        found.terminate()
        time.sleep(0.3)
        try:
            found.fetch("GET", "/readyz")
            closed = False
        except OSError:
            closed = True
        for thread in threads:
            thread.join(20)
        assert found.process is not None
        code = found.process.wait(20)
        took = time.monotonic() - began
        found.process = None
        whole = sum(CHAT.ended(body) for body in answers)
        with closing(sqlite3.connect(found.data_dir / "usage.db")) as database:
            rows = database.execute(
                "SELECT count(*) FROM usage WHERE outcome = 'ok' AND model = ?", (name,)
            ).fetchone()[0]
    ok = (whole, rows, code, closed) == (count, count, 0, True)
    return Shown(
        "R8", "SIGTERM: the listener closes at once, streams finish, exit 0, every usage row stored",
        f"{whole} of {count} streams whole, {rows} rows, exit {code} after {took:.1f} s, listener closed: {closed}", ok,
    )  # fmt: skip


def killed(rounds: int = 200) -> Shown:
    """R9: `kill -9` of the control plane in the middle of writes; what was acknowledged must be there."""
    acknowledged: set[str] = set()
    bad = 0
    with gateway() as found, Asking(found) as asking:
        for number in range(rounds):
            (control,) = wait_until("a control plane", lambda: found.pids("pointsman.control"), 20)
            timer = threading.Timer(random.uniform(0.0, 0.05), os.kill, (control, signal.SIGKILL))
            timer.start()
            with suppress(OSError, AssertionError):
                for one in range(200):
                    pattern = f"r{number}-{one}"
                    made = found.api_answer(
                        "POST", "/api/mappings", {"model_pattern": pattern, "backend_type": "local"}
                    )
                    if made.status != 201:
                        break
                    acknowledged.add(pattern)
            timer.join()
            found._close_admin()
            wait_until("the control plane is back", lambda: _answers(found), 20)
            with closing(sqlite3.connect(found.data_dir / "pointsman.db")) as database:
                bad += database.execute("PRAGMA integrity_check").fetchone() != ("ok",)
        there = {row["model_pattern"] for row in found.api("GET", "/api/mappings")}
        asked, failures = asking.count, list(asking.failures)
    lost = acknowledged - there
    return Shown(
        "R9", f"`kill -9` of the control plane {rounds} times during writes: nothing lost, no request failed",
        f"{len(acknowledged)} acknowledged, {len(lost)} lost, {bad} bad integrity checks; {len(failures)} of {asked} requests failed",
        not lost and not bad and not failures,
    )  # fmt: skip


def _answers(found: Gateway) -> bool:
    try:
        return found.api_answer("GET", "/api/mappings").status == 200
    except OSError:
        found._close_admin()
        return False


def _admin(found: Gateway) -> int:
    """The status of a change now."""
    try:
        body = {"model_pattern": found.fresh("p"), "backend_type": "local"}
        return found.api_answer("POST", "/api/mappings", body).status
    except OSError:
        found._close_admin()
        return 0


def _trouble(
    name: str, found: Gateway, begin: Callable[[], None], end: Callable[[], None], seconds: float
) -> tuple[str, bool]:
    with Asking(found) as asking:
        begin()
        seen = {_admin(found)}
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            seen.add(_admin(found))
            time.sleep(0.2)
        end()
        recovered = time.monotonic()
        wait_until("the admin API is back", lambda: _admin(found) == 201, 20, 0.1)
        back = time.monotonic() - recovered
        found.fetch("POST", CHAT.path, CHAT.ask("m"))
    asked, failures = asking.count, asking.failures
    ok = not failures and seen <= {503, 0} and 503 in seen and back <= TRIED
    return (
        f"{name}: {len(failures)} of {asked} requests failed, changes {sorted(seen)}, back in {back:.1f} s",
        ok,
    )


def database_trouble(seconds: float = 10.0) -> Shown:
    """R10: locked, moved away (and the control plane killed meanwhile), read-only by a full disk."""
    told: list[tuple[str, bool]] = []
    with gateway() as found:
        other = sqlite3.connect(
            found.data_dir / "pointsman.db", isolation_level=None, check_same_thread=False
        )
        told.append(
            _trouble(
                "locked",
                found,
                lambda: other.execute("BEGIN EXCLUSIVE") and None,
                lambda: other.execute("ROLLBACK") and None,
                seconds,
            )
        )
        other.close()
        away = found.data_dir / "away"
        away.mkdir(mode=0o700)

        def gone() -> None:
            for path in found.data_dir.glob("pointsman.db*"):
                shutil.move(path, away / path.name)
            for pid in found.pids("pointsman.control"):
                os.kill(pid, signal.SIGKILL)
            time.sleep(2.0)  # it starts again, on standby

        def back() -> None:
            for path in away.iterdir():
                shutil.move(path, found.data_dir / path.name)

        told.append(_trouble("moved away, control plane killed", found, gone, back, seconds))
    full = _disk_full(seconds)
    if full is not None:
        told.append(full)
    text = "; ".join(words for words, _ in told) + (
        "" if full else "; full disk: no tmpfs could be mounted here"
    )
    return Shown(
        "R10",
        "database locked, gone or full: no request fails, changes are 503, back within 5 s",
        text,
        all(ok for _, ok in told),
    )


def _disk_full(seconds: float) -> tuple[str, bool] | None:
    with tempfile.TemporaryDirectory(prefix="pm-full-") as folder:
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", folder], capture_output=True, check=False
        )
        if mounted.returncode:
            return None
        try:
            with gateway(folder=Path(folder)) as found:
                filler = Path(folder) / "filler"

                def fill() -> None:
                    with suppress(OSError), filler.open("wb") as file:
                        while True:
                            file.write(b"x" * 1024)
                            file.flush()

                return _trouble("disk full", found, fill, filler.unlink, seconds)
        finally:
            subprocess.run(["umount", "-l", folder], check=False)


def clock_steps() -> Shown:
    """R12: the wall clock jumps a day ahead and back in the middle of a stream; durations are monotonic."""
    library = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
    promise = (
        "the clock jumps by a day and back: no limit, breaker or time-out moves, no duration is negative"
    )
    if library is None:
        return Shown("R12", promise, "libfaketime is not installed here (apt install faketime)", None)
    with tempfile.TemporaryDirectory() as folder, ScriptedUpstream() as server:
        stamp = Path(folder) / "clock"
        stamp.write_text("+0")
        env = {
            "LD_PRELOAD": str(library), "FAKETIME_TIMESTAMP_FILE": str(stamp), "FAKETIME_NO_CACHE": "1",
            "DONT_FAKE_MONOTONIC": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }  # fmt: skip
        parts = [*CHAT.start(), CHAT.piece("a"), *[Pause(0.2), CHAT.piece("b")] * 15, *CHAT.end("ab")]
        server.always(Reply(200, SSE, parts=parts, framing="chunked"))
        with gateway(env=env) as found:
            name, _ = found.route("openai", server.url)
            steps = threading.Thread(
                target=lambda: [(time.sleep(0.7), stamp.write_text(s)) for s in ("+1d", "-1d", "+0")]
            )
            steps.start()
            body = found.fetch("POST", CHAT.path, CHAT.ask(name, stream=True)).body
            steps.join()
            row = wait_until("its row", lambda: found.api("GET", f"/api/usage?model={name}"))[0]
    ok = CHAT.ended(body) and 2000 < row["total_ms"] < 20_000 and row["first_output_ms"] >= 0
    return Shown(
        "R12",
        promise,
        f"stream whole: {CHAT.ended(body)}, total {row['total_ms']:.0f} ms, first output {row['first_output_ms']:.0f} ms",
        ok,
    )


def soak(seconds: float = 60.0) -> Shown:
    """R14: mixed requests, some failing, some left; file descriptors flat, memory not growing with requests."""
    with gateway() as found:
        for word in ("500", "cut", "stall", "garbage", "error-first"):
            found.rule(f"f-{word}", f"local/practice=practice:{word}", "local/practice=practice:fast")
        found.rule("fast", "local/practice=practice:fast")
        (pid,) = found.pids("pointsman.gateway")
        models = ["fast"] * 6 + ["f-500", "f-cut", "f-garbage", "f-error-first"]
        end, seen = time.monotonic() + seconds, []
        sent = [0]

        def ask(number: int) -> None:
            while time.monotonic() < end:
                model = models[(sent[0] + number) % len(models)]
                with suppress(OSError):
                    found.fetch("POST", CHAT.path, CHAT.ask(model, stream=bool(number % 2)))
                sent[0] += 1

        threads = [threading.Thread(target=ask, args=(n,)) for n in range(4)]
        for thread in threads:
            thread.start()
        while time.monotonic() < end:
            time.sleep(min(2.0, seconds / 20))
            seen.append((sent[0], _rss(pid), len(os.listdir(f"/proc/{pid}/fd"))))
        for thread in threads:
            thread.join(10)
        wait_until("nothing is running", lambda: _in_flight(found) <= 1, 10)  # the question itself is one
    calm = seen[len(seen) // 3 :]
    (first, rss, fds), (last, rss_end, fds_end) = calm[0], calm[-1]
    growth = (rss_end - rss) / max(1, last - first) * 10_000 / 1e6
    ok = growth < 1.0 and fds_end <= fds + 10
    return Shown(
        "R14", "soak: descriptors flat, less than 1 MB more per 10,000 requests, nothing left running",
        f"{last} requests in {seconds:g} s, {growth:+.2f} MB per 10,000 requests after the first third, descriptors {fds} -> {fds_end}", ok,
    )  # fmt: skip


def _rss(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _in_flight(found: Gateway) -> int:
    text = found.fetch("GET", "/metrics").body.decode()
    return int(
        float(next(line.split()[1] for line in text.splitlines() if line.startswith("pointsman_inflight ")))
    )


def by_tests(name: str, promise: str, *nodes: str) -> Shown:
    """One that a test of the suite shows."""
    done = subprocess.run(
        ["python", "-m", "pytest", "-q", "-p", "no:cacheprovider", *nodes], capture_output=True, text=True, check=False,
        env={**os.environ, "PATH": f"{Path(os.__file__).parent}:{os.environ['PATH']}"},
    )  # fmt: skip
    last = done.stdout.strip().splitlines()[-1] if done.stdout.strip() else done.stderr[-200:]
    return Shown(name, promise, f"{' '.join(nodes)}: {json.dumps(last)[1:-1]}", done.returncode == 0)
