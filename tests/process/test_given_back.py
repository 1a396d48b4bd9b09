"""What a process gives back after its start: its libraries' pages leave its memory, and it runs on."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

from pointsman.process.given_back import clean

_REST = b"Size: 8 kB\nRss: 8 kB\nPss: 8 kB\nAnonymous: %d kB\nSwap: 0 kB\nVmFlags: rd mr mw me\n"


def _mapping(head: bytes, anonymous: int = 0) -> bytes:
    return head + b"\n" + _REST % anonymous


def test_only_pages_that_a_file_still_has_are_given_back() -> None:
    smaps = b"".join(
        [
            _mapping(b"1000-3000 r--p 00000000 fe:00 77                         /usr/lib/libone.so"),
            _mapping(b"3000-5000 r-xp 00002000 fe:00 77                         /usr/lib/libone.so"),
            # relocated, then made read-only: the file has other bytes there
            _mapping(b"5000-7000 r--p 00004000 fe:00 77                         /usr/lib/libone.so", 4),
            _mapping(b"7000-9000 rw-p 00006000 fe:00 77                         /usr/lib/libone.so"),
            _mapping(b"9000-a000 r--s 00000000 00:14 78                         /dev/shm/shared"),
            _mapping(b"a000-b000 r-xp 00000000 00:00 0                          [vdso]"),
            _mapping(b"b000-c000 r--p 00000000 00:00 0 "),
            _mapping(b"c000-d000 r-xp 00002000 fe:00 79                         /opt/a b/lib two.so"),
        ]
    )
    assert clean(smaps) == [(0x1000, 0x3000), (0x3000, 0x5000), (0xC000, 0xD000)]


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_process_that_gave_back_has_less_and_does_what_it_did() -> None:
    code = """
import hashlib, re, sqlite3, ssl
from pointsman.process.given_back import give_back

def work():
    database = sqlite3.connect(":memory:")
    return hashlib.sha3_256(b"x").hexdigest(), ssl.create_default_context().protocol, database.execute("SELECT 6 * 7").fetchone()

def files():
    numbers = dict(re.findall(r"^(Rss|Anonymous): +([0-9]+)", open("/proc/self/smaps_rollup").read(), re.M))
    return int(numbers["Rss"]) - int(numbers["Anonymous"])

said, before = work(), files()
give_back()
after = files()
assert work() == said
print(before, after)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    before, after = map(int, done.stdout.split())
    assert after < before / 2, f"{before} KiB of files were mapped, {after} after"


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="malloc of glibc")
def test_what_many_requests_have_left_is_given_back_once_most_are_gone_and_not_before() -> None:
    code = """
import re
from pointsman.process.given_back import Ebb

def own():
    return int(re.search(r"^Anonymous: +([0-9]+)", open("/proc/self/smaps_rollup").read(), re.M)[1])

ebb = Ebb()
held = [bytearray(1000) for _ in range(20000)]
ebb.look(2000)
last = held[::100]  # so that nothing but holes is left
del held
ebb.look(1001)
full = own()
ebb.look(1000)
print(full, own())
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    full, left = map(int, done.stdout.split())
    assert full - left > 10_000, f"{full} KiB before, {left} after"


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="malloc of glibc")
def test_what_a_busy_time_has_left_is_given_back_after_it_and_nothing_while_it_lasts() -> None:
    code = """
import re, time
from pointsman.process import given_back
from pointsman.process.given_back import Lull

given_back._QUIET_SECONDS = 0.2

def resident():
    return int(re.search(r"^Rss: +([0-9]+)", open("/proc/self/smaps_rollup").read(), re.M)[1])

def looks(times, work):
    for _ in range(times):
        until = time.process_time() + work
        while time.process_time() < until:
            pass
        time.sleep(0.05)
        lull.look()

lull = Lull()
looks(8, 0.0)  # the start's
held = [bytearray(1000) for _ in range(20000)]
last = held[::100]  # so that nothing but holes is left
del held
looks(14, 0.05)
busy = resident()
looks(8, 0.0)
quiet = resident()
given_back.give_back = lambda: print("again")
for _ in range(4):  # a request now and then
    looks(2, 0.02)
    looks(8, 0.0)
print(busy, quiet)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    busy, quiet = map(int, done.stdout.split())  # not done again: what is asked now and then uses it
    assert busy - quiet > 10_000, f"{busy} KiB before, {quiet} after"
