"""Why the system did what it did."""

from lake.columns import Columns as C
from lake.tables.definition import Column, Table

DECISIONS = Table(
    name="decisions",
    description="One row a decision, with the figures it rests on.",
    clock="ds is the day judged or published; decided_ts is the wall clock.",
    engine="deltalake",
    key=("decision_id",),
    columns=(
        Column("decision_id", "string", "unique"),
        Column(
            C.KIND,
            "string",
            "what was decided",
            allowed=("bootstrap", "keep", "retrain", "promote", "publish", "hold", "rollback", "experiment"),
        ),
        Column(C.REASON, "string", "one sentence for a person"),
        Column("figures", "string", "JSON object: what was measured"),
        Column("thresholds", "string", "JSON object: what it was held against"),
        Column("intervals", "string", "JSON object: figure -> [low, high]"),
        Column("run", "string", "run that decided: DAG run id or command line"),
        Column("decided_ts", "timestamp", "when", unit="UTC"),
        Column(C.DS, "string", "day judged or published; the partition"),
    ),
)
