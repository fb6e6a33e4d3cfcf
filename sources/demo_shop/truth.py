"""What was planted, written next to the deliveries for tests and for people; the pipeline never reads it.

`truth.json` holds the shop's settings, the rates, the experiment and its effect if there is one, the planted
complements, each article's nearest substitutes on the last day generated and, a day, how many rows of each kind were
delivered. `truth.npz` holds what is true of every shopper on the last day generated.
"""

import json
import os
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from lake.errors import BadInput
from sources.demo_shop import deliveries, sessions
from sources.demo_shop.catalogue import catalogue
from sources.demo_shop.shop import Shop
from sources.demo_shop.shoppers import account, habits, item_weights, people, taste
from sources.demo_shop.traffic import bots
from sources.demo_shop.trial import NAME
from sources.demo_shop.vocabulary import LEAVES

SUBSTITUTES = 5


def known(folder: Path, shop: Shop) -> dict[str, Any]:
    """The truth file that stands in a folder, or an empty one.

    Raises:
        BadInput: the folder holds the deliveries of another shop, or days that a drift would change.
    """
    path = folder / "truth.json"
    if not path.exists():
        return {"days": {}, "complements": []}
    truth: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    mine = _settings(shop)
    differing = [name for name in ("seed", "shoppers", "items") if truth["shop"][name] != mine[name]]
    if differing:
        found = ", ".join(f"{name}={truth['shop'][name]}" for name in differing)
        raise BadInput(
            f"--out={folder} holds the days of another shop ({found}); give another folder or these settings"
        )
    before, after = truth["shop"]["drift_on"], mine["drift_on"]
    # "9999" stands for no drift: days from the earlier of both on would be another shop's
    first_change = min(before or "9999", after or "9999")
    changed = [ds for ds in truth["days"] if before != after and ds >= first_change]
    if changed:
        raise BadInput(
            f"--out={folder} holds {min(changed)}, which --drift-on={after} instead of {before} would change; "
            "give another folder or the same --drift-on"
        )
    before, after = truth["shop"].get("experiment"), mine.get("experiment")
    since = [each["since"] for each in (before, after) if each]
    changed = [ds for ds in truth["days"] if before != after and ds >= min(since)]
    if changed:
        raise BadInput(
            f"--out={folder} holds {min(changed)}, which another experiment would change (it has {before}); give "
            "another folder or the same --experiment and --experiment-on"
        )
    return truth


def write(folder: Path, shop: Shop, truth: dict[str, Any], facts: Mapping[date, Mapping[str, Any]]) -> Path:
    """Add days to the truth of a folder and write it; returns the path of `truth.json`."""
    truth["shop"] = _settings(shop)
    truth["rates"] = {
        "late": list(deliveries.LATE),
        "duplicated": deliveries.DUPLICATED,
        "redelivered": deliveries.REDELIVERED,
        "broken": deliveries.BROKEN,
        "cross_sell_buy": sessions.CROSS_SELL_BUY,
        "anonymous": sessions.ANONYMOUS,
    }
    truth["bots"] = [account(number, 0) for number in bots(shop).tolist()]
    truth["days"] = dict(
        sorted({**truth["days"], **{day.isoformat(): dict(fact) for day, fact in facts.items()}}.items())
    )
    pairs = {tuple(pair) for pair in truth["complements"]}
    for day in facts:
        goods = catalogue(shop, day)
        ids = goods.item_id.tolist()
        pairs |= {(ids[a], ids[b]) for a, b in enumerate(goods.partner.tolist()) if a < b}
    truth["complements"] = sorted(map(list, pairs))
    truth["substitutes"] = substitutes(shop, date.fromisoformat(max(truth["days"])))
    _write_shoppers(folder / "truth.npz", shop, date.fromisoformat(max(truth["days"])))
    path = folder / "truth.json"
    unfinished = path.with_suffix(".json.part")
    unfinished.write_text(json.dumps(truth, indent=1), encoding="utf-8")
    os.replace(unfinished, path)
    return path


def substitutes(shop: Shop, day: date) -> dict[str, list[str]]:
    """The nearest `SUBSTITUTES` of each article, the nearest first: of its leaf category, liked by the same shoppers.

    Nearness is the cosine of how much each shopper likes the two within their category.
    """
    goods, liked = catalogue(shop, day), taste(shop, people(shop, day))
    found: dict[str, list[str]] = {}
    for leaf in range(shop.leaves):
        items = goods.of_leaf(leaf)
        weights = item_weights(goods, liked, items)
        share = weights / weights.sum(axis=1, keepdims=True)
        share /= np.linalg.norm(share, axis=0)
        near = share.T @ share
        np.fill_diagonal(near, -1.0)
        best = np.argsort(-near, axis=1, kind="stable")[:, : min(SUBSTITUTES, len(items) - 1)]
        ids = goods.item_id[items]
        found |= {str(owner): ids[row].tolist() for owner, row in zip(ids, best, strict=True)}
    return found


def _settings(shop: Shop) -> dict[str, Any]:
    drift = shop.drift_on.isoformat() if shop.drift_on else None
    settings: dict[str, Any] = {"seed": shop.seed, "shoppers": shop.shoppers, "items": shop.items, "drift_on": drift}
    if shop.trial is not None:
        settings["experiment"] = {
            "name": NAME,
            "surface": shop.trial.surface,
            "arm": shop.trial.arm,
            "share": shop.trial.share,
            "factor": shop.trial.factor,
            "since": shop.trial.since.isoformat(),
        }
    return settings


def _write_shoppers(path: Path, shop: Shop, day: date) -> None:
    """Tastes as of a day, `user_id` [u], `leaf` [l], `taste` [u, l] (rows sum to 1), `drifted` [u], and habits,
    `habit_user`, `habit_item`, `habit_days` [h] (period in days)."""
    everybody, goods = people(shop, day), catalogue(shop, day)
    kept = habits(shop, goods, everybody, day)
    names = everybody.user_id()
    unfinished = path.with_suffix(".npz.part")
    with unfinished.open("wb") as file:
        np.savez_compressed(
            file,
            day=np.array(day.isoformat()),
            user_id=names.astype(str),
            leaf=np.array([leaf.path for leaf in LEAVES[: shop.leaves]]),
            taste=taste(shop, everybody).leaf.astype(np.float32),
            drifted=everybody.regime.astype(bool),
            habit_user=names[kept.row].astype(str),
            habit_item=goods.item_id[kept.item].astype(str),
            habit_days=kept.days.astype(np.float32),
        )
    os.replace(unfinished, path)
