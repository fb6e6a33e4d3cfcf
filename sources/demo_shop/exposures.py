"""What the storefront showed while an experiment ran: a list a visit, the clicks, and the views that follow them.

The shop has no recommender of its own; it shows what the shopper is likeliest to look at, the same in both arms. What
differs is how often shoppers click and check out, which is what an experiment can see.
"""

import json
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from sources.demo_shop.catalogue import catalogue
from sources.demo_shop.chance import Ints, of_day
from sources.demo_shop.oracle import preference
from sources.demo_shop.sessions import VIEW, Events
from sources.demo_shop.shop import Shop
from sources.demo_shop.shoppers import people
from sources.demo_shop.trial import NAME
from storefront.contract import CONTROL, make_version

SHOWN = 10
CLICK, DECAY = 0.10, 0.6
"""How often the first item of a list is clicked, and how that falls with the rank: rank to the minus `DECAY`."""
LATE, TWICE, BROKEN = 0.005, 0.004, 0.002
"""Share of the lists that are told a day late, twice, and in a line that cannot be read."""


@dataclass(frozen=True)
class Exposures:
    """Lists shown on a day, by time: second, row of the session's first event, items [n, SHOWN], clicked [n, SHOWN]."""

    second: Ints
    first: Ints
    item: Ints
    clicked: NDArray[np.bool_]


def exposures(shop: Shop, day: date, events: Events) -> Exposures | None:
    """One list to each known visitor at the beginning of a visit; None where no experiment runs."""
    trial = shop.trial
    if trial is None or day < trial.since:
        return None
    rng, goods, everybody = of_day(shop.seed, "exposures", day), catalogue(shop, day), people(shop, day)
    row_of = {user: row for row, user in enumerate(everybody.user_id().tolist())}
    _, first = np.unique(events.session, return_index=True)
    first = np.array([row for row in np.sort(first) if events.user_id[row] in row_of], dtype=np.int64)
    users = events.user_id[first]
    liked = np.where(goods.in_stock, preference(shop, day, everybody), -1.0)
    best = np.argsort(-liked, axis=1, kind="stable")[:, :SHOWN]
    item = best[[row_of[user] for user in users.tolist()]].reshape(len(first), SHOWN)
    chance = CLICK * np.arange(1, SHOWN + 1) ** -DECAY * trial.lift(users, day)[:, None]
    return Exposures(events.second[first], first, item, rng.random(item.shape) < chance)


def followed(events: Events, shown: Exposures | None) -> Events:
    """The day's events with a view after each click, by time."""
    if shown is None:
        return events
    lists, place = np.nonzero(shown.clicked)
    row = shown.first[lists]
    more = {name: getattr(events, name)[row] for name in ("user_id", "session", "device", "country", "bot")} | {
        "second": np.minimum(shown.second[lists] + 2 + 3 * place, 86_399),
        "item": shown.item[lists, place],
        "type": np.full(len(row), VIEW),
        "quantity": np.zeros(len(row), dtype=np.int64),
    }
    whole = Events(*(np.concatenate([getattr(events, each.name), more[each.name]]) for each in fields(Events)))
    return whole.take(np.argsort(whole.second, kind="stable"))


def lines(shop: Shop, day: date, events: Events, shown: Exposures) -> list[str]:
    """The day's exposure log, as `docs/experiments.md` defines it.

    Args:
        events: those that `shown` was made of.
    """
    assert shop.trial is not None
    ids, start = catalogue(shop, day).item_id, datetime(day.year, day.month, day.day, tzinfo=UTC)
    made = start + timedelta(hours=2, minutes=15)
    versions = {None: make_version(made, "00000c"), shop.trial.arm: make_version(made, "00000a")}
    told = []
    for number, (second, user) in enumerate(
        zip(shown.second.tolist(), events.user_id[shown.first].tolist(), strict=True)
    ):
        arm = shop.trial.arm_of(user)
        items = zip(ids[shown.item[number]].tolist(), shown.clicked[number].tolist(), strict=True)
        row = {
            "shown_id": f"{day:%Y%m%d}-{number:06d}",
            "shown_ts": f"{start + timedelta(seconds=second):%Y-%m-%dT%H:%M:%SZ}",
            "surface": shop.trial.surface,
            "user_id": user,
            "experiment": NAME,
            "arm": arm or CONTROL,
            "list_version": versions[arm],
            "fallback": "user",
            "items": [
                {"item_id": item, "rank": rank, "clicked": clicked} for rank, (item, clicked) in enumerate(items, 1)
            ],
        }
        told.append(json.dumps(row, separators=(",", ":")))
    return told


def delivered(shop: Shop, day: date, today: list[str], before: list[str]) -> list[str]:
    """The lines that arrive for a day: late ones of the day before, repeated ones, and some that nobody can read."""

    def held_back(when: date, count: int) -> NDArray[np.bool_]:
        return of_day(shop.seed, "exposures late", when).random(count) < LATE

    rng = of_day(shop.seed, "exposure file", day)
    late = held_back(day - timedelta(days=1), len(before))
    arrived = [line for line, is_late in zip(before, late, strict=True) if is_late]
    arrived += [line for line, is_late in zip(today, held_back(day, len(today)), strict=True) if not is_late]
    arrived += [line for line, again in zip(arrived, rng.random(len(arrived)) < TWICE, strict=True) if again]
    broken = [line[: len(line) // 2] for line, cut in zip(today, rng.random(len(today)) < BROKEN, strict=True) if cut]
    return arrived + broken
