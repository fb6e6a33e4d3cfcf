"""When people come, and the machines that come with them: weekly and daily seasons, bots."""

from dataclasses import dataclass
from datetime import date

import numpy as np

from sources.demo_shop.chance import Floats, Ints
from sources.demo_shop.shop import Shop

WEEKDAYS = (1.10, 1.00, 0.92, 0.96, 0.84, 0.90, 1.28)
"""Traffic by day of the week, Monday first; the mean is 1."""
HOURS = {
    "mobile": (2, 1, 1, 1, 1, 2, 4, 6, 6, 5, 5, 5, 7, 6, 5, 5, 6, 7, 8, 10, 12, 12, 9, 5),
    "desktop": (1, 0, 0, 0, 0, 1, 2, 4, 8, 11, 12, 11, 9, 10, 11, 10, 9, 7, 5, 6, 7, 6, 4, 2),
    "tablet": (1, 0, 0, 0, 0, 1, 2, 4, 5, 6, 6, 6, 6, 6, 6, 6, 6, 7, 9, 12, 14, 12, 8, 3),
}
"""Weight of each hour of the day (UTC) by device, in the order of `vocabulary.DEVICES`."""
BOT_VIEWS = (150, 320)


def weekday_factor(day: date) -> float:
    return WEEKDAYS[day.weekday()]


def start_seconds(device: Ints, rng: np.random.Generator) -> Ints:
    """Second of the day (UTC) at which a session begins, by device."""
    hour = np.zeros(len(device), dtype=np.int64)
    for code, weights in enumerate(HOURS.values()):
        rows = np.flatnonzero(device == code)
        hour[rows] = rng.choice(24, len(rows), p=np.array(weights) / sum(weights))
    return hour * 3600 + rng.integers(0, 3600, len(device))


@dataclass(frozen=True)
class BotViews:
    """One entry a view: second of the day, place of the article, number of the bot's account."""

    second: Ints
    item: Ints
    account: Ints


def bots(shop: Shop) -> Ints:
    """Account numbers of the bots; they look like any other account, just after the last shopper's."""
    return shop.shoppers + np.arange(max(1, shop.shoppers // 800))


def bot_views(shop: Shop, day: date, items: int, rng: np.random.Generator) -> BotViews:
    """Hundreds of views within minutes, of anything; a small shop sees a bot on few days."""
    every = min(0.5, shop.shoppers / 1600)
    active: Floats = rng.random(len(bots(shop)))
    seconds, accounts = [], []
    for number in bots(shop)[active < every].tolist():
        count = int(rng.integers(*BOT_VIEWS))
        start = int(rng.integers(0, 86_400 - 1_200))
        seconds.append(start + np.sort(rng.integers(0, 3 * count, count)))
        accounts.append(np.full(count, number))
    second = np.concatenate(seconds) if seconds else np.zeros(0, dtype=np.int64)
    account = np.concatenate(accounts) if accounts else np.zeros(0, dtype=np.int64)
    return BotViews(second, rng.integers(0, items, len(second)), account)
