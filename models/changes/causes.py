"""Why an item came, went or moved: sentences that rest on lists made again, never on guesses.

What changed an item's place first, of a chain's exchanges, changed it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from models.changes.chain import STEPS, Chain, Step, concerns, decisive, fresh
from models.changes.making import Fate, Made

Kind = Literal["policy", "candidates", "features", "shopper", "bundle", "catalogue", "shift", "unclear"]
OF_OWN_EVENTS = {
    *("own_items", "own_items_relative", "own_items_rank", "touched", "last_age", "first_age", "visits", "events"),
    *("weight", "visits_ago", "visit_share", "decayed_7", "decayed_30", "decayed_90", "due", "due_by_own_gap"),
}
"""Features that an event of the shopper with the item changes."""

AWAY = 1_000_000
"""Place of an item that a list does not have."""


@dataclass(frozen=True)
class Cause:
    """One reason for a change.

    Attributes:
        code: what exactly, for programs: `out_of_stock`, `category_cap`, `proposed`, `score`, ...
        text: a sentence for a person.
        item: another item that the sentence is about, if any.
    """

    kind: Kind
    code: str
    text: str
    item: str | None = None


def entered(chain: Chain, item: str) -> list[Cause]:
    """Why an item stands in the later list and not in the earlier one, the decisive cause first."""
    was, now = chain.before.fate(item), chain.after.fate(item)
    if was.state == "shown" or now.state != "shown":
        return [_unclear()]
    if was.state == "unknown":
        return [Cause("catalogue", "new_item", "it is new in the catalogue"), *_candidate(was, now)]
    if was.state == "refused":
        rule = was.refusals[0]
        return [_lifted(chain, item, rule) if _by_data(chain, item, rule) else _other_than_data(chain, "files")]
    if (placed := decisive(chain.after, chain.before, item, absent=False)) is not None:
        verb = "brings it in" if concerns(chain.after, placed, item) else "takes others out of its way"
        return [Cause("policy", placed.kind, f"{placed.text} {verb}")]
    if (freed := decisive(chain.before, chain.after, item, absent=True)) is not None:
        return [Cause("policy", freed.kind, f"{freed.text} kept it out and does no more")]
    if now.filled:
        return [Cause("policy", "filled", "the list needed one more, and it sells")]
    return _by_step(chain, item, was, now)


def left(chain: Chain, item: str) -> list[Cause]:
    """Why an item stood in the earlier list and does not in the later one."""
    was, now = chain.before.fate(item), chain.after.fate(item)
    if was.state != "shown" or now.state == "shown":
        return [_unclear()]
    if now.state == "unknown":
        return [Cause("catalogue", "gone", "it is no longer in the catalogue")]
    if now.state == "refused":
        rule = now.refusals[0]
        return [_refusal(chain, item, rule) if _by_data(chain, item, rule) else _other_than_data(chain, "files")]
    if (kept_out := decisive(chain.after, chain.before, item, absent=True)) is not None:
        verb = "keeps it out" if concerns(chain.after, kept_out, item) else "puts others before it"
        return [Cause("policy", kept_out.kind, f"{kept_out.text} {verb}")]
    if (dropped := decisive(chain.before, chain.after, item, absent=False)) is not None:
        return [Cause("policy", dropped.kind, f"{dropped.text} held it in and does no more")]
    if was.filled:
        return [Cause("policy", "filled", "it had only filled up the list, which others do now")]
    return _by_step(chain, item, was, now)


def moved(chain: Chain, item: str, common: Sequence[str]) -> list[Cause]:
    """Why an item of both lists changed its rank.

    Args:
        common: the items of both lists.
    """
    if item not in chain.before.ranks or item not in chain.after.ranks:
        return [_unclear()]
    for here, there in ((chain.after, chain.before), (chain.before, chain.after)):
        for lever in fresh(here, there):
            if concerns(here, lever, item) and here.without(lever).get(item, AWAY) != here.ranks[item]:
                verb = "moves it" if here is chain.after else "moved it and does no more"
                return [Cause("policy", lever.kind, f"{lever.text} {verb}")]
    places = [_place(made, item, common) for made in chain.links]
    total = places[3] - places[0]
    if not total:
        return [_shift(chain, item, common)]
    steps = {step: places[n + 1] - places[n] for n, step in enumerate(STEPS)}
    towards = [step for step in STEPS if steps[step] * total > 0]
    causes: list[Cause] = []
    for step in sorted(towards, key=lambda step: -abs(steps[step])):
        causes += _score(chain, item, up=total < 0) if step == "data" else [_other_than_data(chain, step)]
    return causes


def ruled(chain: Chain, item: str) -> Cause | None:
    """That a hard rule took an item out, or does so no more, whoever's list it is."""
    was, now = chain.before.fate(item), chain.after.fate(item)
    common = ("out_of_stock", "buried_out")
    out, lifted = [next((r for r in common if r in fate.refusals), None) for fate in (now, was)]
    if out:
        return _refusal(chain, item, out)
    return _lifted(chain, item, lifted) if lifted else None


def _shift(chain: Chain, item: str, common: Sequence[str]) -> Cause:
    """Its order among the items of both lists is as it was."""

    def above(made: Made) -> int:
        """Items above it that the other list does not have."""
        rank = made.ranks[item]
        return rank - 1 - sum(made.ranks.get(other, AWAY) < rank for other in common)

    text = f"its order is as before; above it {above(chain.after)} came and {above(chain.before)} left"
    return Cause("shift", "others", text)


def _place(made: Made, item: str, common: Sequence[str]) -> int:
    """Place of an item among some others in a list; what it does not have stands behind, in the ranker's order."""

    def key(other: str) -> tuple[int, int]:
        return made.ranks.get(other, AWAY), made.places.get(other, AWAY)

    return sum(key(other) < key(item) for other in common)


def _by_step(chain: Chain, item: str, was: Fate, now: Fate) -> list[Cause]:
    step, found = chain.step_of_presence(item), _candidate(was, now)
    if step != "data":
        return [_other_than_data(chain, step), *found]
    if not found:
        return _score(chain, item, up=now.state == "shown")
    own, followed = _own_events(chain, item), _followed(chain, item) if now.state == "shown" else []
    if own and "own_items" in dict(now.sources) and "own_items" not in dict(was.sources):
        return [*own, *found]
    return [*followed, *found, *own]


def _candidate(was: Fate, now: Fate) -> list[Cause]:
    """That the item became a candidate or stopped being one, by which source."""
    ranked = ("shown", "below")
    if (was.state in ranked and not was.filled) == (now.state in ranked and not now.filled):
        return []
    one, other = dict(was.sources), dict(now.sources)
    came, went = [s for s in other if s not in one], [s for s in one if s not in other]
    if now.state in ranked:
        if came:
            said = _listed([f"{name} (its {_nth(other[name])})" for name in came])
            return [Cause("candidates", "proposed", f"it became a candidate: {said} proposes it now")]
        best = min(other.items(), key=lambda pair: pair[1], default=None)
        if best is None:
            return []
        text = f"it became a candidate: {best[0]} has it {_nth(best[1])}, {_before(one.get(best[0]))} before"
        return [Cause("candidates", "risen", text)]
    if now.state == "crowded_out":
        said = _listed([f"{name} (its {_nth(rank)})" for name, rank in other.items()])
        return [Cause("candidates", "crowded_out", f"others crowd it out of the candidates; still proposed by {said}")]
    said = _listed([f"{name} (its {_nth(one[name])} before)" for name in went])
    return [Cause("candidates", "not_proposed", f"it is no candidate any more: {said or 'no source'} proposed it")]


def _score(chain: Chain, item: str, *, up: bool) -> list[Cause]:
    """That the data moved the item's score against the others'."""
    own, followed = _own_events(chain, item), _followed(chain, item) if up else []
    found = chain.attributed(item)
    if found is None:
        return [*own, *followed] or [_unclear()]
    if (found.moved > 0) == up and found.features:
        told = "; ".join(f"{f.text}: {_number(f.before)} → {_number(f.after)}" for f in found.features[:2])
        main = Cause("features", "score", f"its score {'rose' if up else 'fell'} against the others: {told}")
        if own and any(feature.name in OF_OWN_EVENTS for feature in found.features[:2]):
            return [*own, *followed, main]
    else:
        main = Cause("features", "others", f"the scores of others {'fell below' if up else 'rose above'} its own")
    return [*followed, main, *own]


def _other_than_data(chain: Chain, step: Step) -> Cause:
    one, other = chain.data.making.recipe, chain.after.making.recipe
    if step == "bundle":
        text = f"bundle {other.bundle} ranks in place of {one.bundle}; with the old one this would not have happened"
        return Cause("bundle", "bundle", text)
    if one.shelf != other.shelf:
        return Cause("policy", "arm", f"the shopper is shown {other.shelf} and not {one.shelf} any more")
    before, after = one.surface.get_config(), other.surface.get_config()
    edited = [key for key in after if before.get(key) != after[key]]
    edited += ["merchandisers' rules"] if one.rules != other.rules else []
    return Cause("policy", "files", f"the files were edited: {_listed(edited)}")


def _own_events(chain: Chain, item: str) -> list[Cause]:
    """What the shopper did with the item since the earlier day."""
    told = []
    for kind, verb in (("purchase", "bought it"), ("cart", "put it into the cart"), ("rating", "rated it")):
        days = [day for of_kind, day in chain.new_events.get(item, []) if of_kind == kind]
        if days:
            told.append(Cause("shopper", kind, f"the shopper {verb} on {days[0]}"))
    days = [day for kind, day in chain.new_events.get(item, []) if kind == "view"]
    return told or ([Cause("shopper", "view", f"the shopper looked at it on {days[0]}")] if days else [])


def _followed(chain: Chain, item: str) -> list[Cause]:
    """That the item's reason rests on something that the shopper did since the earlier day."""
    reason = chain.after.reasons.get(item)
    if reason is None or reason.value is None or reason.code not in ("co", "similar"):
        return []
    events = chain.new_events.get(reason.value)
    if not events:
        return []
    what = {"purchase": "bought", "cart": "put into the cart", "rating": "rated"}.get(events[0][0], "looked at")
    link = "goes with" if reason.code == "co" else "is like"
    name = chain.after.title(reason.value)
    text = f"it {link} {name}, which the shopper {what} on {events[0][1]}"
    return [Cause("shopper", "followed", text, reason.value)]


def _by_data(chain: Chain, item: str, rule: str) -> bool:
    """Whether a hard rule took the item out, or let it in, with the later day's data; else an edit of the rule did.

    What merchandisers bury is told by their rule whatever the step, and so is never an edit.
    """
    return rule == "buried_out" or (rule in chain.before.refusals(item)) != (rule in chain.data.refusals(item))


def _refusal(chain: Chain, item: str, rule: str) -> Cause:
    if rule == "out_of_stock":
        return Cause("policy", rule, "it is out of stock")
    if rule == "recently_bought":
        return Cause("policy", rule, f"the shopper bought it recently ({_last(chain.after, item, 'purchase')})")
    if rule == "touched":
        text = f"the shopper knows it now ({_last(chain.after, item)}), and the surface shows only what is new to them"
        return Cause("policy", rule, text)
    if rule == "not_due":
        return Cause("policy", rule, "it is not time to buy it again")
    told = _rules(chain.after, item, "bury")
    return Cause("policy", "bury", f"a merchandiser's rule takes it out: {told}")


def _lifted(chain: Chain, item: str, rule: str) -> Cause:
    if rule == "out_of_stock":
        return Cause("policy", "in_stock", "it is in stock again")
    if rule == "recently_bought":
        last = _last(chain.after, item, "purchase")
        return Cause("policy", "bought_long_ago", f"the last purchase ({last}) is long enough ago to show it again")
    if rule == "not_due":
        last = _last(chain.after, item, "purchase")
        return Cause("policy", "due", f"it is time to buy it again (last bought {last})")
    if rule == "touched":
        return Cause("policy", "forgotten", "the shopper's event with it lies beyond what is looked back at")
    told = _rules(chain.before, item, "bury")
    return Cause("policy", "unburied", f"a merchandiser's rule took it out and does no more: {told}")


def _rules(made: Made, item: str, action: str) -> str:
    held = zip(made.making.policy.rules, made.matching(item), strict=True)
    rules = [each.rule for each, speaks in held if speaks and each.rule.action.startswith(action)]
    return _listed([f"{rule.action} ({rule.reason})" for rule in rules])


def _last(made: Made, item: str, kind: str | None = None) -> str:
    events = [day for _, of_kind, day in made.events(item) if kind in (None, of_kind)]
    return events[0].isoformat() if events else "earlier"


def _unclear() -> Cause:
    text = "a list cannot be made again as it was: files, features or code have changed since, or two items tie"
    return Cause("unclear", "unclear", text)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:-1]) + (" and " if len(names) > 1 else "") + names[-1] if names else ""


def _nth(rank: int) -> str:
    ending = "th" if 10 <= rank % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(rank % 10, "th")
    return f"{rank}{ending}"


def _before(rank: int | None) -> str:
    return "unranked" if rank is None else _nth(rank)


def _number(value: float) -> str:
    value = 0.0 if abs(value) < 1e-6 else value
    return f"{value:.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.2g}"


__all__ = ["Cause", "Chain", "entered", "left", "moved"]
