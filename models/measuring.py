"""One ranker's figures on one window, from the lists that it makes."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from models import metrics
from models.auc_estimator import DayAuc
from models.baselines import ListMaker, Lists
from models.comparison import MEASURES, TARGETS, Measured
from models.list_metrics import ListMeter, gini
from models.metrics import Floats
from models.segments_of_users import ITEM_CLASSES
from models.snapshot import Snapshot
from models.targets import Targets


@dataclass(frozen=True)
class Yardstick:
    """What every ranker of one window is measured with.

    Attributes:
        strangers: shoppers of the window whom the snapshot does not know; None leaves them out.
    """

    snapshot: Snapshot
    targets: Targets
    meter: ListMeter
    k: int
    strangers: Targets | None = None

    def measure(self, maker: ListMaker, pairs: DayAuc | None) -> Measured:
        """Ask for lists and judge them; a target for which there are none has no figures.

        Args:
            pairs: how well the ranker tells true items from popular ones; None where it scores no pairs.
        """
        values: dict[str, Floats] = {}
        numbers: dict[str, float] = {}
        places = np.zeros(self.k, np.int64)
        for target in TARGETS:
            lists = maker(self.snapshot, self.targets.users, self.k, target == "new")
            if lists is None:
                continue
            values |= self._accuracy(lists, self.targets, target)
            values |= {
                f"{target}.novelty": self.meter.novelty(lists),
                f"{target}.diversity": self.meter.diversity(lists),
                f"{target}.new_items": self.meter.new_share(lists),
            }
            numbers[f"{target}.coverage"] = metrics.coverage(lists, len(self.snapshot.items), self.k)
            numbers[f"{target}.gini"] = gini(lists, len(self.snapshot.items))
            if target == "all":
                values |= self._by_item_class(lists)
                hit = metrics.hits(lists, self.targets.user, self.targets.item)
                places[: hit.shape[1]] = hit.sum(axis=0)
        if pairs is not None:
            by_user = dict(zip(pairs.users.tolist(), pairs.auc.tolist(), strict=True))
            values["gauc"] = np.array([by_user.get(user, np.nan) for user in self.targets.users])
            numbers["auc"] = pairs.pooled
        return Measured(values, numbers, self._cold(maker), places)

    def _accuracy(self, lists: Lists, targets: Targets, target: str) -> dict[str, Floats]:
        part = targets.part(target)
        hit = metrics.hits(lists, targets.user[part], targets.item[part])
        sizes = metrics.truth_sizes(len(targets.users), targets.user[part], targets.item[part])
        counted = np.where(sizes > 0, 1.0, np.nan)
        found = (
            metrics.recall(hit, sizes, self.k),
            metrics.ndcg(hit, sizes, self.k),
            metrics.mrr(hit, self.k) * counted,
            metrics.hit_rate(hit, self.k) * counted,
        )
        return {f"{target}.{name}": values for name, values in zip(MEASURES, found, strict=True)}

    def _by_item_class(self, lists: Lists) -> dict[str, Floats]:
        """Recall of the targets of one class, a figure a shopper who has such targets."""
        targets, users = self.targets, len(self.targets.users)
        place = metrics.places(lists, targets.user, targets.item)
        found: dict[str, Floats] = {}
        for name in ITEM_CLASSES:
            part = targets.item_class == name
            sizes = np.bincount(targets.user[part], minlength=users)
            hits = np.bincount(targets.user[part & (place >= 0)], minlength=users)
            found[f"items.{name}.recall"] = hits / np.where(sizes > 0, np.minimum(sizes, self.k), np.nan)
        return found

    def _cold(self, maker: ListMaker) -> dict[str, Floats]:
        if self.strangers is None or not len(self.strangers.users):
            return {}
        lists = maker(self.snapshot, self.strangers.users, self.k, False)
        return {} if lists is None else self._accuracy(lists, self.strangers, "all")


def judged_users(snapshot: Snapshot, truth: Mapping[str, set[str]]) -> tuple[list[str], list[str]]:
    """Ids with truth, ascending: those that the snapshot knows, and the strangers."""
    users = np.array(sorted(user for user, items in truth.items() if items), object)
    known = snapshot.rows_of(users.tolist()) >= 0
    return users[known].tolist(), users[~known].tolist()
