"""How the shop hands over its log: one file a day, with the late, repeated and broken rows that logs have.

A day's file holds what happened that day and was not held back, what was held back on the three days before, and the
rows that went wrong. It depends on those four days only, so a file never changes when the shop is extended.
"""

import csv
import gzip
import io
import json
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any

import numpy as np

from sources.demo_shop.catalogue import catalogue, rows
from sources.demo_shop.chance import Ints, of_day
from sources.demo_shop.exposures import delivered, exposures, followed
from sources.demo_shop.exposures import lines as exposure_lines
from sources.demo_shop.sessions import TYPES, Events, happenings
from sources.demo_shop.shop import Shop
from sources.demo_shop.shoppers import country_codes, device_names

LATE = (0.008, 0.003, 0.001)
"""Share of the events that arrive one, two and three days late."""
DUPLICATED = 0.004
"""Share of a file's rows that stand in it twice."""
REDELIVERED = 0.001
"""Share of a day's events that come again, unchanged, in the next day's file."""
BROKEN = 0.004
"""Share of a file's rows that are broken, on top of the sound ones."""

BREAKS: dict[str, dict[str, Any]] = {
    "bad_quantity": {"event": "purchase", "quantity": "two"},
    "bad_timestamp": {"ts": "yesterday around noon"},
    "unknown_event_type": {"event": "hover"},
    "negative_price": {"price": -9.99},
    "far_future": {"ts": "2099-01-01T00:00:00Z"},
    "weeks_old": {},
    "long_user_id": {"shopper": "x" * 10_000},
    "missing_item": {"item": None},
}
"""What goes wrong with a broken row: the fields that differ from a sound one (`weeks_old` moves `ts` 40 days back)."""

CATALOGUE_COLUMNS = ("item", "title", "description", "category", "brand", "price", "margin", "stock")


@dataclass(frozen=True)
class Day:
    """What happened on a day, as JSON lines, and the fate of each: days late, whether it comes again tomorrow.

    `shown` is the exposure log, None where no experiment runs.
    """

    events: Events
    lines: list[str]
    late: Ints
    again: Ints
    shown: list[str] | None


@dataclass
class Delivery:
    """One day's file and what is known to be in it."""

    content: bytes
    facts: dict[str, Any] = field(default_factory=dict)


@lru_cache(maxsize=6)
def _day(shop: Shop, day: date) -> Day:
    happened, goods, rng = happenings(shop, day), catalogue(shop, day), of_day(shop.seed, "delivery", day)
    shown = exposures(shop, day, happened)
    events = followed(happened, shown)
    n = len(events)
    late = np.searchsorted(np.cumsum(LATE), rng.random(n), side="right") + 1
    late = np.where((late > len(LATE)) | events.bot, 0, late)
    again = np.flatnonzero((late == 0) & (rng.random(n) < REDELIVERED))
    on_time = events.second + rng.integers(1, 120, n)
    received = np.where(late > 0, late * 86_400 + rng.integers(0, 86_400, n), on_time)
    stamp = f"{day:%Y%m%d}"
    start = np.datetime64(day, "s")
    lines = [
        f'{{"event_id":"{stamp}-{number:06d}","shopper":{who},"item":"{item}","event":"{TYPES[kind]}","ts":"{ts}Z",'
        f'"received":"{arrival}Z","quantity":{quantity or "null"},"price":{price},"session":"{stamp}-{session}",'
        f'"device":"{device}","country":"{country}"}}'
        for number, (who, item, kind, ts, arrival, quantity, price, session, device, country) in enumerate(
            zip(
                ["null" if user is None else f'"{user}"' for user in events.user_id.tolist()],
                goods.item_id[events.item].tolist(),
                events.type.tolist(),
                np.datetime_as_string(start + events.second.astype("timedelta64[s]")).tolist(),
                np.datetime_as_string(start + received.astype("timedelta64[s]")).tolist(),
                events.quantity.tolist(),
                goods.price[events.item].tolist(),
                events.session.tolist(),
                device_names(events.device),
                country_codes(events.country),
                strict=True,
            )
        )
    ]
    return Day(events, lines, late, again, None if shown is None else exposure_lines(shop, day, happened, shown))


def delivery(shop: Shop, day: date) -> Delivery:
    """The event file that arrives for a day (gzipped JSON lines) and its facts."""
    today, rng = _day(shop, day), of_day(shop.seed, "file", day)
    lines = [today.lines[i] for i in np.flatnonzero(today.late == 0).tolist()]
    arrived_late = 0
    for days in range(1, len(LATE) + 1):
        before = _day(shop, day - timedelta(days=days))
        held_back = np.flatnonzero(before.late == days).tolist()
        arrived_late += len(held_back)
        lines += [before.lines[i] for i in held_back]
    yesterday = _day(shop, day - timedelta(days=1))
    lines += [yesterday.lines[i] for i in yesterday.again.tolist()]
    twice = np.flatnonzero(rng.random(len(lines)) < DUPLICATED).tolist()
    lines += [lines[i] for i in twice]
    broken, kinds = _broken(today.lines, day, rng)
    lines += broken
    # the log is written as rows arrive; what is sound and on time stays in order, the rest stands anywhere
    on_time = int((today.late == 0).sum())
    places = np.concatenate([np.arange(on_time), rng.integers(0, max(on_time, 1), len(lines) - on_time)])
    lines = [lines[i] for i in np.argsort(places, kind="stable").tolist()]
    events = today.events
    facts = {
        "happened": len(events),
        "by_type": {name: int((events.type == code).sum()) for code, name in enumerate(TYPES)},
        "anonymous": sum(user is None for user in events.user_id.tolist()),
        "bot_views": int(events.bot.sum()),
        "shoppers": len({user for user in events.user_id[~events.bot].tolist() if user}),
        "held_back": int((today.late > 0).sum()),
        "rows": len(lines),
        "late_rows": arrived_late,
        "redelivered_rows": len(yesterday.again),
        "duplicate_rows": len(twice),
        "broken_rows": len(broken),
        "broken": kinds,
    }
    return Delivery(_packed("\n".join(lines) + "\n"), facts)


def exposure_file(shop: Shop, day: date) -> bytes | None:
    """The exposure log that arrives for a day (gzipped JSON lines); None where no experiment ran."""
    today, before = _day(shop, day).shown, _day(shop, day - timedelta(days=1)).shown
    if today is None:
        return None
    return _packed("".join(f"{line}\n" for line in delivered(shop, day, today, before or [])))


def _broken(lines: list[str], day: date, rng: np.random.Generator) -> tuple[list[str], dict[str, int]]:
    """Copies of sound rows under ids of their own, each broken in one way, and how many of each kind."""
    count, names = int(rng.poisson(BROKEN * len(lines))), list(BREAKS)
    broken, kinds = [], [names[i] for i in rng.integers(0, len(names), count).tolist()]
    for number, (kind, victim) in enumerate(zip(kinds, rng.integers(0, len(lines), count).tolist(), strict=True)):
        row = {**json.loads(lines[victim]), "event_id": f"{day:%Y%m%d}-x{number:05d}", **BREAKS[kind]}
        if kind == "weeks_old":
            row["ts"] = (
                f"{datetime(day.year, day.month, day.day, 12, tzinfo=UTC) - timedelta(days=40):%Y-%m-%dT%H:%M:%SZ}"
            )
        broken.append(json.dumps(row, separators=(",", ":")))
    return broken, dict(sorted(Counter(kinds).items()))


def catalogue_file(shop: Shop, day: date) -> bytes:
    """The catalogue as known on a day: gzipped CSV with a header."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(CATALOGUE_COLUMNS)
    writer.writerows(rows(shop, day))
    return _packed(text.getvalue())


def _packed(text: str) -> bytes:
    """Gzip without a time in its header, so that the same content gives the same bytes."""
    return gzip.compress(text.encode(), compresslevel=6, mtime=0)
