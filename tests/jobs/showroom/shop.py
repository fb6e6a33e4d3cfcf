"""A shop of two published days behind the real service, with titles that are markup and ids that are not words."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pytest
import uvicorn

from jobs.publish import publish
from jobs.showroom.web import Showroom, showroom
from lake import storage
from lake.columns import Columns as C
from lake.settings import Settings
from storefront.service.app import create_app
from storefront.service.settings import ServiceSettings
from tests.models import planted
from tests.models.changes.two_days import D1, D2, TwoDays, seen
from tests.models.small_shop import write

USER = "u003"
ODD_USER, ODD_ITEM = "zoë & <b>co</b>: 1/2", "🛒:a b/?&#<i>"
SCRIPT = "<script>window.broken = true</script><img src=x onerror='window.broken = true'>"
ADJECTIVES = ("Quiet", "Ember", "Fjord", "Willow", "Harbour", "Amber", "Cinder", "Meadow", "Linen", "Copper", "Juniper")
COLOURS = ("oat", "cobalt", "moss", "rust", "ivory", "plum", "slate")
GROUPS = ("Home > Lighting", "Kitchen > Tea", "Home > Textiles", "Garden > Festive", "Office > Notebooks")


def title(item: str) -> str:
    """A title like those of a shop; one item's is an attack."""
    number = int(item[1:])
    if number == 5:
        return SCRIPT
    word = planted.WORDS[planted.group(item)]
    return f"{ADJECTIVES[number % len(ADJECTIVES)]} {word}, {COLOURS[number % len(COLOURS)]}"


def _named(settings: Settings, ds: str) -> None:
    """Give the catalogue its titles and categories."""
    rows = storage.read(settings, "items", ds=ds).to_pylist()
    for row in rows:
        row[C.TITLE], row[C.CATEGORY] = title(row[C.ITEM_ID]), GROUPS[planted.group(row[C.ITEM_ID])]
    storage.replace_days(settings, "items", pa.Table.from_pylist(rows, schema=_schema(settings)), [ds])


def _schema(settings: Settings) -> pa.Schema:
    return storage.read(settings, "items", ds=D1).schema


def opened(folder: Path, redis_url: str, patch: pytest.MonkeyPatch) -> Settings:
    """Make both days' lists and publish them; on the later one an item is sold out, and two odd names turn up."""
    house = TwoDays(folder, patch)
    house.settings = house.settings.model_copy(update={"redis_url": redis_url})
    house.data()
    for ds in (D1, D2):
        _named(house.settings, ds)
    house.lists(D1)
    gone = house.shown(D1, USER)[1]
    odd = {C.ITEM_ID: ODD_ITEM, "event_id": "odd"}
    house.sold_out(gone).happens(
        seen(USER, "i99", "purchase", hour=20.0) | odd | {"event_id": "odd1"},
        seen(ODD_USER, "i99", "purchase") | odd | {"event_id": "odd2"},
        seen(ODD_USER, "i05", "view") | {"event_id": "odd3"},
    )
    known = {C.USER_ID: ODD_USER, C.DS: D2, C.COUNTRY: "GB", C.ACTIVE_DAYS: 1, C.count("purchase", 90): 1}
    write(house.settings, "user_features", [known])
    house.lists(D2)
    for ds in (D1, D2):
        publish(house.settings, ds)
    return house.settings


@contextmanager
def served(settings: Settings, port: int, room: Showroom | None = None) -> Iterator[str]:
    """The storefront service with the showroom mounted; gives its address."""
    given = {"redis_url": settings.redis_url, "extensions": "jobs.showroom.web:router", "port": port}
    app = create_app(ServiceSettings(**given, _env_file=None))
    room = room or Showroom(settings)
    app.dependency_overrides[showroom] = lambda: room
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started and thread.is_alive():
        time.sleep(0.02)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(10)
