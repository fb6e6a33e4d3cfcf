"""Every metric that commands tell. docs/observability.md has the same as a table, made from here.

The storefront's are in `storefront.service.metrics`; Airflow's come by StatsD (infra/dashboards/prometheus).
"""

from lake.prometheus.definition import Metric

# every command

COMMAND_SUCCESS = Metric(
    "nightshelf_command_last_success_timestamp_seconds", "When the command last ended well (Unix time)"
)
COMMAND_FAILURE = Metric("nightshelf_command_last_failure_timestamp_seconds", "When it last failed (Unix time)")
COMMAND_EXIT = Metric(
    "nightshelf_command_last_exit_code",
    "How it last ended: 0 well, 65 bad input, 66 a gate failed, 75 something away, 1 a fault of the code",
)
COMMAND_SECONDS = Metric("nightshelf_command_last_duration_seconds", "How long its last run took")
COMMAND_MEMORY = Metric(
    "nightshelf_command_last_peak_memory_bytes",
    "Peak resident memory of its last run: the process or its largest child",
)

# deliveries and events

LAND_FILES = Metric("nightshelf_land_files", "Files of the last landing: new, unchanged, missing", ("result",))
LAND_BYTES = Metric("nightshelf_land_new_bytes", "Bytes that the last landing took in")
EVENTS_DAYS = Metric(
    "nightshelf_events_days", "Days that the last cleaning spoke for, the days before its own included"
)
EVENTS_READ = Metric("nightshelf_events_read_rows", "Rows of the deliveries that the last cleaning read")
EVENTS_WRITTEN = Metric("nightshelf_events_written_rows", "Events of those days after the last cleaning")
EVENTS_LATE = Metric("nightshelf_events_late_rows", "Of them, events that came a day late or more")
EVENTS_REFUSED = Metric("nightshelf_events_quarantined_rows", "Rows that the last cleaning refused")
REFUSED_BY_REASON = Metric(
    "nightshelf_events_quarantined_by_reason_rows", "The same by reason; the 15 most frequent, then other", ("reason",)
)
TABLE_ROWS = Metric("nightshelf_table_rows", "Rows of the newest partition that the command made", ("table",))
TABLE_THROUGH = Metric(
    "nightshelf_table_data_through_timestamp_seconds", "End of the newest day that the table holds", ("table",)
)

# gates

GATE_SUCCESS = Metric(
    "nightshelf_gate_success", "1 the gate's last look let the rows pass, 0 it stopped them", ("gate",)
)
GATE_FAILURES = Metric("nightshelf_gate_failed_checks", "Checks of severity fail that did not hold", ("gate",))
GATE_WARNINGS = Metric("nightshelf_gate_warnings", "Checks of severity warn that did not hold", ("gate",))
GATE_ROWS = Metric("nightshelf_gate_rows", "Rows that the gate looked at", ("gate",))
GATE_SECONDS = Metric("nightshelf_gate_seconds", "How long the look took", ("gate",))

# judging

JUDGED_DAY = Metric("nightshelf_judging_day_timestamp_seconds", "End of the day judged last")
JUDGED_BUNDLE = Metric("nightshelf_judging_bundle_version", "Version of the champion that was judged")
JUDGED_THROUGH = Metric(
    "nightshelf_judging_bundle_trained_through_timestamp_seconds", "End of the last day that the champion learned from"
)
JUDGED_AUC = Metric("nightshelf_judging_auc", "The champion's AUC on the judged days")
JUDGED_LOW = Metric("nightshelf_judging_auc_low", "Lower bound of its 95 % interval")
JUDGED_HIGH = Metric("nightshelf_judging_auc_high", "Upper bound of its 95 % interval")
JUDGED_REFERENCE = Metric("nightshelf_judging_reference_auc", "The AUC that it is held against: at promotion")
JUDGED_DROP = Metric("nightshelf_judging_auc_drop_ratio", "Relative drop of the AUC against the reference")
JUDGED_DROP_LIMIT = Metric(
    "nightshelf_judging_auc_drop_limit_ratio", "AUC_DROP: from here on it retrains, noise counted"
)
JUDGED_FLOOR = Metric("nightshelf_judging_auc_floor", "AUC_FLOOR: below it, it retrains")
JUDGED_USERS = Metric("nightshelf_judging_users", "Shoppers that the AUC rests on")
JUDGED_VERDICT = Metric("nightshelf_judging_verdict", "1 for the last verdict, 0 for the others", ("verdict",))
RETRAININGS = Metric("nightshelf_judging_retrainings", "Verdicts to train within the 30 days up to the judged one")
JUDGED_LISTS_NDCG = Metric("nightshelf_judging_lists_ndcg", "NDCG@20 of yesterday's lists, after policy, on the day")
JUDGED_LISTS_FALLBACK = Metric(
    "nightshelf_judging_lists_fallback_ratio", "Share of the day's shoppers without a list of their own"
)

# training

TRAINED_BUNDLE = Metric("nightshelf_training_bundle_version", "Version that the last training registered")
TRAINED_PROMOTED = Metric("nightshelf_training_promoted", "1 it became champion, 0 it did not")
TRAINED_THROUGH = Metric("nightshelf_training_trained_through_timestamp_seconds", "End of the last day it learned from")
TRAINED_REFERENCE = Metric("nightshelf_training_reference_auc", "AUC that later days will be held against")
TRAINED_SECONDS = Metric("nightshelf_training_stage_seconds", "Time of a stage, all days together", ("stage",))

# lists

LISTS_OWNERS = Metric("nightshelf_lists_owners", "Shoppers, items, segments with a list on any surface", ("kind",))
LISTS_ROWS = Metric("nightshelf_lists_rows", "Entries of all lists that were made")
LISTS_BUNDLE = Metric("nightshelf_lists_bundle_version", "Version of the bundle that made the lists")
LISTS_LEFT_OUT = Metric("nightshelf_lists_left_out_arms", "Arms of experiments that got no lists this night")

# publication; the surface may be an arm's: home@treatment

PUBLISHED_OUTCOME = Metric(
    "nightshelf_publication_outcome",
    "1 for what became of the last publication, 0 for the rest",
    ("outcome",),
    "surface",
)
PUBLISHED_LISTS = Metric("nightshelf_publication_lists", "Lists that the last publication pushed", (), "surface")
PUBLISHED_SECONDS = Metric("nightshelf_publication_seconds", "How long that took", (), "surface")
SERVING_LISTS = Metric("nightshelf_serving_lists", "Lists of the serving version", ("kind",), "surface")
SERVING_THROUGH = Metric(
    "nightshelf_serving_data_through_timestamp_seconds",
    "End of the last day that the serving lists know",
    (),
    "surface",
)
SERVING_GENERATED = Metric(
    "nightshelf_serving_generated_timestamp_seconds", "When the serving lists were made", (), "surface"
)
SERVING_BUNDLE = Metric("nightshelf_serving_bundle_version", "Version of the bundle that made them", (), "surface")
SERVING_ROLLED_BACK = Metric(
    "nightshelf_serving_rolled_back", "1 a person went back to them, 0 a publication brought them", (), "surface"
)
REDIS_USED = Metric("nightshelf_redis_used_memory_bytes", "used_memory after the publication", ("node",))
REDIS_MAX = Metric(
    "nightshelf_redis_max_memory_bytes", "maxmemory; the machine's memory where there is none", ("node",)
)

VERDICTS = ("bootstrap", "keep", "retrain")
OUTCOMES = ("published", "unchanged", "held", "missing", "failed")

METRICS: dict[str, Metric] = {value.name: value for value in list(globals().values()) if isinstance(value, Metric)}
"""All of them, by name."""
