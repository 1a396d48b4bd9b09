"""The ceiling: wrk sends as fast as answers come, so the core is full. Closed loop: not for latency."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from pathlib import Path

from .machine import BenchError, cores, on_cores
from .payloads import Workload
from .servers import HOST

_SCRIPT = """
local folder, count, at, requests = "{folder}", {count}, 0, {{}}
function init()
  for number = 1, count do
    local file = io.open(folder .. "/" .. number .. ".http", "rb")
    requests[number] = file:read("*a")
    file:close()
  end
end
function request()
  at = at % count + 1
  return requests[at]
end
"""


@dataclass(frozen=True, slots=True)
class Ceiling:
    """What wrk reports of one run."""

    answers: int
    per_second: float
    errors: int


async def run(
    wrk: str, port: int, workload: Workload, seconds: int, connections: int, folder: Path
) -> Ceiling:
    """One closed-loop run, wrk on the mock's core."""
    requests = folder / f"wrk-{workload.name}"
    requests.mkdir(exist_ok=True)
    made = workload.requests(f"{HOST}:{port}")
    for number, request in enumerate(made, 1):
        (requests / f"{number}.http").write_bytes(request)
    script = requests / "script.lua"
    script.write_text(_SCRIPT.format(folder=requests, count=len(made)))
    _, load_cores = cores()
    url = f"http://{HOST}:{port}{workload.path}"
    command = [wrk, "-t1", f"-c{connections}", f"-d{seconds}s", "-s", str(script), url]
    with on_cores(load_cores):
        process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    output = (await process.communicate())[0].decode()
    return parse(output)


def parse(output: str) -> Ceiling:
    total = re.search(r"(\d+) requests in", output)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", output)
    if not total or not rate:
        raise BenchError(f"wrk said: {output}")
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", output)
    lost = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", output)
    errors = (int(bad[1]) if bad else 0) + (sum(int(word) for word in lost.groups()) if lost else 0)
    return Ceiling(int(total[1]), float(rate[1]), errors)
