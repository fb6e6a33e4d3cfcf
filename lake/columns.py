"""Every column name of the lake, once.

Tests and jobs use these names too, so that a renamed column is one change and a typo is an `AttributeError`.
"""


class Columns:
    """Column names, grouped by the table that introduces them."""

    # keys and partition
    DS = "ds"
    USER_ID = "user_id"
    ITEM_ID = "item_id"
    EVENT_ID = "event_id"

    # events
    EVENT_TYPE = "event_type"
    VALUE = "value"
    EVENT_TS = "event_ts"
    INGESTED_TS = "ingested_ts"
    INGESTED_ASSUMED = "ingested_assumed"
    QUANTITY = "quantity"
    PRICE = "price"
    SESSION_ID = "session_id"
    DEVICE = "device"
    COUNTRY = "country"
    SOURCE = "source"

    # items
    TITLE = "title"
    DESCRIPTION = "description"
    CATEGORY = "category"
    BRAND = "brand"
    MARGIN = "margin"
    IN_STOCK = "in_stock"
    FIRST_SEEN_TS = "first_seen_ts"
    FIRST_TS = "first_ts"
    SEEN_TS = "seen_ts"

    # quarantine
    ROW = "row"
    REASON = "reason"

    # features
    DAYS_SINCE_LAST = "days_since_last"
    DAYS_SINCE_FIRST = "days_since_first"
    ACTIVE_DAYS = "active_days"
    DISTINCT_ITEMS = "distinct_items"
    SPEND = "spend"
    MEAN_PRICE = "mean_price"
    SESSIONS = "sessions"
    SESSION_DEPTH = "session_depth"
    SESSION_DWELL = "session_dwell"
    CATEGORY_AFFINITY = "category_affinity"
    BRAND_AFFINITY = "brand_affinity"
    BUYERS = "buyers"
    VISITORS = "visitors"
    TREND = "trend"
    CONVERSION = "conversion"
    AGE_DAYS = "age_days"
    PRICE_BAND = "price_band"

    # co-visitation
    OTHER_ITEM_ID = "other_item_id"
    RELATION = "relation"
    WEIGHT = "weight"
    PAIRS = "pairs"

    # lists
    SURFACE = "surface"
    KIND = "kind"
    OWNER = "owner"
    RANK = "rank"
    SCORE = "score"
    PROBABILITY = "probability"
    REASON_ITEM = "reason_item"
    BUNDLE = "bundle"

    # impressions
    SHOWN_ID = "shown_id"
    SHOWN_TS = "shown_ts"
    LIST_VERSION = "list_version"
    EXPERIMENT = "experiment"
    ARM = "arm"
    CLICKED = "clicked"
    FALLBACK = "fallback"
    STALE = "stale"

    @staticmethod
    def count(event_type: str, window_days: int) -> str:
        """Name of an event count: `count("view", 7)` is `views_7d`."""
        return f"{event_type}s_{window_days}d"


EVENT_TYPES = ("view", "cart", "purchase", "rating")
"""The event types of the lake, in order of rising commitment except `rating`, which carries a value."""

WINDOWS = (1, 7, 30, 90)
"""Feature windows in days, counted back from the end of the as-of day."""
