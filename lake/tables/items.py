"""The catalogue and the shoppers' declared attributes, as known on a day."""

from lake.columns import Columns as C
from lake.tables.definition import Column, Table
from lake.tables.events import DS

ITEMS = Table(
    name="items",
    description="The whole catalogue as known at the end of ds; an item never delivered but sold is in it too.",
    clock="as of ds: events and catalogue deliveries until the cut-off.",
    engine="spark",
    key=(C.ITEM_ID, C.DS),
    columns=(
        Column(C.ITEM_ID, "string", "the shop's item id"),
        Column(C.TITLE, "string", "name", null="unknown"),
        Column(C.DESCRIPTION, "string", "longer text", null="unknown"),
        Column(C.CATEGORY, "string", "category; levels joined by ' > '", null="unknown"),
        Column(C.BRAND, "string", "brand", null="unknown"),
        Column(C.PRICE, "double", "last price a piece", unit="shop currency", null="unknown", minimum=0),
        Column(C.MARGIN, "double", "share of the price that stays", unit="0..1", null="unknown", severity="warn"),
        Column(C.IN_STOCK, "boolean", "may be recommended", null="unknown: taken as in stock"),
        Column(C.FIRST_SEEN_TS, "timestamp", "first event or catalogue entry", unit="UTC"),
        DS,
    ),
)

ITEM_SIGHTINGS = Table(
    name="item_sightings",
    description="What events said about an item on a day: the last value of each attribute that came with an event.",
    clock="ds is the UTC day of the events; one row an item, day and delivery hour, so that a late event cannot leak.",
    engine="spark",
    key=(C.ITEM_ID, C.INGESTED_TS, C.DS),
    columns=(
        Column(C.ITEM_ID, "string", "the shop's item id"),
        Column(C.TITLE, "string", "name", null="not with these events"),
        Column(C.DESCRIPTION, "string", "longer text", null="not with these events"),
        Column(C.CATEGORY, "string", "category; levels joined by ' > '", null="not with these events"),
        Column(C.BRAND, "string", "brand", null="not with these events"),
        Column(C.PRICE, "double", "last price a piece", unit="shop currency", null="not with these events", minimum=0),
        Column(C.FIRST_TS, "timestamp", "first event of the item that day", unit="UTC"),
        Column(C.SEEN_TS, "timestamp", "last event of the item that day", unit="UTC"),
        Column(C.INGESTED_TS, "timestamp", "when the delivery became available, rounded up to the hour", unit="UTC"),
        DS,
    ),
)

USERS = Table(
    name="users",
    description="Where a shopper with an event in the look-back was last seen.",
    clock="as of ds; looks back HISTORY_DAYS.",
    engine="spark",
    key=(C.USER_ID, C.DS),
    columns=(
        Column(C.USER_ID, "string", "shopper"),
        Column(C.COUNTRY, "string", "country of the last event that has one", null="unknown"),
        Column(C.DEVICE, "string", "device of the last event that has one", null="unknown"),
        DS,
    ),
)
