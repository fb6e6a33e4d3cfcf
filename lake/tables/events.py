"""What happened in the shop, what the storefront showed, and what was refused."""

from lake.columns import EVENT_TYPES
from lake.columns import Columns as C
from lake.tables.definition import Column, Table

DS = Column(C.DS, "string", "UTC day of the row, YYYY-MM-DD; the partition")
MAX_ID_BYTES = 256

EVENTS = Table(
    name="events",
    description="One row an interaction, cleaned, deduplicated and pseudonymised.",
    clock="ds is the UTC day of event_ts; a partition is built from the deliveries ds-1 .. ds+late_days.",
    engine="spark",
    key=(C.EVENT_ID,),
    columns=(
        Column(C.EVENT_ID, "string", "given by the log, or the hash of the mapped columns plus the occurrence number"),
        Column(C.USER_ID, "string", "pseudonym, or the shop's id where PSEUDONYMISE=false", null="anonymous visitor"),
        Column(C.ITEM_ID, "string", "the shop's item id, NFC, trimmed, at most 256 bytes"),
        Column(C.EVENT_TYPE, "string", "what the shopper did", allowed=EVENT_TYPES),
        Column(C.VALUE, "double", "the rating given", null="not a rating"),
        Column(C.EVENT_TS, "timestamp", "when it happened", unit="UTC"),
        Column(C.INGESTED_TS, "timestamp", "when the delivery became available", unit="UTC"),
        Column(C.INGESTED_ASSUMED, "boolean", "true where ingested_ts is end of day plus the source's delivery delay"),
        Column(C.QUANTITY, "double", "pieces", unit="pieces", null="unknown", minimum=0),
        Column(C.PRICE, "double", "price a piece", unit="shop currency", null="unknown", minimum=0),
        Column(C.SESSION_ID, "string", "visit, basket or invoice", null="unknown"),
        Column(C.DEVICE, "string", "device class, as delivered", null="unknown"),
        Column(C.COUNTRY, "string", "country, as delivered", null="unknown"),
        Column(C.SOURCE, "string", "name of the source mapping"),
        DS,
    ),
)

IMPRESSIONS = Table(
    name="impressions",
    description="What the storefront showed and whether it was clicked, a row an item shown; optional.",
    clock="ds is the UTC day of shown_ts; a partition is built from the deliveries ds-1 .. ds+late_days.",
    engine="deltalake",
    key=(C.SHOWN_ID, C.ITEM_ID, C.DS),
    columns=(
        Column(C.SHOWN_ID, "string", "the list shown: given by the log, or the hash of who was shown what when"),
        Column(C.SURFACE, "string", "surface shown"),
        Column(C.USER_ID, "string", "shopper, as in events", null="visitor who was not known"),
        Column(C.ITEM_ID, "string", "item shown"),
        Column(C.RANK, "int", "position, 1 is first", minimum=1),
        Column(C.LIST_VERSION, "string", "version of the list"),
        Column(C.EXPERIMENT, "string", "experiment that ran", null="none"),
        Column(C.ARM, "string", "experiment arm; control is the rest", null="no experiment, or nobody known"),
        Column(C.FALLBACK, "string", "whose list it was: user, country=GB, all, ...", null="not logged"),
        Column(C.STALE, "boolean", "older than the storefront allows"),
        Column(C.SHOWN_TS, "timestamp", "when it was shown", unit="UTC"),
        Column(C.CLICKED, "boolean", "whether the shopper followed it"),
        Column(C.INGESTED_TS, "timestamp", "when the first delivery of it became available", unit="UTC"),
        Column(C.SOURCE, "string", "name of the source mapping"),
        DS,
    ),
)

QUARANTINE = Table(
    name="quarantine",
    description="Rows of a delivery that were refused, whole, with the reason.",
    clock="ds is the day of the delivery (of the event, where one file holds many days).",
    engine="spark",
    columns=(
        Column(C.SOURCE, "string", "name of the source mapping"),
        Column(C.ROW, "string", "the row as delivered, JSON"),
        Column(C.REASON, "string", "what was wrong: column, then rule"),
        Column(C.INGESTED_TS, "timestamp", "when the delivery became available", unit="UTC"),
        DS,
    ),
)

REFUSED_IMPRESSIONS = Table(
    name="refused_impressions",
    description="Lines of the exposure log that were refused, whole, with the reason.",
    clock="ds is the day of the delivery.",
    engine="deltalake",
    columns=QUARANTINE.columns,
)
