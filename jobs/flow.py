"""What each command reads and writes, as names of tables and of the places beside the lake.

For lineage that leaves the house (OpenLineage); what a run really read is on record in the table `partitions`.
"""

from dataclasses import dataclass

DELIVERIES, BUNDLES, SERVED = "shop", "bundles", "served"
"""Places beside the tables: the shop's files, the registered bundles, the lists in Redis."""

FEATURES = ("items", "users", "user_features", "item_features", "co_visitation")


@dataclass(frozen=True)
class Flow:
    """Tables and places that a command reads, and those that it writes."""

    reads: tuple[str, ...]
    writes: tuple[str, ...]


FLOWS = {
    "jobs.land": Flow((DELIVERIES,), ("deliveries",)),
    "jobs.events": Flow(("deliveries",), ("events", "quarantine", "item_sightings")),
    "jobs.day": Flow(("deliveries", "events"), ("events", "quarantine", "item_sightings", *FEATURES)),
    "jobs.features": Flow(("deliveries", "events", "item_sightings"), FEATURES),
    "jobs.impressions": Flow((DELIVERIES,), ("deliveries", "impressions", "refused_impressions")),
    "models.judging": Flow(("events", *FEATURES, "lists", "decisions", BUNDLES), ("decisions",)),
    "models.training": Flow(("events", *FEATURES), (BUNDLES, "decisions")),
    "jobs.lists": Flow(("events", *FEATURES, BUNDLES), ("lists", "list_recipes", "decisions")),
    "jobs.publish": Flow(("lists",), (SERVED, "decisions")),
}
"""By module, as `python -m` takes it; commands that only plan or look are not in it."""
