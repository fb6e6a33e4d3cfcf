"""What experiments came to."""

from lake.columns import Columns as C
from lake.tables.definition import Column, Table

EXPERIMENTS = Table(
    name="experiments",
    description="One row an analysis of an experiment; the same window again replaces it.",
    clock="ds is the last day of the window; analysed_ts is the wall clock.",
    engine="deltalake",
    key=(C.SURFACE, C.EXPERIMENT, "first_ds", C.DS),
    columns=(
        Column(C.SURFACE, "string", "surface tried on"),
        Column(C.EXPERIMENT, "string", "name of the experiment"),
        Column("first_ds", "string", "first day of the window, YYYY-MM-DD"),
        Column("trusted", "boolean", "whether nothing speaks against the figures, such as a sample-ratio mismatch"),
        Column("result", "string", "JSON object: shoppers, figures, comparisons, guardrails; see docs/experiments.md"),
        Column("analysed_ts", "timestamp", "when", unit="UTC"),
        Column(C.DS, "string", "last day of the window, YYYY-MM-DD; the partition"),
    ),
)
