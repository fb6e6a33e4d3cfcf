"""The best that a recommender could know: how likely a shopper's next view is of each article."""

from datetime import date

import numpy as np

from sources.demo_shop.catalogue import catalogue
from sources.demo_shop.chance import Floats
from sources.demo_shop.sessions import BROWSING, LOOKING, POPULAR, WANDERING
from sources.demo_shop.shop import Shop
from sources.demo_shop.shoppers import People, item_weights, looking_for, taste


def preference(shop: Shop, day: date, who: People) -> Floats:
    """The planted probability that a shopper's next view on a day is of each article [shoppers, items].

    Rows sum to 1. Habits and complements are left out: the first have their own days (`shoppers.habits`), the second
    follow another view.
    """
    goods, liked = catalogue(shop, day), taste(shop, who)
    focus, considered = looking_for(shop, goods, who, liked, day)
    share = np.zeros((len(who), len(goods)))
    for leaf in range(shop.leaves):
        items = goods.of_leaf(leaf)
        weights = item_weights(goods, liked, items)
        within = weights / weights.sum(axis=1, keepdims=True)
        share[:, items] = within * (WANDERING * liked.leaf[:, [leaf]] + BROWSING * (focus == leaf)[:, None])
    np.add.at(share, (np.arange(len(who))[:, None], considered), LOOKING / considered.shape[1])
    hot = np.exp(goods.appeal + goods.novelty)
    return share + POPULAR * hot / hot.sum()
