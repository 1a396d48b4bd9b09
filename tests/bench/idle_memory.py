"""Memory of a gateway that nobody uses: PSS of each of its processes, some seconds after it serves.

`python -m tests.bench.idle_memory [--seconds N] [--used] [SERVE_OPTIONS ...]` starts `pointsman serve` on a fresh data folder and
prints one JSON line. --used: the admin API has been asked once before.

pss_kib: the kernel's own count, a page that n processes have mapped is 1/n of each; other processes of the machine that
run the same Python make it smaller. own_kib does not depend on them: what each process has for itself, and each page of a
file once. The page cache of files that are mapped is in both, sockets' kernel memory in none. Not here: CPU (measure.py).
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections import defaultdict
from pathlib import Path

from tests.e2e.gateway import Gateway

from .streams_memory import pss

SECONDS = 10.0
"""A start's last work is over by then."""


def own(pids: list[int]) -> int:
    """KiB of these processes, with each file's pages once."""
    anonymous, files = 0, defaultdict[tuple[str, str], int](int)
    for pid in pids:
        resident, place = 0, ("", "")
        for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
            name, _, rest = line.partition(":")
            if name == "Rss":
                resident = int(rest.split()[0])
            elif name == "Anonymous":
                here = int(rest.split()[0])
                anonymous += here
                files[place] = max(files[place], resident - here)
            elif "-" in name.split(" ", 1)[0]:
                fields = line.split(maxsplit=5)
                place = (fields[5] if len(fields) > 5 else str(pid), fields[2])
    return anonymous + sum(files.values())


def idle(seconds: float, options: list[str], used: bool = False) -> dict[str, object]:
    """KiB of each process, by its module, and of all together."""
    with tempfile.TemporaryDirectory() as folder, Gateway(Path(folder, "data"), *options) as gateway:
        assert gateway.process is not None
        time.sleep(seconds)
        first = None
        if used:
            began = time.monotonic()
            gateway.api("GET", "/api/mappings")
            first = round(time.monotonic() - began, 3)
            time.sleep(seconds)
        pids = [gateway.process.pid, *gateway.pids("pointsman.admin"), *gateway.pids("pointsman.gateway")]
        each = {
            "supervisor": pss([gateway.process.pid]),
            "control_plane": pss(gateway.pids("pointsman.admin")),
            "data_plane": pss(gateway.pids("pointsman.gateway")),
        }
        found: dict[str, object] = {"pss_kib": sum(each.values()), "own_kib": own(pids), **each}
        if first is not None:
            found["first_admin_answer_seconds"] = first
        return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--used", action="store_true")
    asked, rest = parser.parse_known_args()
    print(json.dumps(idle(asked.seconds, rest, asked.used)))
