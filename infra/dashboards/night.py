"""The dashboard Night, for the platform's engineers."""

from infra.dashboards.panel import DAY, GOOD, HOUR, Board, Panel

NIGHTLY = '{command=~"jobs.(land|day|lists|publish)|models.(judging|training)"}'
SUCCESS = "nightshelf_command_last_success_timestamp_seconds"
LONG = '{command=~"jobs.*|models.(judging|training).*"}'

NIGHT = Board(
    "nightshelf-night",
    "Nightshelf: Night",
    "Did the night run, what stopped it, and until when are the lists good? For whoever is woken at four.",
    {
        "Did it run?": [
            Panel(
                "Newest data in the lists",
                {"max by (surface) (nightshelf_serving_data_through_timestamp_seconds) * 1000": "{{surface}}"},
                "dateTimeFromNow",
                "stat",
                "The end of the last day that the serving lists know. Normal: 2 to 30 hours ago.",
                width=6,
            ),
            Panel(
                "Data age",
                {"time() - max by (surface) (nightshelf_serving_data_through_timestamp_seconds)": "{{surface}}"},
                "s",
                "stat",
                "Over 30 hours: no new lists this morning. Over 54: no night for two days.",
                ((None, "green"), (30 * HOUR, "orange"), (54 * HOUR, "red")),
                6,
            ),
            Panel(
                "Last success",
                {f"time() - max by (command) ({SUCCESS}{NIGHTLY})": "{{command}}"},
                "s",
                "stat",
                "Since each command of the night last ended well; training is weekly.",
                ((None, "green"), (30 * HOUR, "orange"), (9 * DAY, "red")),
                12,
            ),
            Panel(
                "How it last ended",
                {f"max by (command) (nightshelf_command_last_exit_code{NIGHTLY})": "{{command}}"},
                kind="state-timeline",
                says="A land that is unavailable waits for its delivery, until about noon UTC.",
                steps=((None, "green"), (1, "red"), (75, "orange"), (76, "red")),
                width=12,
                values={0: "well", 1: "fault", 65: "bad input", 66: "gate failed", 75: "unavailable"},
            ),
            Panel(
                "Gates",
                {"min by (command, gate) (nightshelf_gate_success)": "{{gate}} ({{command}})"},
                kind="state-timeline",
                says="A gate that stopped the line replaced nothing of what it guards.",
                steps=GOOD,
                width=12,
                values={0: "stopped", 1: "passed"},
            ),
        ],
        "How long, how much": [
            Panel(
                "Duration of the last run",
                {f"max by (command) (nightshelf_command_last_duration_seconds{LONG})": "{{command}}"},
                "s",
            ),
            Panel(
                "Peak memory of the last run",
                {f"max by (command) (nightshelf_command_last_peak_memory_bytes{LONG})": "{{command}}"},
                "bytes",
            ),
            Panel("Training by stage", {"max by (stage) (nightshelf_training_stage_seconds)": "{{stage}}"}, "s"),
            Panel(
                "Rows of events",
                {
                    "max(nightshelf_events_read_rows)": "read",
                    "max(nightshelf_events_written_rows)": "events",
                    "max(nightshelf_events_late_rows)": "late",
                    "max(nightshelf_events_quarantined_rows)": "quarantined",
                },
                says="Of all days that the last cleaning spoke for: its own and LATE_DAYS before.",
            ),
            Panel(
                "Quarantined by reason",
                {"max by (reason) (nightshelf_events_quarantined_by_reason_rows)": "{{reason}}"},
            ),
            Panel(
                "Deliveries",
                {
                    "max by (result) (nightshelf_land_files)": "{{result}}",
                    "max(nightshelf_events_days)": "days cleaned",
                },
            ),
            Panel("Bytes landed", {"max(nightshelf_land_new_bytes)": "new"}, "bytes"),
            Panel("Rows by table", {"max by (table) (nightshelf_table_rows)": "{{table}}"}, says="Newest partition."),
            Panel(
                "Newest day by table",
                {"time() - max by (table) (nightshelf_table_data_through_timestamp_seconds)": "{{table}}"},
                "s",
            ),
            Panel(
                "Rows under a gate, and its time",
                {
                    "max by (gate) (nightshelf_gate_rows)": "rows of {{gate}}",
                    "max by (gate) (nightshelf_gate_seconds)": "seconds of {{gate}}",
                },
                width=12,
            ),
            Panel(
                "Checks that did not hold",
                {
                    "max by (gate) (nightshelf_gate_failed_checks)": "{{gate}}: fail",
                    "max by (gate) (nightshelf_gate_warnings)": "{{gate}}: warn",
                },
                width=12,
            ),
        ],
        "Publication and Redis": [
            Panel(
                "What became of the last publication",
                {
                    "max by (surface, outcome) (nightshelf_publication_outcome) == 1": "{{surface}}: {{outcome}}",
                },
                kind="table",
                says="held: newer lists serve. missing, failed: old lists go on serving there.",
            ),
            Panel(
                "Lists per second",
                {
                    "max by (surface) (nightshelf_publication_lists)"
                    " / max by (surface) (nightshelf_publication_seconds)": "{{surface}}"
                },
            ),
            Panel(
                "Redis memory after a publication",
                {
                    "max by (node) (nightshelf_redis_used_memory_bytes)": "used, node {{node}}",
                    "max by (node) (nightshelf_redis_max_memory_bytes)": "most, node {{node}}",
                },
                "bytes",
                says="Two versions stand at the peak of a publication.",
            ),
        ],
        "Airflow (StatsD)": [
            Panel(
                "Scheduler, triggerer, DAG processor: heartbeats a minute",
                {
                    "sum(rate(airflow_scheduler_heartbeats_total[5m])) * 60": "scheduler",
                    "sum(rate(airflow_triggerer_heartbeats_total[5m])) * 60": "triggerer",
                    "sum(rate(airflow_dag_processor_heartbeats_total[5m])) * 60": "DAG processor",
                },
            ),
            Panel(
                "Tasks that ended, an hour",
                {"sum by (dag_id, state) (increase(airflow_task_finished_total[1h]))": "{{dag_id}} {{state}}"},
            ),
            Panel(
                "Task duration, 95 %",
                {'max by (dag_id, task_id) (airflow_task_duration_seconds{quantile="0.95"})': "{{dag_id}}.{{task_id}}"},
                "s",
            ),
            Panel(
                "Task queued, 95 %",
                {'max by (dag_id, task_id) (airflow_task_queued_seconds{quantile="0.95"})': "{{dag_id}}.{{task_id}}"},
                "s",
            ),
            Panel(
                "Runs that failed, a day",
                {'sum by (dag_id) (increase(airflow_dagrun_duration_seconds_count{state="failed"}[1d]))': "{{dag_id}}"},
            ),
            Panel(
                "Pools",
                {
                    "max by (pool) (airflow_pool_open_slots)": "{{pool}}: open",
                    "max by (pool) (airflow_pool_running_slots)": "{{pool}}: running",
                    "max by (pool) (airflow_pool_queued_slots)": "{{pool}}: queued",
                },
            ),
            Panel(
                "Waiting and broken",
                {
                    "max(airflow_scheduler_starving_tasks)": "starving tasks",
                    "sum(airflow_executor_queued_tasks)": "queued at the executor",
                    "max(airflow_dag_import_errors)": "DAG files that cannot be read",
                },
                width=16,
            ),
        ],
    },
)
