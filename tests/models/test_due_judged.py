"""What is called due is bought again, on a log where one shopper drinks coffee every ten days."""

from pathlib import Path

from lake.clock import shift
from lake.settings import Settings
from models import due_judged
from models.snapshot import Snapshot
from tests.models import small_shop

AS_OF = shift(small_shop.FIRST, 42)
SURFACES = Path(__file__).resolve().parents[2] / "surfaces"


def test_the_share_bought_again_is_counted_by_shopper_and_item(tmp_path: Path) -> None:
    settings = Settings(var=tmp_path, pseudonymise=False, surfaces=SURFACES)
    days = {"coffee": (1, 11, 21, 31), "soap": (1, 38), "lamp": (5,)}
    rows = [
        small_shop.event("u1", item, shift(small_shop.FIRST, day)) for item, bought in days.items() for day in bought
    ]
    tomorrow = shift(AS_OF, 1)
    rows += [
        small_shop.event("u1", "coffee", tomorrow),
        small_shop.event("u1", "soap", tomorrow, event_type="view"),
        small_shop.event("u2", "lamp", tomorrow),
        small_shop.event("u1", "new", tomorrow),
    ]
    small_shop.write(settings, "events", rows)
    ds = AS_OF.isoformat()
    items = [{"item_id": item, "ds": ds} for item in days]
    small_shop.write(settings, "items", items)
    small_shop.write(settings, "item_features", items)
    found = due_judged.judged(settings, Snapshot.load(settings, AS_OF), 3)
    assert found["bought before"] == {"pairs": 3, "again": 1, "shoppers": 1}
    assert found["bought on two days"] == {"pairs": 2, "again": 1, "shoppers": 1}
    assert found["due"] == {"pairs": 1, "again": 1, "shoppers": 1}
    total = due_judged.run(settings, [AS_OF, AS_OF], 3)
    assert total["due"]["pairs"] == 2
    assert total["due"]["share"] == 1.0
    assert "100.0%" in due_judged.table(total)
