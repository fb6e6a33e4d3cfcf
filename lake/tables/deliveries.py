"""What arrived, and what was written from it."""

from lake.columns import Columns as C
from lake.tables.definition import Column, Table
from lake.tables.events import DS

DELIVERIES = Table(
    name="deliveries",
    description="One row a landing: a file of the shop, its copy in the lake and its fingerprint. "
    "A corrected delivery adds a row; the newest landing of a path serves.",
    clock="ds is the first day the file covers.",
    engine="deltalake",
    columns=(
        Column(C.SOURCE, "string", "name of the source mapping"),
        Column(C.KIND, "string", "what the file holds", allowed=("events", "items", "impressions")),
        Column("uri", "string", "where the shop put it", null="the day had no file (missing_day: normal)"),
        Column("path", "string", "the copy, relative to LAKE_ROOT", null="the day had no file"),
        Column("bytes", "long", "size as delivered", unit="bytes", minimum=0),
        Column("sha256", "string", "of the bytes as delivered", null="the day had no file"),
        Column("columns", "string", "column names of the file, JSON list", null="the day had no file"),
        Column("etag", "string", "S3 ETag", null="not from S3"),
        Column("version_id", "string", "S3 version", null="not from S3 or not versioned"),
        Column("first_landed_ts", "timestamp", "first landing of this path, kept for ever", unit="UTC"),
        Column("landed_ts", "timestamp", "this landing", unit="UTC"),
        Column(C.INGESTED_ASSUMED, "boolean", "true: loaded as history, so ingested_ts is assumed"),
        DS,
    ),
)

PARTITIONS = Table(
    name="partitions",
    description="One row a partition written: how many rows and which content, so that a rerun can be compared.",
    clock="ds is the partition written; written_ts is the wall clock.",
    engine="deltalake",
    partition_by=("table",),
    columns=(
        Column("table", "string", "table written"),
        DS,
        Column("rows", "long", "rows in the partition", minimum=0),
        Column("content_hash", "string", "order-free hash of all rows"),
        Column("delta_version", "long", "table version after the write", minimum=0),
        Column("job", "string", "command that wrote it"),
        Column("written_ts", "timestamp", "when", unit="UTC"),
        Column(
            "read",
            "string",
            "JSON object: table read -> its Delta version, and the ds where one partition was read",
            null="written before this was kept",
        ),
        Column("code", "string", "version of the code that wrote it", null="written before this was kept"),
    ),
)
