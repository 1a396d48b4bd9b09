"""Nothing was switched off: so many requests, and the gateway's usage and metrics know each of them.

Run after the figures were taken, on the same gateway. Not here: how fast anything is.
"""

from __future__ import annotations

import http.client
import json
import re
import time
from collections.abc import Callable
from dataclasses import replace

from . import payloads
from .load import one_by_one
from .machine import BenchError
from .servers import HOST, Subject

MODEL = "bench-counted"  # asked for by nothing else of a run
_COUNTED = re.compile(r"^pointsman_requests_total\{[^}]*\} (\d+)", re.MULTILINE)
_SECONDS = 15.0  # usage is written behind the answers


def check(subject: Subject, key: str, token: str, count: int) -> str:
    """What was found, in words. token: the admin API's. Raises BenchError unless the usage and the metrics count
    `count` requests, no more and no fewer."""
    body = payloads.small().bodies[0].replace(b"bench-small", MODEL.encode())
    workload = replace(payloads.small(), bodies=(body,), key=key)
    port = subject.port(workload)
    before = _metric(port)
    one_by_one(port, workload, count)
    counted = _until(count, lambda: _stored(port, token))
    grown = _until(count, lambda: _metric(port) - before)
    if (counted, grown) != (count, count):
        raise BenchError(f"of {count} requests usage has {counted} and the metrics {grown}")
    return f"{count:,} of {count:,} requests in the usage that was read back, and in the metrics"


def _until(wanted: int, found: Callable[[], int]) -> int:
    until = time.monotonic() + _SECONDS
    while (now := found()) < wanted and time.monotonic() < until:
        time.sleep(0.1)
    time.sleep(0.3)  # one counted twice would come now
    return max(now, found())


def _get(port: int, path: str, token: str = "") -> str:
    connection = http.client.HTTPConnection(HOST, port, timeout=30)
    try:
        connection.request("GET", path, headers={"authorization": f"Bearer {token}"} if token else {})
        answer = connection.getresponse()
        text = answer.read().decode()
    finally:
        connection.close()
    if answer.status != 200:
        raise BenchError(f"GET {path}: {answer.status} {text[:300]}")
    return text


def _stored(port: int, token: str) -> int:
    return int(json.loads(_get(port, f"/api/usage/totals?model={MODEL}", token))["requests"])


def _metric(port: int) -> int:
    return sum(int(value) for value in _COUNTED.findall(_get(port, "/metrics")))
