"""The dashboard Storefront, for developers of the shop."""

from infra.dashboards.panel import GOOD, HOUR, Board, Panel

FAILED = 'sum(rate(storefront_lookup_errors_total{kind!~"bad_request|unknown_surface"}[5m]))'
ANSWERED = "sum(rate(storefront_lookups_total[5m]))"


def quantile(q: float) -> str:
    """Time within which a share of the answers came, s."""
    buckets = 'rate(storefront_lookup_seconds_bucket{outcome="answered"}[5m])'
    return f"histogram_quantile({q}, sum by (le) ({buckets}))"


STOREFRONT = Board(
    "nightshelf-storefront",
    "Nightshelf: Storefront",
    "Lookups: how many, how quick, how many fail, and from which lists.",
    {
        "Now": [
            Panel("Answers a second", {"sum(rate(storefront_lookups_total[5m]))": "answers"}, "reqps", "stat", width=4),
            Panel(
                "Failing",
                {f"{FAILED} / ({ANSWERED} + sum(rate(storefront_lookup_errors_total[5m])))": "share"},
                "percentunit",
                "stat",
                "Without callers' own mistakes.",
                ((None, "green"), (0.001, "orange"), (0.01, "red")),
                4,
            ),
            Panel(
                "99 %",
                {quantile(0.99): "p99"},
                "s",
                "stat",
                steps=((None, "green"), (0.02, "orange"), (0.05, "red")),
                width=4,
            ),
            Panel(
                "Redis",
                {"max(storefront_breaker_state)": "breaker"},
                kind="stat",
                steps=((None, "green"), (1, "orange"), (2, "red")),
                width=4,
                values={0: "asked", 1: "being tried", 2: "given up"},
            ),
            Panel(
                "Age of the lists",
                {"max by (surface) (storefront_list_age_seconds)": "{{surface}}"},
                "s",
                "stat",
                steps=((None, "green"), (36 * HOUR, "orange"), (48 * HOUR, "red")),
                width=8,
            ),
        ],
        "Lookups": [
            Panel(
                "By whose list",
                {"sum by (fallback) (rate(storefront_lookups_total[5m]))": "{{fallback}}"},
                "reqps",
                width=12,
            ),
            Panel(
                "By surface",
                {"sum by (surface) (rate(storefront_lookups_total[5m]))": "{{surface}}"},
                "reqps",
                width=12,
            ),
            Panel(
                "Time of an answer",
                {quantile(q): f"{q:.1%}" for q in (0.5, 0.95, 0.99, 0.999)},
                "s",
                width=12,
            ),
            Panel(
                "Failures", {"sum by (kind) (rate(storefront_lookup_errors_total[5m]))": "{{kind}}"}, "reqps", width=12
            ),
        ],
        "Lists and Redis": [
            Panel(
                "Stale and from memory",
                {
                    "sum by (surface) (rate(storefront_stale_lookups_total[5m]))": "{{surface}} stale",
                    "sum by (surface) (rate(storefront_degraded_total[5m]))": "{{surface}} from memory",
                },
                "reqps",
            ),
            Panel(
                "Age of the lists, and where stale begins",
                {
                    "max by (surface) (storefront_list_age_seconds)": "{{surface}}",
                    "min(storefront_max_age_seconds)": "MAX_AGE_SECONDS",
                },
                "s",
            ),
            Panel(
                "Since the end of the day that the lists know",
                {"time() - max by (surface) (storefront_data_through_timestamp_seconds)": "{{surface}}"},
                "s",
            ),
            Panel(
                "Since the pointer was read",
                {"time() - max by (surface) (storefront_pointer_read_timestamp_seconds)": "{{surface}}"},
                "s",
                says="Read every 30 s while somebody asks.",
            ),
            Panel(
                "Breaker by instance",
                {"max by (instance) (storefront_breaker_state)": "{{instance}}"},
                kind="state-timeline",
                steps=((None, "green"), (1, "orange"), (2, "red")),
                values={0: "asked", 1: "being tried", 2: "given up"},
            ),
            Panel(
                "Up",
                {'up{job="storefront"}': "{{instance}}"},
                kind="state-timeline",
                steps=GOOD,
                values={0: "down", 1: "up"},
            ),
        ],
        "Process": [
            Panel(
                "Processor", {'rate(process_cpu_seconds_total{job="storefront"}[5m])': "{{instance}}"}, "percentunit"
            ),
            Panel("Memory", {'process_resident_memory_bytes{job="storefront"}': "{{instance}}"}, "bytes"),
            Panel("Open files", {'process_open_fds{job="storefront"}': "{{instance}}"}),
        ],
    },
    hours=6,
)
