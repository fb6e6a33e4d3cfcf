"""Compares two days of the lake: reads both, makes the shopper's lists again and asks why they differ."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import replace
from datetime import date
from typing import TypeVar

from lake import storage
from lake.clock import parse_day
from lake.columns import Columns as C
from lake.errors import BadInput
from lake.settings import Settings
from models import surfaces
from models.bundle import Bundle
from models.changes import recipe
from models.changes.chain import Chain
from models.changes.comparison import Comparison, Day, differences, notes_on
from models.changes.making import Made, Making
from models.changes.recipe import Recipe
from models.changes.standing import Standing, standing
from models.registry import Registry
from models.snapshot import Snapshot
from storefront.contract import EVERYBODY, assign, segment

T = TypeVar("T")
Told = Callable[[str], None]
KEPT_DAYS, KEPT_PAIRS, KEPT_MAKINGS = 3, 4, 12
"""Snapshots, bundles prepared for one, and surfaces' policies on it that stay in memory, the last used of each."""


class Comparer:
    """Compares days; keeps what it loaded, so that a second shopper takes a moment. Safe to share between threads."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._turn = threading.Lock()
        self._snapshots: OrderedDict[Hashable, Snapshot] = OrderedDict()
        self._bundles: OrderedDict[Hashable, Bundle] = OrderedDict()
        self._makings: OrderedDict[Hashable, Making] = OrderedDict()

    def compare(
        self, user: str, before: str, after: str, surface: str = "home", told: Told = lambda text: None
    ) -> Comparison:
        """Compare a shopper's lists of two days.

        Args:
            user: the lake's id (a pseudonym where those are on).
            before, after: days, YYYY-MM-DD, the earlier one first.
            told: hears what is being done, a few words at a time.

        Raises:
            BadInput: days the wrong way round or without lists, a surface without shoppers' lists, no bundle.
            Unavailable: a bundle is not cached and MLflow does not answer.
        """
        if parse_day(before, "--from") >= parse_day(after, "--to"):
            raise BadInput(f"--from {before} must lie before --to {after}")
        with self._turn:
            return self._compare(user, before, after, surface, told)

    def sources(
        self, user: str, ds: str, surface: str = "home", told: Told = lambda text: None
    ) -> dict[str, list[tuple[str, int]]]:
        """Every source that proposes each item of a shopper's list of a day, by its rank.

        Returns:
            Item id -> (source, rank from 1), the best rank first; no entry for what only fills up the list.

        Raises:
            BadInput, Unavailable: see `compare`.
        """
        parse_day(ds)
        with self._turn:
            way = recipe.of_day(self._settings, ds, self._shelf(user, ds, surface))
            made = self._making(ds, way, told).of(user, self._settings.scoring_memory_mb)
            return {item: list(made.fate(item).sources) for item in made.ranks}

    def _compare(self, user: str, before: str, after: str, surface: str, told: Told) -> Comparison:
        told("reading the lists")
        if surface not in (known := surfaces.load(self._settings.surfaces)):
            raise BadInput(f"surface {surface!r} does not exist; there are {', '.join(known)}")
        shelves = [self._shelf(user, ds, surface) for ds in (before, after)]
        sides = [standing(self._settings, ds, shelf) for ds, shelf in zip((before, after), shelves, strict=True)]
        notes = tuple(each.text for each in sides if each.state != "published")
        if not sides[0].made:
            raise BadInput(f"{sides[0].text}; days with lists: {', '.join(days(self._settings)[-10:]) or 'none yet'}")
        one = recipe.of_day(self._settings, before, shelves[0])
        if "users" not in one.surface.kinds:
            raise BadInput(f"surface {surface} has no lists of shoppers; compare one that has, such as home")
        if not sides[1].made:
            # The night brought nothing new: readers go on with the lists of before.
            whose, items = self._stored(user, one, before, None)
            old, new = (Day(each, whose, items, one.bundle) for each in sides)
            return Comparison(user, surface, old, new, (*notes, f"shoppers go on seeing {before}"), (), len(items))
        other = recipe.of_day(self._settings, after, shelves[1])
        chain = self._chain(user, before, after, one, other, told)
        old, new = self._day(sides[0], one, chain.before), self._day(sides[1], other, chain.after)
        told("asking why")
        found = tuple(differences(chain, old, new))
        events = tuple((item, kind, day.isoformat()) for item, kind, day in chain.after.events(days=chain.days))
        notes += tuple(notes_on(old, new, surface))
        same = len(set(old.items) | set(new.items)) - len(found)
        return Comparison(user, surface, old, new, notes, found, same, events)

    def _shelf(self, user: str, ds: str, surface: str) -> str:
        """Where the shopper's list of a day stands: the surface, or the shopper's arm of its experiment."""
        if not standing(self._settings, ds, surface).made:
            return surface
        experiment = recipe.of_day(self._settings, ds, surface).surface.experiment
        arm = assign(experiment.assignment(), user) if experiment else None
        kept = surfaces.shelf(surface, arm)
        return kept if standing(self._settings, ds, kept).made else surface

    def _day(self, side: Standing, way: Recipe, made: Made) -> Day:
        whose, items = self._stored(made.user, way, side.ds, made.snapshot)
        as_made = items == tuple(made.ranks) if whose == "user" else None
        return Day(side, whose, items, way.bundle, as_made, way.recorded)

    def _chain(self, user: str, before: str, after: str, one: Recipe, other: Recipe, told: Told) -> Chain:
        """One thing exchanged at a time; links that exchange nothing are one."""
        wanted = [(before, one), (after, one), (after, replace(one, bundle=other.bundle)), (after, other)]
        made: dict[Hashable, Made] = {}
        links = []
        for ds, way in wanted:
            key = ds, way.key
            if key not in made:
                made[key] = self._making(ds, way, told).of(user, self._settings.scoring_memory_mb)
            links.append(made[key])
        return Chain(
            links[0], links[1], links[2], links[3], (date.fromisoformat(after) - date.fromisoformat(before)).days
        )

    def _making(self, ds: str, way: Recipe, told: Told) -> Making:
        versions = tuple(storage.version(self._settings, name) for name in ("events", "items", "item_features"))
        day = ds, versions

        def load() -> Snapshot:
            told(f"reading the day {ds}")
            return Snapshot.load(self._settings, date.fromisoformat(ds))

        snapshot = _kept(self._snapshots, day, load, KEPT_DAYS)

        def prepare() -> Bundle:
            told(f"preparing bundle {way.bundle} for {ds}")
            bundle = self._bundle(way.bundle)
            bundle.prepared(snapshot)
            return bundle

        # A bundle keeps what it prepared for one snapshot, so each pair has an object of its own.
        bundle = _kept(self._bundles, (day, way.bundle), prepare, KEPT_PAIRS)
        return _kept(self._makings, (day, way.key), lambda: Making(snapshot, bundle, way), KEPT_MAKINGS)

    def _bundle(self, version: str) -> Bundle:
        found = Registry(self._settings).resolve(version)
        if found is None:
            raise BadInput(f"bundle {version} is not registered any more, so its lists cannot be explained")
        return Bundle.load(found[1])

    def _stored(self, user: str, way: Recipe, ds: str, snapshot: Snapshot | None) -> tuple[str, tuple[str, ...]]:
        """Whose list the shopper is given on a day, and its items."""
        owners = [("user", user), *(("segment", name) for name in _segments(user, way, snapshot))]
        rows = storage.read(
            self._settings,
            "lists",
            ds=ds,
            columns=[C.KIND, C.OWNER, C.RANK, C.ITEM_ID],
            filters=[(C.SURFACE, "=", way.shelf), (C.OWNER, "in", [owner for _, owner in owners])],
        ).sort_by(C.RANK)
        lists: dict[tuple[str, str], list[str]] = {}
        for row in rows.to_pylist():
            lists.setdefault((row[C.KIND], row[C.OWNER]), []).append(row[C.ITEM_ID])
        for kind, owner in owners:
            if (kind, owner) in lists:
                return ("user" if kind == "user" else owner), tuple(lists[kind, owner])
        return "none", ()


def days(settings: Settings) -> list[str]:
    """Days with lists, ascending."""
    return storage.days(settings, "lists")


def _segments(user: str, way: Recipe, snapshot: Snapshot | None) -> list[str]:
    """What the shopper falls back to, by what was known of them."""
    if "segments" not in way.surface.kinds:
        return []
    found = []
    row = -1 if snapshot is None else int(snapshot.rows_of([user])[0])
    if snapshot is not None and row >= 0:
        known = {"country": (snapshot.country, snapshot.countries), "device": (snapshot.device, snapshot.devices)}
        codes = {name: int(known[name][0][row]) for name in way.surface.segments}
        found = [segment(name, known[name][1][code]) for name, code in codes.items() if code >= 0]
    return [*found, EVERYBODY]


def _kept(cache: OrderedDict[Hashable, T], key: Hashable, make: Callable[[], T], most: int) -> T:
    """The entry of a cache, made where it is missing; the least recently used beyond `most` go."""
    if key not in cache:
        cache[key] = make()
    cache.move_to_end(key)
    while len(cache) > most:
        cache.popitem(last=False)
    return cache[key]
