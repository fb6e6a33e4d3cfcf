"""What counts as touched."""

from pathlib import Path

from lake.clock import shift
from lake.settings import Settings
from models import labels
from models.config import EventWeights
from tests.models.small_shop import FIRST, event, write


def test_distinct_items_of_known_shoppers_within_the_days(tmp_path: Path) -> None:
    settings = Settings(var=tmp_path)
    write(
        settings,
        "events",
        [
            event("u1", "a", FIRST, event_type="view"),
            event("u1", "a", FIRST, hour=13.0),
            event("u1", "b", shift(FIRST, 1), event_type="cart"),
            event("u1", "c", shift(FIRST, 2)),
            event(None, "d", FIRST),
        ],
    )
    assert labels.touched(settings, FIRST, shift(FIRST, 1)) == {"u1": {"a", "b"}}
    weights = EventWeights(view=1, cart=2, purchase=5)
    assert labels.gains(settings, FIRST, shift(FIRST, 1), weights) == {"u1": {"a": 5, "b": 2}}
    assert labels.touched(settings, shift(FIRST, 5), shift(FIRST, 6)) == {}


def test_a_rating_counts_if_the_source_calls_it_liking(tmp_path: Path) -> None:
    settings = Settings(var=tmp_path, source=Path(__file__).parents[2] / "sources" / "movielens.yaml")
    rated = [event("u1", item, FIRST, event_type="rating", value=value) for item, value in (("a", 5.0), ("b", 1.0))]
    write(settings, "events", rated)
    assert labels.touched(settings, FIRST, FIRST) == {"u1": {"a"}}
