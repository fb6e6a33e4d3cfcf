"""A small lake with the lists of two days, made by the real code, and room to plant one change between them."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from jobs.lists import active_users, make
from jobs.shelves import of_arms
from lake import storage
from lake.clock import shift
from lake.columns import Columns as C
from lake.settings import Settings
from models import surfaces
from models.bundle import Bundle
from models.changes import recipe
from models.changes.recipe import Recipe
from models.config import TrainingConfig, TwoTowerConfig
from models.policy import merchandising
from models.ranking import normalisation
from models.ranking.features import CROSSES, NAMES
from models.registry import Registry
from models.snapshot import Snapshot
from tests.models import planted
from tests.models.candidates.towers import random_towers
from tests.models.small_shop import event, write

DAYS = 22
AFTER = shift(planted.FIRST, DAYS - 1)
BEFORE = shift(AFTER, -1)
D1, D2 = BEFORE.isoformat(), AFTER.isoformat()
K = 12
SOURCES = ("own_items", "co_visitation", "two_tower", "linear", "popular", "new_items")
"""Those that are fitted to a snapshot in no time."""
CONFIG = TrainingConfig(
    sources=SOURCES, two_tower=TwoTowerConfig(dim=8, title_buckets=64), per_source=12, candidates=30
)
REPOSITORY = Path(__file__).resolve().parents[3]
SHOPPERS = [f"u{number:03d}" for number in range(1, 13)]
"""Those who get a list of their own; the others only make the log."""
Rows = list[dict[str, Any]]


def ranker(seed: int) -> dict[str, np.ndarray]:
    """A ranker that nobody trained: any function of the features will do to be explained."""
    rng, width = np.random.default_rng(seed), len(NAMES)
    shapes = {"kernel_0": (2, width + 4, 6), "bias_0": (2, 6), "kernel_1": (2, 6, 1), "bias_1": (2, 1)}
    arrays = {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    arrays["item_table"] = rng.normal(size=(64, 4)).astype(np.float32)
    arrays["wide_table"] = rng.normal(size=(len(CROSSES), 64)).astype(np.float32)
    return {**arrays, **normalisation.learn(rng.normal(size=(500, width)).astype(np.float32))}


def seen(user: str | None, item: str, kind: str = "view", hour: float = 12.0, day: date = AFTER) -> dict[str, Any]:
    """A further event, of the later day unless told."""
    more = {"event_type": kind, "session_id": f"more-{user}", "price": 1.0 + int(item[1:]), "country": "GB"}
    return event(user, item, day, hour=hour, quantity=1.0, **more)


class TwoDays:
    """The lake, its surfaces and its bundles: `1` and `2` differ in the ranker alone, `plain` has none."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.surfaces = folder / "surfaces"
        self.surfaces.mkdir()
        for file in (REPOSITORY / "surfaces").glob("*.yaml"):
            (self.surfaces / file.name).write_text(file.read_text())
        self.settings = Settings(var=folder / "var", pseudonymise=False, list_length=K, surfaces=self.surfaces)
        towers, told = random_towers(planted.ITEMS), {"trained_through": D1}
        bundles = {
            "1": Bundle(told, CONFIG, towers, ranker(1)),
            "2": Bundle(told, CONFIG, towers, ranker(2)),
            "plain": Bundle(told, CONFIG.model_copy(update={"sources": ("own_items", "popular")})),
        }
        self.bundles = {version: bundle.save(folder / "bundles" / version) for version, bundle in bundles.items()}
        monkeypatch.setattr(Registry, "resolve", lambda _, wanted: (wanted, self.bundles[wanted]))

    def data(self, *, quiet: bool = False) -> "TwoDays":
        """Write events and features of both days; `quiet`: nobody comes on the later one."""
        rows: Rows = [row for row in planted.events(DAYS) if not (quiet and row[C.DS] == D2)]
        tables = {"events": rows}
        for day in (BEFORE, AFTER):
            for name, made in planted.features(rows, day).items():
                tables.setdefault(name, []).extend({C.IN_STOCK: True} | row for row in made)
        for name, table in tables.items():
            write(self.settings, name, table)
        return self

    def sold_out(self, *items: str) -> "TwoDays":
        """Put items out of stock on the later day."""
        rows = storage.read(self.settings, "items", ds=D2)
        stock = [item not in items for item in rows[C.ITEM_ID].to_pylist()]
        at = rows.schema.get_field_index(C.IN_STOCK)
        storage.replace_days(self.settings, "items", rows.set_column(at, C.IN_STOCK, pa.array(stock)), [D2])
        return self

    def lists(self, ds: str, bundle: str = "1", *, keep: bool = True) -> "TwoDays":
        """Make and store a day's lists by the files as they are now, without gates."""
        settings, shown = self.settings, surfaces.load(self.surfaces)
        rules, snapshot = merchandising.load(settings), self.snapshot(ds)
        active = active_users(snapshot, settings.active_days)
        users = [user for user in active if user in SHOPPERS or not user.startswith("u")]
        pinned = self.bundle(bundle)
        arms, _ = of_arms(shown, (bundle, pinned), lambda wanted: (wanted, self.bundle(wanted)))
        made = make(settings, pinned, bundle, snapshot, list(shown.values()), users, rules, arms)
        storage.replace_days(settings, "lists", made, [ds])
        if keep:
            ways = [Recipe(each, each.k or K, rules, bundle, each.name) for each in shown.values()]
            ways += [Recipe(each.surface, each.surface.k or K, rules, each.version, each.name) for each in arms]
            recipe.keep(settings, ds, ways)
        return self

    def happens(self, *events: Mapping[str, Any]) -> "TwoDays":
        """Add events of the later day once the earlier one's lists are known."""
        write(self.settings, "events", events)
        return self

    def bundle(self, version: str) -> Bundle:
        return Bundle.load(self.bundles[version])

    def snapshot(self, ds: str) -> Snapshot:
        return Snapshot.load(self.settings, BEFORE if ds == D1 else AFTER)

    def rules(self, text: str) -> "TwoDays":
        """Replace the merchandisers' rules; nothing removes them."""
        (self.surfaces / "merchandising.yaml").write_text(text or "rules: []")
        return self

    def edit(self, surface: str, old: str, new: str) -> "TwoDays":
        """Change a surface's file."""
        file = self.surfaces / f"{surface}.yaml"
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new))
        return self

    def shown(self, ds: str, user: str, surface: str = "home") -> list[str]:
        """Items of a stored list, best first."""
        filters = [(C.SURFACE, "=", surface), (C.KIND, "=", "user"), (C.OWNER, "=", user)]
        rows = storage.read(self.settings, "lists", ds=ds, columns=[C.RANK, C.ITEM_ID], filters=filters)
        return list(rows.sort_by(C.RANK)[C.ITEM_ID].to_pylist())
