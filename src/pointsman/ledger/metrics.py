"""Every metric there is, once: its name, type, help and labels, how the values of several processes become
one, and the text of all of them. Pure. Not here: who counts.

The text is Prometheus' exposition format 0.0.4; names and units follow its naming practices.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from itertools import accumulate
from types import MappingProxyType

from .records import NANO

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_LABEL_MAX = 100
"""Characters of a label's value."""
_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


class Kind(StrEnum):
    """counter: never grows smaller, so that what a process counted stays when it is gone. gauge: how it is now;
    a process that is no longer heard has none. histogram: how many values fell below each bound; grows as a counter."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Merge(StrEnum):
    """How the values of several processes become one."""

    SUM = "sum"
    MAX = "max"  # of yes and no: what one process shuts out is shut out


@dataclass(frozen=True, slots=True, eq=False)
class Metric:
    """One family of samples. help: one line. bounds: of a histogram's buckets, rising; a value that equals one is below
    it. The last bucket, +Inf, has none. unit: how many of what is counted make one of what is told."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    merge: Merge = Merge.SUM
    bounds: tuple[float, ...] = ()
    unit: int = 1

    def sample(self, *values: str) -> str:
        """The sample's name with these label values, in the order of `labels`. Raises ValueError when there
        are too few or too many."""
        return _sample(self, values)


@lru_cache(maxsize=4096)
def _sample(metric: Metric, values: tuple[str, ...]) -> str:
    pairs = zip(metric.labels, values, strict=True)
    inner = ",".join(f'{label}="{value[:_LABEL_MAX].translate(_ESCAPES)}"' for label, value in pairs)
    return f"{metric.name}{{{inner}}}" if inner else metric.name


_TO_MINUTES = (
    0.01,
    0.02,
    0.04,
    0.08,
    0.16,
    0.32,
    0.64,
    1.28,
    2.56,
    5.12,
    10.24,
    20.48,
    40.96,
    81.92,
    163.84,
    327.68,
)
"""Seconds. Up to 81.92 those of OpenTelemetry's gen_ai.client.operation.duration; agents' answers take longer."""

REQUESTS = Metric(
    "pointsman_requests_total",
    Kind.COUNTER,
    "Requests by client protocol, pattern of the rule, target that answered or was asked last, and status class.",
    ("protocol", "route", "target", "status_class"),
)
DURATION = Metric(
    "pointsman_request_duration_seconds",
    Kind.HISTOGRAM,
    "From a request's last byte to the last byte of its answer.",
    ("protocol", "target"),
    bounds=_TO_MINUTES,
)
FIRST_OUTPUT = Metric(
    "pointsman_time_to_first_output_seconds",
    Kind.HISTOGRAM,
    "From a request's last byte to the first output that its client got; of a whole answer, to all of it.",
    ("protocol", "target"),
    bounds=_TO_MINUTES,
)
OUTPUT_SPEED = Metric(
    "pointsman_output_tokens_per_second",
    Kind.HISTOGRAM,
    "Output tokens of a stream by the seconds after its first output, as the backend counted them.",
    ("target",),
    bounds=(1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 50.0, 75.0, 100.0, 150.0, 200.0, 300.0, 500.0, 1000.0),
)
QUEUE = Metric(
    "pointsman_queue_seconds",
    Kind.HISTOGRAM,
    "How long requests waited for a place at a backend, of those that had to.",
    ("backend",),
    bounds=(0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0),
)
OVERHEAD = Metric(
    "pointsman_gateway_overhead_seconds",
    Kind.HISTOGRAM,
    "The gateway's own part of an answered request: until it is sent on, and from the backend's bytes to the client's"
    " first. Waiting, connecting and the backend's time are not in it.",
    ("protocol",),
    bounds=(0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5),
)
ATTEMPTS = Metric(
    "pointsman_upstream_attempts_total",
    Kind.COUNTER,
    "Attempts by backend and result.",
    ("backend", "result"),
)
FALLBACKS = Metric(
    "pointsman_fallbacks_total",
    Kind.COUNTER,
    "Times that a target was asked after another had failed or was passed over, and why that was.",
    ("from", "to", "reason"),
)
RESCUED = Metric(
    "pointsman_rescued_total",
    Kind.COUNTER,
    "Requests that were answered well though an attempt had failed or a target was passed over, by who answered.",
    ("target",),
)
REWRITTEN = Metric(
    "pointsman_schemas_rewritten_total",
    Kind.COUNTER,
    "Requests whose target got other schemas of tools than the client's, because of what it can enforce.",
    ("target",),
)
MISFITS = Metric(
    "pointsman_arguments_misfit_total",
    Kind.COUNTER,
    "Calls whose arguments do not fit the client's own schema, where the target got another one.",
    ("target",),
)
RECOVERED = Metric(
    "pointsman_calls_recovered_total",
    Kind.COUNTER,
    "Calls that came as text and were told as calls, by the target that gave them.",
    ("target",),
)
CUSTOMS = Metric(
    "pointsman_customs_total",
    Kind.COUNTER,
    "Credentials found in what was to go to a backend that is not local, by kind and by what was done.",
    ("kind", "action"),
)
TOKENS = Metric(
    "pointsman_tokens_total",
    Kind.COUNTER,
    "Tokens as backends reported them, by kind; cached is a part of input, reasoning of output.",
    ("backend", "kind"),
)
COST = Metric(
    "pointsman_cost_usd_total",
    Kind.COUNTER,
    "What attempts cost by list price, as far as it is known.",
    ("backend",),
    unit=NANO,
)
SAVED = Metric(
    "pointsman_saved_usd_total",
    Kind.COUNTER,
    "What the reference model would have cost for what local servers answered.",
    ("backend",),
    unit=NANO,
)
UNPRICED = Metric(
    "pointsman_unpriced_total",
    Kind.COUNTER,
    "Attempts whose cost is not known, and why.",
    ("backend", "flag"),
)
CACHE = Metric(
    "pointsman_cache_requests_total",
    Kind.COUNTER,
    "Requests of rules that keep answers: answered by a kept one (hit), by a target (miss), or not looked up (no).",
    ("route", "result"),
)
CACHE_BYTES = Metric(
    "pointsman_cache_answered_bytes_total",
    Kind.COUNTER,
    "Bytes of bodies that were told again out of the cache.",
)
CACHE_SAVED = Metric(
    "pointsman_cache_saved_usd_total",
    Kind.COUNTER,
    "What answers out of the cache would have cost, as far as that is known.",
    unit=NANO,
)
CACHE_ENTRIES = Metric(
    "pointsman_cache_entries",
    Kind.GAUGE,
    "Answers that are kept, when it was last looked up.",
    merge=Merge.MAX,
)
CACHE_SIZE = Metric(
    "pointsman_cache_bytes", Kind.GAUGE, "Their bytes on disk, when it was last looked up.", merge=Merge.MAX
)
SHADOWS = Metric(
    "pointsman_shadows_total",
    Kind.COUNTER,
    "Requests that were to be asked of a local target, too: compared, failed there, or not asked, by why.",
    ("route", "result"),
)
RECORDED = Metric(
    "pointsman_recorded_requests_total",
    Kind.COUNTER,
    "Requests that a recording is made of: handed over (kept), without a whole answer (failed), of which none can be kept "
    "(unfit), or that the control plane took no more of (lost).",
    ("result",),
)
USAGE_DROPPED = Metric(
    "pointsman_usage_dropped_total",
    Kind.COUNTER,
    "Usage records lost because the control plane was away too long.",
)
INFLIGHT = Metric("pointsman_inflight", Kind.GAUGE, "Requests being served now.")
QUEUED = Metric("pointsman_queued", Kind.GAUGE, "Requests that wait for a place at a backend.", ("backend",))
BREAKER_STATE = Metric(
    "pointsman_breaker_state",
    Kind.GAUGE,
    "0 while a target is asked as usual, 1 while it is tried again after failures, 2 while it is passed over.",
    ("target",),
    Merge.MAX,
)
BREAKER_OPEN = Metric(
    "pointsman_breaker_open",
    Kind.GAUGE,
    "1 while a model at a backend is passed over after failures.",
    ("backend", "model"),
    Merge.MAX,
)
BACKEND_DOWN = Metric(
    "pointsman_backend_down",
    Kind.GAUGE,
    "1 while a local backend takes no connections.",
    ("backend",),
    Merge.MAX,
)
KEY_BENCHED = Metric(
    "pointsman_key_benched",
    Kind.GAUGE,
    "1 while a backend's key is not used because it was refused.",
    ("backend",),
    Merge.MAX,
)
PROCESSES = Metric(
    "pointsman_data_plane_processes", Kind.GAUGE, "Data-plane processes whose counts these are."
)
DEGRADED = Metric(
    "pointsman_degraded",
    Kind.GAUGE,
    "1 while something that was stored cannot be used; /readyz says what.",
    merge=Merge.MAX,
)
SNAPSHOT_VERSION = Metric(
    "pointsman_snapshot_version",
    Kind.GAUGE,
    "Version of the rules that are served; it begins anew with the control plane.",
    merge=Merge.MAX,
)

METRICS = tuple(declared for declared in list(globals().values()) if isinstance(declared, Metric))
_BY_NAME = {metric.name: metric for metric in METRICS}
NOTHING: Mapping[str, Spread] = MappingProxyType({})


Spread = list[float]
"""Of one histogram with its labels: how many values in each bucket, +Inf's last, and then their sum. Its key is the sample
that Metric.sample gives."""


def metric_of(sample: str) -> Metric | None:
    """The declaration of a sample's family; None when nobody declared it."""
    return _BY_NAME.get(sample.partition("{")[0])


def is_counter(sample: str) -> bool:
    metric = metric_of(sample)
    return metric is not None and metric.kind is Kind.COUNTER


def add(totals: dict[str, float], samples: Iterable[tuple[str, float]]) -> None:
    """Put the samples of one more process to the totals."""
    for sample, value in samples:
        metric = metric_of(sample)
        if metric is not None and metric.merge is Merge.MAX:
            totals[sample] = max(totals.get(sample, 0.0), value)
        else:
            totals[sample] = totals.get(sample, 0.0) + value


def add_spreads(totals: dict[str, Spread], spreads: Mapping[str, Spread]) -> None:
    """The same of histograms. One of other bounds, which another version made, is left out."""
    for name, spread in spreads.items():
        before = totals.get(name)
        if before is None:
            totals[name] = list(spread)
        elif len(before) == len(spread):
            totals[name] = [one + more for one, more in zip(before, spread, strict=True)]


def served(version: int, problems: Iterable[str], processes: int) -> dict[str, float]:
    """The samples that tell by which rules how many processes serve."""
    return {
        PROCESSES.sample(): float(processes),
        DEGRADED.sample(): float(any(problems)),
        SNAPSHOT_VERSION.sample(): float(version),
    }


def exposition(samples: Mapping[str, float], spreads: Mapping[str, Spread] = NOTHING) -> bytes:
    """All samples and histograms as text, each family once, in the order of METRICS, with its help and type; after them,
    bare, what nobody declared."""
    families: dict[str, list[str]] = {metric.name: [] for metric in METRICS}
    for sample in sorted(samples):
        families.setdefault(sample.partition("{")[0], []).append(f"{sample} {_number(samples[sample])}")
    for name in sorted(spreads):
        metric = metric_of(name)
        if metric is not None and len(spreads[name]) == len(metric.bounds) + 2:
            families[metric.name] += _of_a_histogram(metric, name, spreads[name])
    lines: list[str] = []
    for name, rows in families.items():
        metric = _BY_NAME.get(name)
        if rows and metric is not None:
            lines += [f"# HELP {name} {metric.help}", f"# TYPE {name} {metric.kind.value}"]
        lines += rows
    return "".join(line + "\n" for line in lines).encode()


def _of_a_histogram(metric: Metric, name: str, spread: Sequence[float]) -> list[str]:
    labels = name[len(metric.name) :].strip("{}")
    before = f"{labels}," if labels else ""
    sums = list(accumulate(spread[:-1]))
    rows = [
        f'{metric.name}_bucket{{{before}le="{bound}"}} {_number(count)}'
        for bound, count in zip((*map(_number, metric.bounds), "+Inf"), sums, strict=True)
    ]
    inner = f"{{{labels}}}" if labels else ""
    total, count = _number(spread[-1]), _number(sums[-1])
    return [*rows, f"{metric.name}_sum{inner} {total}", f"{metric.name}_count{inner} {count}"]


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)
