"""What happens in the shop on one day: sessions of view, cart and purchase, before any of it is delivered.

Everything is drawn from that day's own generator and from facts that are functions of the day, so a day is the same
whether it is made alone or within a range.
"""

from dataclasses import dataclass, fields
from datetime import date

import numpy as np
from numpy.typing import NDArray

from sources.demo_shop.catalogue import Catalogue, catalogue
from sources.demo_shop.chance import Floats, Ints, choose, of_day, uniform
from sources.demo_shop.shop import Shop
from sources.demo_shop.shoppers import People, Taste, account, habits, looking_for, people, pick_items, taste
from sources.demo_shop.traffic import bot_views, start_seconds, weekday_factor
from sources.demo_shop.vocabulary import LEAVES

VIEW, CART, PURCHASE = 0, 1, 2
TYPES = ("view", "add_to_cart", "purchase")

LOOKING, BROWSING, WANDERING, POPULAR = 0.45, 0.27, 0.20, 0.08
"""Where a view comes from: something under consideration, its substitutes, the whole taste, what all look at."""
VIEWS_A_SESSION = 3.6
ANONYMOUS = 0.3
"""Anonymous sessions for each one with an account; their tastes are those of shoppers who did not log in."""
CROSS_SELL_VIEW, CROSS_SELL_BUY = 0.10, 0.45
"""How often the planted complement is looked at after a view, and bought with a purchase."""
CART_WANTED, CART_OTHER = 0.26, 0.14
CHECKOUT, KEPT = 0.62, 0.85
"""Sessions with a cart that end in a purchase, and how many of the cart's articles are kept."""
HABIT_KEPT = 0.85


@dataclass(frozen=True)
class Events:
    """Events of a day, ordered by time; one entry each. `user_id` is None for anonymous visitors, `second` counts
    from 00:00 UTC, `quantity` is 0 for views."""

    second: Ints
    user_id: NDArray[np.object_]
    item: Ints
    type: Ints
    quantity: Ints
    session: Ints
    device: Ints
    country: Ints
    bot: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.second)

    def take(self, rows: Ints) -> "Events":
        return Events(*(getattr(self, field.name)[rows] for field in fields(self)))


def happenings(shop: Shop, day: date) -> Events:
    """All that happens on a day, bots included."""
    rng = of_day(shop.seed, "sessions", day)
    goods, everybody = catalogue(shop, day), people(shop, day)
    visits, anonymous, habit_item = _visits(shop, goods, everybody, day, rng)
    liked = taste(shop, visits)
    names = visits.user_id()
    names[anonymous] = None
    checkout = CHECKOUT * (shop.trial.lift(names, day) if shop.trial else np.ones(len(names)))
    session, item, kind = _journeys(shop, goods, visits, liked, habit_item, checkout, day, rng)
    order = np.lexsort((np.arange(len(session)), session))
    session, item, kind = session[order], item[order], kind[order]
    second = _clock(len(visits), session, kind, visits.device, rng)
    events = Events(
        second=second,
        user_id=names[session],
        item=item,
        type=kind,
        quantity=np.where(kind == VIEW, 0, _pieces(shop, goods, day, session, item)),
        session=session,
        device=visits.device[session],
        country=visits.country[session],
        bot=np.zeros(len(session), dtype=bool),
    )
    return _with_bots(shop, events, len(visits), day, rng)


def _pieces(shop: Shop, goods: Catalogue, day: date, session: Ints, item: Ints) -> Ints:
    """Pieces put into the cart, and the same number bought: what is usual for the leaf category, seldom more."""
    usual = np.array([leaf.pieces for leaf in LEAVES])[goods.leaf[item]]
    more = uniform(shop.seed, "pieces wanted", day.toordinal(), session, item)
    return usual + (more > 0.75) + (more > 0.93)


def _visits(
    shop: Shop, goods: Catalogue, everybody: People, day: date, rng: np.random.Generator
) -> tuple[People, NDArray[np.bool_], Ints]:
    """The day's sessions: who, whether anonymous, and the article that a habit brings (-1 for other sessions)."""
    expected = everybody.rate * weekday_factor(day)
    known = np.repeat(np.arange(len(everybody)), rng.poisson(expected))
    passing = rng.choice(len(everybody), rng.poisson(ANONYMOUS * expected.sum()), p=expected / expected.sum())
    due = habits(shop, goods, everybody, day, due_only=True)
    keep = (rng.random(len(due.row)) < HABIT_KEPT) & goods.in_stock[due.item]
    who = np.concatenate([known, passing, due.row[keep]])
    anonymous = np.zeros(len(who), dtype=bool)
    anonymous[len(known) : len(known) + len(passing)] = True
    habit_item = np.concatenate([np.full(len(known) + len(passing), -1), due.item[keep]])
    visits = everybody.take(who)
    another_device = rng.random(len(who)) < 0.2
    device = np.where(another_device, rng.integers(0, 3, len(who)), visits.device)
    visits = People(visits.slot, visits.generation, visits.regime, visits.rate, visits.country, device)
    return visits, anonymous, habit_item


def _journeys(
    shop: Shop,
    goods: Catalogue,
    visits: People,
    liked: Taste,
    habit_item: Ints,
    checks_out: Floats,
    day: date,
    rng: np.random.Generator,
) -> tuple[Ints, Ints, Ints]:
    """Session, article and type of every event; within a session in the order in which they happen.

    Args:
        checks_out: chance of each visit with a cart to end in a purchase.
    """
    by_habit = habit_item >= 0
    views = np.where(
        by_habit, rng.poisson(0.8, len(visits)), np.minimum(rng.geometric(1 / VIEWS_A_SESSION, len(visits)), 30)
    )
    session = np.repeat(np.arange(len(visits)), views)
    item, wanted = _viewed(shop, goods, visits, liked, session, day, rng)

    # a planted complement is looked at right after the article it goes with
    partner = goods.partner[item]
    tempted = (partner >= 0) & (rng.random(len(item)) < CROSS_SELL_VIEW)
    session, item = _insert_after(session, session[tempted], tempted), _insert_after(item, partner[tempted], tempted)
    wanted = _insert_after(wanted, np.zeros(tempted.sum(), dtype=bool), tempted)

    # the cart: what is under consideration more often than the rest; nothing that is out of stock
    into_cart = (rng.random(len(item)) < np.where(wanted, CART_WANTED, CART_OTHER)) & goods.in_stock[item]
    into_cart &= _first_of_pair(session, item)
    view_kind = np.full(len(item), VIEW)
    cart_session, cart_item = session[into_cart], item[into_cart]
    steps = (
        _insert_after(session, cart_session, into_cart),
        _insert_after(item, cart_item, into_cart),
        _insert_after(view_kind, np.full(len(cart_item), CART), into_cart),
    )

    # what a habit brings is looked at, put into the cart and bought
    habitual = np.flatnonzero(by_habit)
    checkout = by_habit | (rng.random(len(visits)) < checks_out)
    bought = checkout[cart_session] & (rng.random(len(cart_item)) < KEPT)
    bought_session = np.concatenate([habitual, cart_session[bought]])
    bought_item = np.concatenate([habit_item[habitual], cart_item[bought]])

    # and with a purchase goes its complement
    partner = goods.partner[bought_item]
    also = (partner >= 0) & (rng.random(len(partner)) < CROSS_SELL_BUY) & goods.in_stock[partner]
    also_session, also_item = bought_session[also], partner[also]

    parts = [
        *((habitual, habit_item[habitual], kind) for kind in (VIEW, CART)),
        steps,
        *((also_session, also_item, kind) for kind in (VIEW, CART)),
        (bought_session, bought_item, PURCHASE),
        (also_session, also_item, PURCHASE),
    ]
    sessions, items, kinds = zip(*parts, strict=True)
    kind = np.concatenate([np.broadcast_to(k, np.shape(s)) for k, s in zip(kinds, sessions, strict=True)])
    return np.concatenate(sessions), np.concatenate(items), kind


def _viewed(
    shop: Shop, goods: Catalogue, visits: People, liked: Taste, session: Ints, day: date, rng: np.random.Generator
) -> tuple[Ints, NDArray[np.bool_]]:
    """The article of every view, and whether it is one under consideration."""
    focus, considered = looking_for(shop, goods, visits, liked, day)
    source = np.searchsorted(np.cumsum([LOOKING, BROWSING, WANDERING]), rng.random(len(session)))
    item = considered[session, rng.integers(0, considered.shape[1], len(session))]

    browsing, wandering, popular = (np.flatnonzero(source == code) for code in (1, 2, 3))
    item[browsing] = pick_items(
        goods, liked.take(session[browsing]), focus[session[browsing]], rng.random(len(browsing))
    )
    leaf = choose(liked.leaf[session[wandering]], rng.random(len(wandering)))
    item[wandering] = pick_items(goods, liked.take(session[wandering]), leaf, rng.random(len(wandering)))
    hot = np.exp(goods.appeal + goods.novelty)
    item[popular] = rng.choice(len(goods), len(popular), p=hot / hot.sum())
    return item, source == 0


def _insert_after(values: NDArray, added: NDArray, after: NDArray[np.bool_]) -> NDArray:
    """`values` with `added[i]` put right behind the i-th place where `after` holds."""
    return np.insert(values, np.flatnonzero(after) + 1, added)


def _first_of_pair(session: Ints, item: Ints) -> NDArray[np.bool_]:
    """True at the first row of each (session, item)."""
    first = np.zeros(len(session), dtype=bool)
    first[np.unique(session * (item.max(initial=0) + 1) + item, return_index=True)[1]] = True
    return first


def _clock(visits: int, session: Ints, kind: Ints, device: Ints, rng: np.random.Generator) -> Ints:
    """Second of the day of each step; a session's steps follow each other, all it buys is paid at once by 23:59:59."""
    pause = np.select(
        [kind == CART, kind == PURCHASE], [rng.integers(4, 20, len(kind)), 0], 5 + rng.exponential(40, len(kind))
    )
    begins = np.append(True, session[1:] != session[:-1]) if len(session) else np.zeros(0, dtype=bool)
    pays = (kind == PURCHASE) & np.append(False, kind[:-1] != PURCHASE) if len(kind) else begins
    pause = np.where(begins, 0, np.where(pays, 60, pause)).astype(np.int64)
    total = np.cumsum(pause)
    first = np.flatnonzero(begins)
    offset = total - np.repeat(total[first], np.diff(np.append(first, len(session))))
    length = np.zeros(visits, dtype=np.int64)
    np.maximum.at(length, session, offset)
    start = np.minimum(start_seconds(device, rng), 86_399 - length)
    return np.maximum(start[session], 0) + offset


def _with_bots(shop: Shop, events: Events, sessions: int, day: date, rng: np.random.Generator) -> Events:
    """The day's events and those of bots, by time; equal seconds keep the order of their session."""
    bots = bot_views(shop, day, len(catalogue(shop, day)), rng)
    n = len(bots.second)
    names = np.array([account(slot, 0) for slot in bots.account.tolist()], object)
    whole = Events(
        second=np.concatenate([events.second, bots.second]),
        user_id=np.concatenate([events.user_id, names]),
        item=np.concatenate([events.item, bots.item]),
        type=np.concatenate([events.type, np.full(n, VIEW)]),
        quantity=np.concatenate([events.quantity, np.zeros(n, dtype=np.int64)]),
        session=np.concatenate([events.session, sessions + bots.account - shop.shoppers]),
        device=np.concatenate([events.device, np.ones(n, dtype=np.int64)]),
        country=np.concatenate([events.country, np.zeros(n, dtype=np.int64)]),
        bot=np.concatenate([events.bot, np.ones(n, dtype=bool)]),
    )
    return whole.take(np.argsort(whole.second, kind="stable"))
