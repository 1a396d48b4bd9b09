"""ledger.metrics: the declaration of every metric, its samples, and the text of all of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.ledger import metrics
from pointsman.ledger.counters import Histogram
from pointsman.ledger.metrics import (
    ATTEMPTS,
    BREAKER_OPEN,
    INFLIGHT,
    METRICS,
    OVERHEAD,
    QUEUE,
    REQUESTS,
    Kind,
    Metric,
    Spread,
    add,
    add_spreads,
    exposition,
    is_counter,
)

from .exposition import parse, problems_of


def test_every_metric_of_the_module_is_in_the_list_and_named_as_prometheus_asks() -> None:
    declared = [value for value in vars(metrics).values() if isinstance(value, Metric)]
    assert declared == list(METRICS)
    assert len({metric.name for metric in METRICS}) == len(METRICS)
    named = {metric: metric.sample(*("x" for _ in metric.labels)) for metric in METRICS}
    plain = {name: 1.0 for metric, name in named.items() if metric.kind is not Kind.HISTOGRAM}
    spreads = {name: [1.0] * (len(metric.bounds) + 2) for metric, name in named.items() if metric.bounds}
    text = exposition(plain, spreads).decode()
    assert problems_of(text) == []
    families = parse(text)
    assert {name: (family.kind, family.help) for name, family in families.items()} == {
        metric.name: (metric.kind.value, metric.help) for metric in METRICS
    }
    assert list(families) == [metric.name for metric in METRICS]


def test_metrics_are_prometheus_text() -> None:
    text = exposition(
        {REQUESTS.sample("x", "m*", "openai:m", "2xx"): 3, INFLIGHT.sample(): 0, "other": 1.5}
    ).decode()
    lines = text.splitlines()
    assert text.endswith("\n")
    labels = 'protocol="x",route="m*",target="openai:m",status_class="2xx"'
    assert f"pointsman_requests_total{{{labels}}} 3" in lines
    assert lines.index("# TYPE pointsman_inflight gauge") + 1 == lines.index("pointsman_inflight 0")
    assert "other 1.5" in lines
    assert exposition({}) == b""


def test_metrics_keep_large_counters_exact() -> None:
    assert exposition({"x": 123456789.0}).decode() == "x 123456789\n"
    assert exposition({"x": 123456789.5}).decode() == "x 123456789.5\n"
    assert exposition({"x": 1e16}).decode() == "x 1e+16\n"


def test_a_sample_needs_a_value_for_each_label() -> None:
    for values in ((), ("a",), ("a", "b", "c")):
        with pytest.raises(ValueError, match="zip"):
            ATTEMPTS.sample(*values)


@given(st.text(max_size=200), st.text(max_size=200))
def test_any_text_is_a_good_label_and_comes_back(backend: str, model: str) -> None:
    text = exposition({BREAKER_OPEN.sample(backend, model): 1.0}).decode()
    assert problems_of(text) == []
    (labels,) = parse(text)["pointsman_breaker_open"].samples
    assert dict(labels) == {"backend": backend[:100], "model": model[:100]}


def test_totals_add_up_and_yes_stays_yes() -> None:
    totals: dict[str, float] = {}
    switch = BREAKER_OPEN.sample("a", "m")
    for value in (1.0, 0.0, 1.0):
        add(
            totals,
            [(switch, value), (INFLIGHT.sample(), 2.0), (REQUESTS.sample("x", "m*", "openai:m", "2xx"), 3.0)],
        )
    assert totals == {switch: 1.0, INFLIGHT.sample(): 6.0, REQUESTS.sample("x", "m*", "openai:m", "2xx"): 9.0}


def test_only_counters_are_counters() -> None:
    assert {m.name for m in METRICS if is_counter(m.sample(*m.labels))} == {
        m.name for m in METRICS if m.kind is Kind.COUNTER
    }
    assert not is_counter("nobody_declared_this_total")


def test_a_histogram_is_told_by_cumulative_buckets_its_sum_and_its_count() -> None:
    one = Histogram(QUEUE.bounds)
    for value in (0.005, 0.01, 0.011, 7.0, 100.0):
        one.observe(value)
    lines = exposition({}, {QUEUE.sample("local/box"): one.spread()}).decode().splitlines()
    assert lines[1] == "# TYPE pointsman_queue_seconds histogram"
    told = 'pointsman_queue_seconds_bucket{backend="local/box",le="%s"} %d'
    assert [told % ("0.01", 2), told % ("0.05", 3)] == lines[2:4], "a value that equals a bound is below it"
    assert lines[-4:] == [
        told % ("60", 4),
        told % ("+Inf", 5),
        'pointsman_queue_seconds_sum{backend="local/box"} 107.026',
        'pointsman_queue_seconds_count{backend="local/box"} 5',
    ]
    assert b'pointsman_x_bucket{le="1"}' not in exposition({}, {"pointsman_x": [1.0, 1.0]}), (
        "nobody declared it"
    )


@given(st.lists(st.floats(0, 1e6, allow_nan=False), max_size=50), st.integers(0, 50))
def test_whichever_process_saw_which_values_the_sums_are_the_same(values: list[float], cut: int) -> None:
    totals: dict[str, Spread] = {}
    name = OVERHEAD.sample("openai_chat")
    for part in (values[:cut], values[cut:]):
        one = Histogram(OVERHEAD.bounds)
        for value in part:
            one.observe(value)
        add_spreads(totals, {name: one.spread()})
    family = parse(exposition({}, totals).decode())[OVERHEAD.name]
    (labels,) = family.samples
    assert family.samples[labels] == len(values)
    assert family.sums[labels] == pytest.approx(sum(values))
    for bound, count in family.buckets[labels].items():
        assert count == sum(value <= float(bound) for value in values)


def test_bounds_rise_and_only_histograms_have_some() -> None:
    for metric in METRICS:
        assert bool(metric.bounds) == (metric.kind is Kind.HISTOGRAM), metric.name
        assert list(metric.bounds) == sorted(set(metric.bounds)), metric.name
