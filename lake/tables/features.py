"""Features as of a day: users, items and pairs of items."""

from lake.columns import EVENT_TYPES, WINDOWS
from lake.columns import Columns as C
from lake.tables.definition import Column, Table
from lake.tables.events import DS

CLOCK = "as of ds: event_ts before the end of ds, ingested_ts until the delivery cut-off; looks back HISTORY_DAYS."


def _counts() -> tuple[Column, ...]:
    return tuple(
        Column(C.count(kind, days), "long", f"{kind} events in the {days} days to the end of ds", minimum=0)
        for kind in EVENT_TYPES
        for days in WINDOWS
    )


USER_FEATURES = Table(
    name="user_features",
    description="One row a shopper with an event in the look-back.",
    clock=CLOCK,
    engine="spark",
    key=(C.USER_ID, C.DS),
    columns=(
        Column(C.USER_ID, "string", "shopper"),
        *_counts(),
        Column(C.DAYS_SINCE_LAST, "double", "from the last event to the end of ds", unit="days", minimum=0),
        Column(C.DAYS_SINCE_FIRST, "double", "from the first event in the look-back", unit="days", minimum=0),
        Column(C.ACTIVE_DAYS, "long", "distinct days with an event", unit="days", minimum=1),
        Column(C.DISTINCT_ITEMS, "long", "distinct items touched in 90 days", minimum=0),
        Column(C.SPEND, "double", "quantity times price of purchases in 90 days", unit="shop currency", minimum=0),
        Column(C.MEAN_PRICE, "double", "mean price of items touched in 90 days", null="no price known", minimum=0),
        Column(C.SESSIONS, "long", "distinct sessions in 30 days", minimum=0),
        Column(C.SESSION_DEPTH, "double", "mean events a session in 30 days", null="no session known", minimum=0),
        Column(C.SESSION_DWELL, "double", "mean first-to-last time a session in 30 days", unit="s", null="unknown"),
        Column(C.CATEGORY_AFFINITY, "map<string,double>", "share of 90-day events by category", null="no category"),
        Column(C.BRAND_AFFINITY, "map<string,double>", "share of 90-day events by brand", null="no brand"),
        Column(C.COUNTRY, "string", "country last seen", null="unknown"),
        Column(C.DEVICE, "string", "device last seen", null="unknown"),
        DS,
    ),
)

ITEM_FEATURES = Table(
    name="item_features",
    description="One row an item of the catalogue, with zero counts where nothing happened.",
    clock=CLOCK,
    engine="spark",
    key=(C.ITEM_ID, C.DS),
    columns=(
        Column(C.ITEM_ID, "string", "item"),
        *_counts(),
        Column(C.BUYERS, "long", "distinct known buyers in 90 days", minimum=0),
        Column(C.VISITORS, "long", "distinct known shoppers with any event in 90 days", minimum=0),
        Column(C.TREND, "double", "smoothed log of the 7-day rate over the 30-day rate", minimum=-20, maximum=20),
        Column(C.CONVERSION, "double", "smoothed purchases a view in 30 days", minimum=0),
        Column(C.DAYS_SINCE_LAST, "double", "from the last event", unit="days", null="no event yet", minimum=0),
        Column(C.AGE_DAYS, "double", "since first seen", unit="days", minimum=0),
        Column(C.PRICE, "double", "last price", unit="shop currency", null="unknown", minimum=0),
        Column(
            C.PRICE_BAND,
            "int",
            "decile of price in the catalogue, 0 is cheapest",
            null="no price",
            minimum=0,
            maximum=9,
        ),
        DS,
    ),
)

CO_VISITATION = Table(
    name="co_visitation",
    description="The strongest partners of each item, by relation.",
    clock=CLOCK,
    engine="spark",
    key=(C.ITEM_ID, C.OTHER_ITEM_ID, C.RELATION, C.DS),
    columns=(
        Column(C.ITEM_ID, "string", "item"),
        Column(C.OTHER_ITEM_ID, "string", "its partner"),
        Column(
            C.RELATION,
            "string",
            "together: same session or basket; bought: same purchase basket; next: touched later by the same shopper",
            allowed=("together", "bought", "next"),
        ),
        Column(C.WEIGHT, "double", "decayed pair weight over the geometric mean of the items' weights", minimum=0),
        Column(C.PAIRS, "long", "baskets (shoppers for next) behind the pair", minimum=1),
        Column(C.RANK, "int", "1 is the strongest partner within item and relation", minimum=1),
        DS,
    ),
)
