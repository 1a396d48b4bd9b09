"""Every metric there is, once: its name, type, help and labels, how the values of several processes become
one, and the text of all of them. Pure. Not here: who counts.

The text is Prometheus' exposition format 0.0.4; names and units follow its naming practices.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_LABEL_MAX = 100
"""Characters of a label's value: a client may have chosen it."""
_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


class Kind(StrEnum):
    """counter: never grows smaller, so that what a process counted stays when it is gone. gauge: how it is now;
    a process that is no longer heard has none."""

    COUNTER = "counter"
    GAUGE = "gauge"


class Merge(StrEnum):
    """How the values of several processes become one."""

    SUM = "sum"
    MAX = "max"  # of yes and no: what one process shuts out is shut out


@dataclass(frozen=True, slots=True, eq=False)
class Metric:
    """One family of samples. help: one line."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    merge: Merge = Merge.SUM

    def sample(self, *values: str) -> str:
        """The sample's name with these label values, in the order of `labels`. Raises ValueError when there
        are too few or too many."""
        return _sample(self, values)


@lru_cache(maxsize=4096)
def _sample(metric: Metric, values: tuple[str, ...]) -> str:
    pairs = zip(metric.labels, values, strict=True)
    inner = ",".join(f'{label}="{value[:_LABEL_MAX].translate(_ESCAPES)}"' for label, value in pairs)
    return f"{metric.name}{{{inner}}}" if inner else metric.name


REQUESTS = Metric(
    "pointsman_requests_total",
    Kind.COUNTER,
    "Requests by client protocol and status class.",
    ("protocol", "status"),
)
ATTEMPTS = Metric(
    "pointsman_upstream_attempts_total",
    Kind.COUNTER,
    "Attempts by backend and result.",
    ("backend", "result"),
)
TOKENS = Metric(
    "pointsman_tokens_total",
    Kind.COUNTER,
    "Tokens as backends reported them, by kind; cached is a part of input, reasoning of output.",
    ("backend", "kind"),
)
USAGE_DROPPED = Metric(
    "pointsman_usage_dropped_total",
    Kind.COUNTER,
    "Usage records lost because the control plane was away too long.",
)
INFLIGHT = Metric("pointsman_inflight", Kind.GAUGE, "Requests being served now.")
QUEUED = Metric("pointsman_queued", Kind.GAUGE, "Requests that wait for a place at a backend.", ("backend",))
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


def served(version: int, problems: Iterable[str], processes: int) -> dict[str, float]:
    """The samples that tell by which rules how many processes serve."""
    return {
        PROCESSES.sample(): float(processes),
        DEGRADED.sample(): float(any(problems)),
        SNAPSHOT_VERSION.sample(): float(version),
    }


def exposition(samples: Mapping[str, float]) -> bytes:
    """All samples as text, each family once, in the order of METRICS, with its help and type; after them,
    bare, what nobody declared."""
    families: dict[str, list[str]] = {metric.name: [] for metric in METRICS}
    for sample in sorted(samples):
        families.setdefault(sample.partition("{")[0], []).append(f"{sample} {_number(samples[sample])}")
    lines: list[str] = []
    for name, rows in families.items():
        metric = _BY_NAME.get(name)
        if rows and metric is not None:
            lines += [f"# HELP {name} {metric.help}", f"# TYPE {name} {metric.kind.value}"]
        lines += rows
    return "".join(line + "\n" for line in lines).encode()


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)
