"""The ranked lists before they are published, and by which rules they were made."""

from lake.columns import Columns as C
from lake.tables.definition import Column, Table

LISTS = Table(
    name="lists",
    description="Every list of a night, in order; the publication copies it to Redis.",
    clock="ds is data_through: the last day whose events the lists know.",
    engine="deltalake",
    key=(C.SURFACE, C.KIND, C.OWNER, C.RANK, C.DS),
    columns=(
        Column(C.SURFACE, "string", "where the list is shown; home@treatment: to an arm of its experiment only"),
        Column(C.KIND, "string", "whose list it is", allowed=("user", "item", "segment")),
        Column(C.OWNER, "string", "user id, item id, or segment such as all or country=GB"),
        Column(C.RANK, "int", "1 is best", minimum=1),
        Column(C.ITEM_ID, "string", "item recommended"),
        Column(C.SCORE, "double", "the ranker's, moved by the surface's objectives; comparable within one list only"),
        Column(
            C.PROBABILITY,
            "double",
            "that the shopper touches the item within a label window (`window_days` of the bundle), calibrated",
            null="no shopper's list, an entry that filled up the list, or a bundle that cannot tell",
            minimum=0,
            maximum=1,
        ),
        Column(C.SOURCE, "string", "candidate source that ranked the item highest; of items: co_visitation or content"),
        Column(C.REASON, "string", "reason code, see storefront.contract"),
        Column(C.REASON_ITEM, "string", "item or value the reason rests on", null="the reason rests on none"),
        Column(C.BUNDLE, "string", "bundle version that made the list"),
        Column(C.DS, "string", "data_through, YYYY-MM-DD; the partition"),
    ),
)

LIST_RECIPES = Table(
    name="list_recipes",
    description="By which rules the lists of a day were made, a row a surface: the files may have changed since.",
    clock="ds is data_through; the row is replaced with the day's lists.",
    engine="deltalake",
    key=(C.SURFACE, C.DS),
    columns=(
        Column(C.SURFACE, "string", "where the lists are shown, or an arm of it as in `lists`"),
        Column("length", "int", "length of a list", minimum=1),
        Column("config", "string", "JSON object: the surface's file, defaults filled in"),
        Column("rules", "string", "JSON array: merchandisers' rules of all surfaces, in the order of their file"),
        Column(C.BUNDLE, "string", "bundle version that ranked"),
        Column(C.DS, "string", "data_through, YYYY-MM-DD; the partition"),
    ),
)
