"""What moves an entry up or down without deciding its place: the surface's weights, seasons and merchandisers' boosts.

The ranker's scores compare items within one shopper only: one's lie between 1 and 2, another's between -5 and 5. So
everything is added in units of the shopper's own spread,

    adjusted(u, i) = score(u, i) + spread(u) * (w_popularity * z_popularity(i) + w_margin * z_margin(i)
                                                + w_cross_sell * fit(u, i) + sum of boosts that hold for u and i)

with spread(u) the standard deviation of the scores of u's candidates and z(i) a value in standard deviations from the
mean of the items that may be shown. A weight of 1 hence means the same for every shopper and every value. Variety is
subtracted after that: see `variety_cost`.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from models.interface import Ints
from models.policy.audience import Audience
from models.policy.complements import BasketFit
from models.policy.diversity import position_in_group
from models.policy.entries import Entries
from models.policy.merchandising import Prepared
from models.policy.objectives import Objectives
from models.snapshot import Snapshot

LIMIT = 3.0
"""Standard deviations beyond which a value counts no more: one odd margin must not decide every list."""


def standardised(values: NDArray[np.floating], among: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Values as standard deviations from the mean of some items, within +-LIMIT; 0 where unknown or all alike."""
    known = among & np.isfinite(values)
    if not known.any() or values[known].std() == 0:
        return np.zeros(len(values))
    mean, deviation = values[known].mean(dtype=np.float64), values[known].std(dtype=np.float64)
    return np.clip(np.nan_to_num((values - mean) / deviation, nan=0.0), -LIMIT, LIMIT)


def spreads(user: Ints, score: NDArray[np.floating], users: int) -> NDArray[np.float64]:
    """Standard deviation of each user's scores, `[users]`; 1 where they are all equal, so that weights still order."""
    count = np.maximum(np.bincount(user, minlength=users), 1)
    mean = np.bincount(user, score, minlength=users) / count
    deviation = np.sqrt(np.bincount(user, (score - mean[user]) ** 2, minlength=users) / count)
    return np.where(deviation > 1e-9, deviation, 1.0)


def variety_cost(user: Ints, category: Ints) -> NDArray[np.float64]:
    """log2 of an entry's place among its user's entries of one category: 0, 1, 1.6, 2; nothing where it is unknown.

    Subtracting it and sorting picks greedily, as maximal marginal relevance does (Carbonell, Goldstein, SIGIR 1998)
    with the number of entries chosen before as similarity: within a category the order stays, so each entry's cost is
    known beforehand.
    """
    return np.where(category >= 0, np.log2(position_in_group(user, category) + 1.0), 0.0)


class Preferences:
    """A surface's weights and boosts made ready for a snapshot; immutable.

    Args:
        shares: `[items]`, what is sold, adding up to one.
        allowed: bool `[items]`, what may be shown.
        boosts: merchandisers' rules that boost.

    Attributes:
        move_segments: whether a season or boost moves fallback lists, too.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        wanted: Objectives,
        shares: NDArray[np.float64],
        allowed: NDArray[np.bool_],
        boosts: tuple[Prepared, ...] = (),
    ) -> None:
        self._wanted, self._boosts = wanted, boosts
        self._category = snapshot.catalogue.category
        self._popularity = standardised(np.log1p(shares * len(shares)), allowed)
        self._for_all = wanted.margin * standardised(snapshot.catalogue.margin, allowed)
        self._season = np.zeros(len(shares))
        for season in wanted.seasons:
            if season.holds(snapshot.as_of):
                self._season += season.boost * season.what.matches(snapshot)
        self._fit = BasketFit(snapshot, wanted.cross_sell.basket_days) if wanted.cross_sell.weight else None
        weights = {wanted.popularity, wanted.new_shoppers.popularity or 0.0}
        self._moves = bool(weights - {0.0} or self._for_all.any() or self._fit or wanted.variety)
        self.move_segments = bool(self._season.any() or boosts)

    def ordered(self, entries: Entries, audience: Audience) -> Entries:
        """Candidates with adjusted scores, best first; as they are where nothing is wanted.

        Args:
            entries: each user's candidates, best first.
        """
        if not len(entries) or not (self._moves or self.move_segments):
            return entries
        user, item, wanted = entries.user, entries.item, self._wanted
        of_new = wanted.popularity if wanted.new_shoppers.popularity is None else wanted.new_shoppers.popularity
        popularity = np.where(audience.new, of_new, wanted.popularity)
        moved = popularity[user] * self._popularity[item] + self._for_all[item]
        if self._fit:
            moved += wanted.cross_sell.weight * self._fit.of(audience.row, user, item)
        return self._sorted(entries, audience, moved, wanted.variety)

    def ordered_segments(self, entries: Entries, audience: Audience) -> Entries:
        """Fallback lists by seasons and boosts alone: they are popularity itself, and nobody's basket."""
        if not len(entries) or not self.move_segments:
            return entries
        return self._sorted(entries, audience, np.zeros(len(entries)), 0.0)

    def _sorted(self, entries: Entries, audience: Audience, moved: NDArray[np.float64], variety: float) -> Entries:
        user, item = entries.user, entries.item
        moved = moved + self._season[item]
        for boost in self._boosts:
            moved += (boost.rule.boost or 0.0) * (boost.matches[item] & boost.meets(audience)[user])
        spread = spreads(user, entries.score, len(audience))[user]
        entries = replace(entries, score=(entries.score + spread * moved).astype(np.float32))
        order = np.lexsort((np.arange(len(entries)), -entries.score, user))
        entries, spread = entries.take(order), spread[order]
        if variety:
            cost = variety * spread * variety_cost(entries.user, self._category[entries.item])
            entries = replace(entries, score=(entries.score - cost).astype(np.float32))
            entries = entries.take(np.lexsort((np.arange(len(entries)), -entries.score, entries.user)))
        return entries
