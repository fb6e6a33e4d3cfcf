"""Popular: what sells now, in the shopper's country where it has enough trade to say so, else everywhere."""

import numpy as np

from models.candidates.history import event_weights
from models.candidates.signals import Shared, Signal
from models.config import EventWeights
from models.interface import NO_SCORE, Floats, Ints, Reasons
from models.snapshot import Snapshot

HALF_LIFE_DAYS = 7.0
WINDOWS = {"popular_days": 2.0, "popular_months": 45.0}
"""Signals of the whole shop's popularity by their half-lives, days: what just came up, and what always sells."""
PRIOR_EVENTS = 200.0
"""Decayed events at which a country's own taste and the shop's weigh the same."""
MAX_SEGMENTS = 64


class Popular:
    """Decayed event counts, blended from the shopper's country and the whole shop."""

    name = "popular"

    def __init__(self, weights: EventWeights) -> None:
        self.weights = weights

    def prepare(self, snapshot: Snapshot) -> "PopularScorer":
        return PopularScorer(snapshot, event_weights(snapshot, self.weights))


class PopularScorer:
    """See `Popular`; `table` is float32 `[segments + 1, items]`, the last row being the whole shop."""

    def __init__(self, snapshot: Snapshot, said: Floats) -> None:
        log, items = snapshot.events, len(snapshot.items)
        decayed = said * _decay(log.age_days, HALF_LIFE_DAYS)
        shop = _shares(log.item, decayed, items)
        self._windows = {
            name: _with_order(_shares(log.item, said * _decay(log.age_days, days), items)[None])
            for name, days in WINDOWS.items()
        }
        where = (
            np.where(log.user >= 0, snapshot.country[np.maximum(log.user, 0)], -1) if len(snapshot.country) else None
        )
        self.segments, self.own_share = [], []
        rows = []
        if where is not None and len(snapshot.countries):
            trade = np.bincount(where[where >= 0], minlength=len(snapshot.countries))
            largest = np.sort(np.argsort(-trade, kind="stable")[:MAX_SEGMENTS])
            for country in largest[trade[largest] > 0]:
                here = where == country
                counted = np.bincount(log.item[here], decayed[here], items)
                share = float(here.sum() and decayed[here].sum() / (decayed[here].sum() + PRIOR_EVENTS))
                rows.append(share * counted / max(counted.sum(), 1e-9) + (1 - share) * shop)
                self.segments.append(int(country))
                self.own_share.append(share)
        self.table = np.stack([*rows, shop]).astype(np.float32) if items else np.zeros((len(rows) + 1, 0), np.float32)
        self.table[self.table <= 0] = NO_SCORE
        self.table, self._order = _with_order(self.table)
        self._names = snapshot.countries
        self._by_user = np.full(len(snapshot.users) + 1, len(self.segments), np.int32)
        for position, country in enumerate(self.segments):
            self._by_user[:-1][snapshot.country == country] = position

    def segment(self, rows: Ints) -> Ints:
        """Row of `table` for each user; a cold user's is the whole shop."""
        return self._by_user[rows]

    def signals(self, rows: Ints) -> dict[str, Signal]:
        everybody = np.zeros(len(rows), np.int32)
        windows = {name: Shared(shares, everybody, order) for name, (shares, order) in self._windows.items()}
        return {"popular": Shared(self.table, self.segment(rows), self._order), **windows}

    def explain(self, rows: Ints, items: Ints) -> Reasons:
        """The segment: the country where its own trade decides, else `all`."""
        told = [
            f"country={self._names[country]}" if share >= 0.5 else "all"
            for country, share in zip(self.segments, self.own_share, strict=True)
        ]
        value = np.array([*told, "all"], dtype=object)[self.segment(rows)]
        return Reasons(np.full(len(rows), "popular", dtype=object), value)


def _with_order(table: Floats) -> tuple[Floats, Ints]:
    return table, Shared.ranking(table)


def _decay(age_days: Floats, half_life: float) -> Floats:
    return np.exp2(-np.maximum(age_days, 0.0) / half_life).astype(np.float32)


def _shares(item: Ints, weight: Floats, items: int) -> Floats:
    """Each item's share of all weight."""
    counted = np.bincount(item, weight, items)
    return (counted / max(counted.sum(), 1e-9)).astype(np.float32)
