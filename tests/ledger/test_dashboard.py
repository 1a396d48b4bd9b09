"""docs/grafana.json names metrics and labels that exist, shows every metric, and its panels lie beside each other."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from pointsman.ledger.metrics import METRICS, Kind, Metric

DASHBOARD: dict[str, Any] = json.loads((Path(__file__).parents[2] / "docs" / "grafana.json").read_text())
PANELS: list[dict[str, Any]] = DASHBOARD["panels"]
QUERIES = [
    (target["expr"], target["legendFormat"]) for panel in PANELS for target in panel.get("targets", [])
]
VARIABLES = {one["name"]: one for one in DASHBOARD["templating"]["list"]}
BY_SAMPLE: dict[str, Metric] = {
    name: metric
    for metric in METRICS
    for name in (
        [f"{metric.name}_{part}" for part in ("bucket", "sum", "count")]
        if metric.kind is Kind.HISTOGRAM
        else [metric.name]
    )
}
OF_PROMETHEUS = {"instance", "job"}


@pytest.mark.parametrize(("query", "legend"), QUERIES, ids=[query[:60] for query, _ in QUERIES])
def test_a_query_names_metrics_and_labels_that_exist(query: str, legend: str) -> None:
    named = re.findall(r"pointsman_\w+", query)
    assert named
    for name in named:
        assert name in BY_SAMPLE
        labels = {*BY_SAMPLE[name].labels, *OF_PROMETHEUS}
        if name.endswith("_bucket"):
            labels.add("le")
            assert query.startswith("histogram_quantile(")
        grouped = re.findall(r"by \(([^)]*)\)", query)
        used = {word.strip() for group in grouped for word in group.split(",")}
        used |= set(re.findall(r"[{,](\w+)=~?\"", query))
        assert used <= labels
        assert set(re.findall(r"\{\{(\w+)\}\}", legend)) <= used, "else the legend shows nothing"
        counter = BY_SAMPLE[name].kind is not Kind.GAUGE
        assert counter == bool(re.search(rf"(rate|increase)\({name}\{{", query)), (
            "a counter only by its growth"
        )
    assert query.count("(") == query.count(")")
    assert set(re.findall(r"\$(\w+)", query)) <= {*VARIABLES, "__rate_interval"}


def test_every_metric_is_shown() -> None:
    shown = {BY_SAMPLE[name] for query, _ in QUERIES for name in re.findall(r"pointsman_\w+", query)}
    assert [metric.name for metric in METRICS if metric not in shown] == []
    assert VARIABLES["instance"]["query"]["query"] == "label_values(pointsman_inflight, instance)"


def test_panels_have_names_of_their_own_and_lie_beside_each_other() -> None:
    ids = [panel["id"] for panel in PANELS]
    titles = [panel["title"] for panel in PANELS]
    assert len(set(ids)) == len(ids)
    assert len(set(titles)) == len(titles)
    places = [
        (x, y)
        for panel in PANELS
        for at in [panel["gridPos"]]
        for x in range(at["x"], at["x"] + at["w"])
        for y in range(at["y"], at["y"] + at["h"])
    ]
    assert len(set(places)) == len(places)
    assert max(x for x, _ in places) < 24
