"""How the lists that shoppers really saw did on a day; told, never a reason to retrain."""

from datetime import date
from typing import Any

import numpy as np

from lake import storage
from lake.clock import shift
from lake.columns import Columns as C
from lake.settings import Settings
from models import labels, metrics

K = 20


def judge_lists(settings: Settings, day: date, surface: str = "home") -> tuple[dict[str, Any], dict[str, list[float]]]:
    """Judge the newest lists made before `day` on that day's events.

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
    rows = storage.read(
        settings,
        "lists",
        ds=made[-1],
        columns=[C.OWNER, C.RANK, C.ITEM_ID],
        filters=[(C.SURFACE, "=", surface), (C.KIND, "=", "user"), (C.RANK, "<=", K)],
    )
    owners, owner = np.unique(rows[C.OWNER].to_numpy(zero_copy_only=False).astype(str), return_inverse=True)
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
        names = {item: n for n, item in enumerate(sorted({i for u in having for i in truth[u]}))}
        lists = np.full((len(owners), K), metrics.PAD, np.int64)
        # An item that nobody touched is no hit for anyone: one number past the touched ones stands for all of them.
        items = [names.get(item, len(names)) for item in rows[C.ITEM_ID].to_pylist()]
        lists[owner, rows[C.RANK].to_numpy() - 1] = items
        chosen = lists[[row_of[user] for user in having]]
        users = np.repeat(np.arange(len(having)), [len(truth[user]) for user in having])
        wanted = np.array([names[item] for user in having for item in sorted(truth[user])])
        hit = metrics.hits(chosen, users, wanted)
        ndcg = metrics.bootstrap(metrics.ndcg(hit, metrics.truth_sizes(len(having), users, wanted), K))
        figures["lists_ndcg20"] = ndcg.mean
        intervals["lists_ndcg20"] = list(ndcg.interval)
    return figures, intervals
