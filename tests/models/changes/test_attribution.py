"""Effects of features add up where a ranker adds up, and their values are those that people know."""

import numpy as np
import pytest

from lake.columns import Columns as C
from models.candidates.history import History
from models.changes import recipe
from models.changes.attribution import attribute
from models.changes.chain import Chain
from models.changes.comparer import Comparer
from models.changes.words import natural, phrase
from models.ranking.features import NAMES
from tests.models.changes.two_days import D1, D2, TwoDays, seen

USER = "u003"


def chain(shop: TwoDays) -> Chain:
    one, other = (recipe.of_day(shop.settings, ds, "home") for ds in (D1, D2))
    return Comparer(shop.settings)._chain(USER, D1, D2, one, other, lambda text: None)


def test_every_feature_has_words_of_its_own() -> None:
    told = [phrase(name) for name in NAMES]
    assert len(set(told)) == len(NAMES)
    assert not [
        text for text in told if "_" in text.replace("closeness to the top of", "").strip() and "top" not in text
    ]


def test_natural_values_are_those_of_the_log(two_days: TwoDays) -> None:
    item = two_days.data().lists(D1).lists(D2).shown(D2, USER)[0]
    made = chain(two_days).after
    at = made.snapshot.items_of([item])
    dense = made.making.features.of(made.block, made.pairs([item]), only_new=False).dense[0]
    history = History.of(made.snapshot, made.making.bundle.config.event_weights)
    pair = history.find(made.block.rows, at)[0]
    price = float(made.snapshot.catalogue.price[at[0]])
    assert natural("item_price", float(dense[NAMES.index("item_price")])) == pytest.approx(price, rel=1e-5)
    if pair >= 0:
        last = natural("last_age", float(dense[NAMES.index("last_age")]))
        assert last == pytest.approx(float(history.last_age[pair]), rel=1e-4)
    bought = float(made.snapshot.item_features[C.count("purchase", 30)][at[0]])
    assert natural("item_purchases_30d", float(dense[NAMES.index("item_purchases_30d")])) == pytest.approx(
        bought, rel=1e-5
    )


@pytest.mark.parametrize("bundle", ["1", "plain"])
def test_what_moves_nothing_has_no_effect_and_what_moved_is_among_the_effects(two_days: TwoDays, bundle: str) -> None:
    item = two_days.data(quiet=True).lists(D1, bundle).shown(D1, USER)[3]
    two_days.happens(*(seen(USER, item, "purchase", hour=h / 10) for h in range(30))).lists(D2, bundle)
    links = chain(two_days)
    assert all(not told.features and told.moved == 0 for told in attribute(links.before, links.before, [item]).values())
    found = attribute(links.before, links.data, [item], most=20)[item]
    assert found.moved != 0
    assert found.features
    assert all(np.sign(feature.effect) == np.sign(found.moved) for feature in found.features)
    assert {"visits", "events", "own_items_relative", "decayed_7"} & {feature.name for feature in found.features}
