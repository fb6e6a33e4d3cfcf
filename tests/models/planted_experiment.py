"""Shoppers of an experiment with a planted effect, and the tables that an analysis reads of them; no Spark."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import numpy as np
import numpy.typing as npt

from lake.clock import DayRange, day_start
from lake.settings import Settings
from models.exposed import Exposed, _derived
from storefront.contract import CONTROL, Experiment, assign
from tests.models import small_shop

EXPERIMENT = Experiment("tries", "tries", {"treatment": 0.5})
WINDOW = DayRange.parse(start="2026-11-01", end="2026-11-14")
CLICK, BUY, SPEND = 0.05, 0.3, 20.0
SHOWN = 10


def shoppers(count: int, factor: float, rng: np.random.Generator, arm: npt.NDArray[np.str_] | None = None) -> Exposed:
    """Shoppers as an analysis reads them, drawn at once: clicks and orders are `factor` times as many in the arm.

    What a shopper spends before and during the experiment goes together, as it does in shops.
    """
    arm = rng.choice([CONTROL, "treatment"], count) if arm is None else arm
    lift = np.where(arm == "treatment", factor, 1.0)
    keen = rng.gamma(2.0, 0.5, count)
    lists = 1 + rng.poisson(3 * keen)
    shown = SHOWN * lists
    clicks = rng.binomial(shown, np.minimum(1, CLICK * lift * rng.gamma(4.0, 0.25, count)))
    orders = rng.poisson(BUY * keen * lift)
    revenue = np.where(orders, rng.gamma(2 * np.maximum(orders, 1), SPEND / 2), 0.0)
    before = rng.poisson(4 * BUY * keen) * SPEND
    columns: Mapping[str, Any] = {
        "lists": lists, "shown": shown, "clicks": clicks, "orders": orders, "revenue": revenue,
        "pieces": orders + rng.poisson(orders), "before": before,
        "fallbacks": rng.binomial(lists, 0.1), "stales": np.zeros(count),
    }  # fmt: skip
    typed = {name: np.asarray(values, dtype=np.float64) for name, values in columns.items()}
    return Exposed(arm, _derived(typed), 0, 0, 0, True, "2026-11-01", [])


def write(settings: Settings, count: int, factor: float, seed: int = 1, *, broken: float = 0.0) -> Exposed:
    """Put shoppers into `impressions` and `events`, dealt out by the contract.

    Args:
        broken: share of the arm's shoppers of whom the storefront logs nothing.
    """
    rng = np.random.default_rng(seed)
    users = [f"u{number}" for number in range(count)]
    arm = np.array([assign(EXPERIMENT, user) or CONTROL for user in users])
    drawn = shoppers(count, factor, rng, arm)
    lost = (arm != CONTROL) & (rng.random(count) < broken)
    shown, bought = [], []
    for number, user in enumerate(users):
        first = day_start(WINDOW.first) + timedelta(minutes=number)
        clicks = int(drawn.columns["clicks"][number])
        for visit in range(int(drawn.columns["lists"][number]) if not lost[number] else 0):
            shown += [
                row(user, arm[number], f"{user}-{visit}", rank, first + timedelta(hours=visit), rank <= clicks)
                for rank in range(1, SHOWN + 1)
            ]
            clicks -= SHOWN
        orders = int(drawn.columns["orders"][number])
        for order in range(orders):
            at = first + timedelta(days=1, hours=order)
            bought.append(purchase(user, f"{user}-o{order}", at, drawn.columns["revenue"][number] / orders))
        bought.append(purchase(user, f"{user}-b", first - timedelta(days=9), drawn.columns["before"][number]))
    small_shop.write(settings, "impressions", shown)
    small_shop.write(settings, "events", bought)
    return drawn


def row(user: str | None, arm: str | None, shown_id: str, rank: int, at: Any, clicked: bool, **more: Any) -> Any:
    return {
        "shown_id": shown_id, "surface": "home", "user_id": user, "item_id": f"i{rank}", "rank": rank, "arm": arm,
        "list_version": "v", "experiment": EXPERIMENT.name, "fallback": "user", "stale": False, "shown_ts": at,
        "clicked": clicked, "ds": at.date().isoformat(),
    } | more  # fmt: skip


def purchase(user: str, basket: str, at: Any, price: float, **more: Any) -> dict[str, Any]:
    return {
        "event_id": f"{basket}-{at}", "user_id": user, "item_id": "i1", "event_type": "purchase", "event_ts": at,
        "quantity": 1.0, "price": price, "session_id": basket, "ds": at.date().isoformat(),
    } | more  # fmt: skip
