"""The table of metrics in docs/observability.md: `python -m lake.prometheus.document`."""

from lake.prometheus.metrics import METRICS


def markdown() -> str:
    """A row a metric, in the order of their definition."""
    rows = ["| metric | labels | says |", "|---|---|---|"]
    for metric in METRICS.values():
        labels = ", ".join(f"`{name}`" for name in (metric.group, *metric.labels))
        rows.append(f"| `{metric.name}` | {labels} | {metric.help} |")
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    print(markdown(), end="")
