"""Every table of the lake, by name."""

from lake.tables.decisions import DECISIONS
from lake.tables.definition import Column, Table
from lake.tables.deliveries import DELIVERIES, PARTITIONS
from lake.tables.events import EVENTS, IMPRESSIONS, QUARANTINE, REFUSED_IMPRESSIONS
from lake.tables.experiments import EXPERIMENTS
from lake.tables.features import CO_VISITATION, ITEM_FEATURES, USER_FEATURES
from lake.tables.items import ITEM_SIGHTINGS, ITEMS, USERS
from lake.tables.lists import LIST_RECIPES, LISTS

TABLES: dict[str, Table] = {
    table.name: table
    for table in (
        EVENTS,
        IMPRESSIONS,
        ITEMS,
        ITEM_SIGHTINGS,
        USERS,
        QUARANTINE,
        REFUSED_IMPRESSIONS,
        USER_FEATURES,
        ITEM_FEATURES,
        CO_VISITATION,
        LISTS,
        LIST_RECIPES,
        DECISIONS,
        EXPERIMENTS,
        DELIVERIES,
        PARTITIONS,
    )
}

__all__ = ["TABLES", "Column", "Table"]
