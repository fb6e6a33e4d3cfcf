"""The lists that stand published, judged like any ranker: read back from Redis, or from the lake."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt

from lake import storage
from lake.clock import shift
from lake.columns import Columns as C
from lake.settings import Settings
from models import labels, metrics, surfaces
from models.baselines import Lists
from models.interface import Ints
from models.metrics import PAD
from models.snapshot import Snapshot
from models.targets import touched_before
from storefront.client import NoLists, RedisDown, Storefront
from storefront.contract import EVERYBODY, Meta

K = 20
Names = npt.NDArray[np.object_]
Reader = Callable[[Sequence[str], Mapping[str, str]], list[Sequence[str]]]
"""(user ids, user id -> country) -> each one's items, best first; somebody without a list gets the fallback."""


@dataclass(frozen=True)
class PublishedLists:
    """A `ListMaker` over what a surface shows; a surface of new items has lists for never-touched targets only.

    Attributes:
        told: where the lists stand, and of which day and version they are.
    """

    read: Reader
    only_new: bool
    told: str

    def __call__(self, snapshot: Snapshot, users: Sequence[str], k: int, only_new: bool) -> Lists | None:
        if self.only_new and not only_new:
            return None
        rows = snapshot.rows_of(users)
        shown = self.read(users, _countries(snapshot, users, rows))
        width = max([k, *(len(items) for items in shown)])
        lists = np.full((len(users), width), PAD, np.int64)
        for row, items in enumerate(shown):
            lists[row, : len(items)] = snapshot.items_of(items)
        if only_new:
            lists = _without_touched(snapshot, rows, lists)
        return lists[:, :k]


def find(settings: Settings, surface: str, day: date) -> PublishedLists | str:
    """The lists that shoppers had after `day`, which know nothing later: those in Redis, else those of the lake.

    Returns:
        Why there are none to judge, as a sentence, where there are none.

    Raises:
        BadInput: there is no such surface.
    """
    known = surfaces.load(settings.surfaces)
    if surface not in known:
        return f"there is no surface {surface} in {settings.surfaces}"
    only_new = known[surface].only_new
    try:
        shop = Storefront(settings.redis_url, filed=True, timeout=5.0)  # the lake's ids are what the keys hold
        if (meta := _as_of(shop, surface, day)) is not None:
            told = f"Redis, version {meta.version}, data through {meta.data_through}, bundle {meta.bundle}"
            return PublishedLists(_from_redis(shop, surface, meta), only_new, told)
        why = f"Redis holds lists of {shop.meta(surface).data_through}, which know the window"
    except (NoLists, RedisDown) as error:
        why = str(error)
    ds = day.isoformat()
    if ds in storage.days(settings, "lists"):
        owners, names = stored(settings, ds, surface, known[surface].k or settings.list_length)
        if len(owners):
            return PublishedLists(_from_lake(settings, ds, surface, owners, names), only_new, f"lake, lists of {ds}")
    return f"{why}; and the lake has no lists of {ds}: make them with python -m jobs.lists --ds {ds}"


def _as_of(shop: Storefront, surface: str, day: date) -> Meta | None:
    """The newest version that knows no later day: the current one, or one of before that still stands.

    Lists of an experiment's arm were shown to some shoppers only.
    """
    known = [shop.meta(surface), *(meta for meta in shop.versions(surface) if not meta.arm)]
    fit = [meta for meta in known if meta.data_through <= day.isoformat()]
    return max(fit, key=lambda meta: (meta.data_through, meta.version)) if fit else None


def _from_redis(shop: Storefront, surface: str, meta: Meta) -> Reader:
    def read(users: Sequence[str], countries: Mapping[str, str]) -> list[Sequence[str]]:
        def one(user: str) -> Sequence[str]:
            context = {"country": countries.get(user)}
            return shop.recommend(user, meta.k, surface=surface, context=context, version=meta.version).items

        return [one(user) for user in users]

    return read


def _from_lake(settings: Settings, ds: str, surface: str, owners: Names, names: Names) -> Reader:
    row_of = {owner: row for row, owner in enumerate(owners)}
    everybody, everybodys = stored(settings, ds, surface, names.shape[1], kind="segment")
    fallback = everybodys[everybody == EVERYBODY]

    def read(users: Sequence[str], countries: Mapping[str, str]) -> list[Sequence[str]]:
        found = (names[row_of[user]] if user in row_of else fallback[0] if len(fallback) else () for user in users)
        return [[item for item in row if item is not None] for row in found]

    return read


def stored(settings: Settings, ds: str, surface: str, k: int, kind: str = "user") -> tuple[Names, Names]:
    """Lists of a day as the lake holds them: owners, ascending, and `[owners, k]` item ids, None past a list's end."""
    rows = storage.read(
        settings,
        "lists",
        ds=ds,
        columns=[C.OWNER, C.RANK, C.ITEM_ID],
        filters=[(C.SURFACE, "=", surface), (C.KIND, "=", kind), (C.RANK, "<=", k)],
    )
    owners, owner = np.unique(rows[C.OWNER].to_numpy(zero_copy_only=False).astype(str), return_inverse=True)
    names = np.full((len(owners), k), None, dtype=object)
    names[owner, rows[C.RANK].to_numpy() - 1] = rows[C.ITEM_ID].to_pylist()
    return owners.astype(object), names


def judge_lists(settings: Settings, day: date, surface: str = "home") -> tuple[dict[str, Any], dict[str, list[float]]]:
    """Judge the newest lists made before `day` on that day's events; told, never a reason to retrain.

    Returns:
        Figures - lists_ds, lists_age_days (1 is fresh: made with the data of the day before), lists_users,
        lists_judged (shoppers of the day who had a list), lists_ndcg20 (after policy, macro-averaged over them),
        lists_fallback_share (shoppers of the day without a list of their own) - and the intervals of the averages.
        Figures are None where there were no lists or no shoppers.
    """
    figures: dict[str, Any] = dict.fromkeys(
        ("lists_ds", "lists_age_days", "lists_users", "lists_judged", "lists_ndcg20", "lists_fallback_share")
    )
    made = [ds for ds in storage.days(settings, "lists") if ds <= shift(day, -1).isoformat()]
    if not made:
        return figures, {}
    owners, names = stored(settings, made[-1], surface, K)
    figures |= {
        "lists_ds": made[-1],
        "lists_age_days": (day - date.fromisoformat(made[-1])).days,
        "lists_users": len(owners),
    }
    truth = labels.touched(settings, day, day)
    row_of = {user: row for row, user in enumerate(owners)}
    having = [user for user in sorted(truth) if user in row_of]
    figures["lists_judged"] = len(having)
    if not truth:
        return figures, {}
    without = np.array([user not in row_of for user in sorted(truth)], dtype=np.float64)
    fallback = metrics.bootstrap(without)
    figures["lists_fallback_share"] = fallback.mean
    intervals = {"lists_fallback_share": list(fallback.interval)}
    if having:
        number = {item: n for n, item in enumerate(sorted({i for u in having for i in truth[u]}))}
        # An item that nobody touched is no hit for anyone: one number past the touched ones stands for all of them.
        shown = names[[row_of[user] for user in having]]
        lists = np.array([[PAD if i is None else number.get(i, len(number)) for i in row] for row in shown])
        users = np.repeat(np.arange(len(having)), [len(truth[user]) for user in having])
        wanted = np.array([number[item] for user in having for item in sorted(truth[user])])
        hit = metrics.hits(lists, users, wanted)
        ndcg = metrics.bootstrap(metrics.ndcg(hit, metrics.truth_sizes(len(having), users, wanted), K))
        figures["lists_ndcg20"] = ndcg.mean
        intervals["lists_ndcg20"] = list(ndcg.interval)
    return figures, intervals


def _countries(snapshot: Snapshot, users: Sequence[str], rows: Ints) -> dict[str, str]:
    """What a shop page would know of its visitor."""
    codes = [int(snapshot.country[row]) if row >= 0 else -1 for row in rows]
    return {user: snapshot.countries[code] for user, code in zip(users, codes, strict=True) if code >= 0}


def _without_touched(snapshot: Snapshot, rows: Ints, lists: Lists) -> Lists:
    """Each list without what its shopper had touched, moved up."""
    hidden = touched_before(snapshot, np.repeat(rows, lists.shape[1]), lists.ravel()).reshape(lists.shape)
    order = np.argsort(hidden, axis=1, kind="stable")
    return np.where(np.take_along_axis(hidden, order, 1), PAD, np.take_along_axis(lists, order, 1))
