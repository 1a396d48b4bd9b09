"""docs/reference/metrics.md: every metric by its declaration, and what a collector is sent, by the literals that name it."""

from __future__ import annotations

import ast

from pointsman.ledger.metrics import METRICS, Metric

from .source import SOURCE

SEE = {
    "pointsman_schemas_rewritten_total": "../protocols/tools.md#calls-of-weak-models",
    "pointsman_calls_recovered_total": "../protocols/tools.md#calls-that-come-as-text",
    "pointsman_customs_total": "../customs.md",
    "pointsman_cache_requests_total": "../cache.md",
    "pointsman_cost_usd_total": "../prices.md",
    "pointsman_requests_total": "../metrics.md#labels",
}
_TOLD = {
    "_request": "span `METHOD PATH` (server): a request",
    "_attempt": "span `OPERATION MODEL` (client): an attempt, below it",
    "_measure": "labels of the histograms",
}
_FILE = SOURCE / "admin" / "control" / "telemetry.py"


def page() -> str:
    lines = [
        "# Metrics, spans",
        "",
        "Made from the code by `make docs`. How they are scraped and who may see them: [metrics](../metrics.md); how they are sent to",
        "a collector: [OpenTelemetry](../telemetry.md).",
        "",
        "## For Prometheus",
        "",
        "At `/metrics`. A counter stays when its process ends; a gauge is how it is now.",
        "",
        "| metric | kind | labels | says |",
        "|---|---|---|---|",
        *map(_row, METRICS),
        "",
        "## Bounds of the histograms",
        "",
        "The last bucket is `+Inf`.",
        "",
        *(
            f"* `{metric.name}`: {', '.join(f'{_bound(bound)}' for bound in metric.bounds)}"
            for metric in METRICS
            if metric.bounds
        ),
        "",
        "## For a collector",
        "",
        "Histograms, of attempts, by the GenAI conventions:",
        "",
        "| metric | unit | says |",
        "|---|---|---|",
        *(f"| `gen_ai.client.{name}` | {unit} | {says} |" for name, unit, says in histograms()),
        "",
        "What spans and histograms say; what is not known is left out.",
        "",
        "| of | attributes |",
        "|---|---|",
        *(
            f"| {title} | {', '.join(f'`{name}`' for name in attributes(name))} |"
            for name, title in _TOLD.items()
        ),
    ]
    return "\n".join(lines) + "\n"


def _row(metric: Metric) -> str:
    labels = ", ".join(f"`{label}`" for label in metric.labels)
    see = f" [More]({SEE[metric.name]})." if metric.name in SEE else ""
    return f"| `{metric.name}` | {metric.kind.value} | {labels} | {metric.help}{see} |"


def _bound(value: float) -> str:
    return f"{value:f}".rstrip("0").rstrip(".")


def _tree() -> ast.Module:
    return ast.parse(_FILE.read_text(encoding="utf-8"))


def histograms() -> list[tuple[str, str, str]]:
    found = []
    for node in ast.walk(_tree()):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr == "_histogram"
        ):
            name, unit, says = (ast.literal_eval(one) for one in node.args[:3])
            found.append((name, unit, says))
    return found


def attributes(function: str) -> list[str]:
    """The names of attributes that a function writes, each once."""
    body = next(
        node for node in ast.walk(_tree()) if isinstance(node, ast.FunctionDef) and node.name == function
    )
    texts = (
        node.value
        for node in ast.walk(body)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )
    return list(dict.fromkeys(text for text in texts if _is_attribute(text)))


def _is_attribute(text: str) -> bool:
    return (
        "." in text.strip(".") and text.replace(".", "").replace("_", "").isalnum() and text == text.lower()
    )


def every_attribute() -> set[str]:
    """Of the whole file, by their prefixes."""
    texts = (node.value for node in ast.walk(_tree()) if isinstance(node, ast.Constant))
    return {
        text
        for text in texts
        if isinstance(text, str)
        and text.startswith(("gen_ai.", "pointsman."))
        and not text.endswith(".")
        and _is_attribute(text)
    }
