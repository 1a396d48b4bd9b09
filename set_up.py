"""`python3 set_up.py FOLDER LOCK ... [--python PYTHON]`: a virtual environment with what the locks name (the Makefile's).

Where FOLDER is not there yet, it is made of the fastest Python at hand, unless PYTHON says which. A distribution's
Python, a version manager's and one built by hand differ by half in speed, and no build flag tells it of all of them
(Debian's names none): so each does the same short piece of work, and one line says which was taken and why. One that
cannot install the locks is passed over. Runs on any Python 3.6 or newer, and needs nothing else.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
from typing import Any

LEAST = (3, 11)
NAMES = ("python3", "python3.11", "python3.12", "python3.13", "python3.14")
FOLDERS = ("/usr/bin", "/usr/local/bin", "/opt/homebrew/bin")  # besides those on PATH
CLEARLY = 0.9  # the first `python3` is left only for one that takes less than this of its time
SECONDS = 60  # for one to answer; a version manager's stand-in may hang

_WHO = r"""
import ensurepip, json, os, sys, sysconfig, venv
print(json.dumps({
    "version": sys.version_info[:3],
    "real": os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable),
    "headers": os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")),
}))
"""
# What a request is made of, calls, attributes, dictionaries, slices of bytes, what Python itself does for compiled code, and
# what a start is made of: code read back, and classes. A build without --enable-optimizations is as fast as another in the
# first, and takes twice as long for the rest. CPU time, the best of many tries.
_WORK = r"""
import marshal, os, time
if hasattr(os, "sched_setaffinity"):  # cores differ: all are timed on the same one
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
class Thing:
    def __init__(self, number):
        self.number, self.seen = number, {}
    def step(self, name, data):
        at = data.find(b":")
        if at > 0 and name not in self.seen:
            self.seen[name] = (data[:at], self.number)
        self.number += len(data[at:])
        return self.seen.get(name, (b"", 0))[1]
names = ["name-%d" % number for number in range(16)]
source = "".join("class A%d:\n def f(self, a, b=1):\n  'doc'\n  return [a, b]\n" % number for number in range(40))
code = marshal.dumps(compile(source, "", "exec"))
lines = b"content-type: application/json\r\nx: y\r\n" * 4
facts = dict(zip(names, range(16)))
def once():
    began, data = time.process_time(), b"content-type: application/json"
    for number in range(100):
        thing = Thing(number)
        for name in names[number % 8:]:
            thing.step(name, data)
    exec(marshal.loads(code), {})
    for number in range(100):
        found = dict(facts)
        found.update(zip(names, lines.split(b"\r\n")))
        b"".join((lines, str(number).encode(), lines[9:40]))
        tuple(found.items()), list(found), int(b"123"), float("1.5"), isinstance(found, dict)
    return time.process_time() - began
print(min(once() for _ in range(40)))
"""


class Python:
    """One that could be taken: how it is called, and what it said of itself."""

    def __init__(self, name: str, said: "dict[str, Any]") -> None:
        self.name, self.real = name, said["real"]
        self.version = tuple(said["version"])
        self.headers = said["headers"]  # can the busiest modules be built for it?
        self.seconds = float("inf")

    def __str__(self) -> str:
        return f"{self.name} ({'.'.join(map(str, self.version))})"


def said(python: str, script: str) -> Any:
    """What it prints, read as JSON; None where it does not run or cannot."""
    command = [python, "-I", "-c", script]
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=SECONDS)
        return json.loads(done.stdout.decode()) if done.returncode == 0 else None
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None


def at_hand() -> "list[Python]":
    """Each Python that can make an environment, once; `python3` of PATH first."""
    found: dict[str, Python] = {}
    seen: set[str] = set()
    for folder in os.environ.get("PATH", "").split(os.pathsep) + list(FOLDERS):
        for name in NAMES:
            path = os.path.join(folder, name)
            if os.path.realpath(path) in seen or not os.access(path, os.X_OK):
                continue
            seen.add(os.path.realpath(path))
            who = said(path, _WHO)
            if who and tuple(who["version"]) >= LEAST and who["real"] not in found:
                found[who["real"]] = Python(path, who)
    return list(found.values())


def time_them(found: "list[Python]") -> None:
    """There and back, four times, and the mean: virtual cores have fast and slow seconds, which must not meet one alone."""
    times: dict[str, list[float]] = {}
    for python in (found + found[::-1]) * 4:
        seconds = said(python.name, _WORK)
        if seconds:
            times.setdefault(python.name, []).append(seconds)
    for python in found:
        took = times.get(python.name, [float("inf")])
        python.seconds = sum(took) / len(took)


def ranked(found: "list[Python]", compiler: bool) -> "list[Python]":
    """The best first. What runs as machine code saves more than a fast interpreter, so headers come first."""

    def order(python: Python) -> "tuple[bool, float]":
        return compiler and not python.headers, python.seconds

    best_first = sorted(found, key=order)
    if found and order(found[0]) < (order(best_first[0])[0], best_first[0].seconds / CLEARLY):
        best_first.remove(found[0])
        best_first.insert(0, found[0])
    return best_first


def why(chosen: Python, found: "list[Python]") -> str:
    """In one line."""
    others = ", ".join(f"{python} {python.seconds * 1000:.1f}" for python in found if python is not chosen)
    if not others:
        return "the only one here that can"
    return f"{chosen.seconds * 1000:.1f} ms for a short piece of work ({others})"


def install(folder: str, locks: "list[str]") -> bool:
    """True when everything that is locked is there."""
    pip = [os.path.join(folder, "bin", "python"), "-m", "pip", "--disable-pip-version-check", "--quiet"]
    words = [word for lock in locks for word in ("-r", lock)]
    return subprocess.run(pip + ["install", "--require-hashes"] + words).returncode == 0


def make(folder: str, python: str, locks: "list[str]") -> bool:
    """An environment of this Python with what is locked; False, and no folder, where that cannot be."""
    if subprocess.run([python, "-m", "venv", folder]).returncode == 0 and install(folder, locks):
        return True
    shutil.rmtree(folder, ignore_errors=True)
    return False


def main(arguments: "list[str]") -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder")
    parser.add_argument("locks", nargs="*")
    parser.add_argument("--python", default="", help="this one and no other")
    wanted = parser.parse_args(arguments)
    if os.path.exists(os.path.join(wanted.folder, "bin", "python")):
        return 0 if install(wanted.folder, wanted.locks) else 1
    if wanted.python:
        say(f"setting up {wanted.folder} with {wanted.python}, as asked ...")
        return 0 if make(wanted.folder, wanted.python, wanted.locks) else 1
    found = at_hand()
    if len(found) > 1:
        time_them(found)
    for python in ranked(found, bool(shutil.which("cc") or os.environ.get("CC"))):
        say(f"setting up {wanted.folder} with {python}: {why(python, found)} ...")
        if make(wanted.folder, python.name, wanted.locks):
            return 0
        say(f"{python} cannot install what is locked")
    say(f"Nothing could be set up: Python {LEAST[0]}.{LEAST[1]} or newer is needed, with venv and ensurepip.")
    return 1


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
