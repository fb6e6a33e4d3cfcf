"""What a table must keep beyond its definition: rules about several columns, groups of rows and other tables."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa

from lake import storage
from lake.clock import Cutoff, parse_day
from lake.columns import EVENT_TYPES
from lake.columns import Columns as C
from lake.settings import Settings
from lake.tables.definition import Severity
from lake.tables.events import MAX_ID_BYTES
from validation.checks import TABLE_LEVEL, Check, Given, Groups, Rows, literal

MOSTLY_ANONYMOUS = 0.98
SHORT_LISTS = 0.05
FEW_ROWS = 20
"""Shares of fewer rows than this never stop the line: one bad row of two is no incident."""

Context = Mapping[str, Any]


def counted(name: str, settings: Settings, keys: Sequence[str], context: Context) -> list[Check]:
    """Further checks of a table that are counted over its rows.

    Args:
        context: what only the caller knows, see `validation.gate.validate`.
    """
    if name == "events":
        return _events()
    if name == "impressions":
        off_day = Rows(f"CAST(`{C.SHOWN_TS}` AS DATE) <> TRY_CAST(`{C.DS}` AS DATE)")
        unknown = Rows(f"`{C.ARM}` IS NOT NULL AND `{C.EXPERIMENT}` IS NULL", share=True)
        return [
            Check(C.SHOWN_TS, "within its ds", "fail", off_day),
            Check(C.ARM, "with the name of its experiment", "warn", unknown, None, 0),
        ]
    if name == "items":
        return [_not_after(C.FIRST_SEEN_TS, C.ITEM_ID)]
    if name == "user_features":
        return [_counted_once(settings, keys, of_users=True), *_shares()]
    if name == "item_features":
        return [_counted_once(settings, keys, of_users=False)]
    if name == "co_visitation":
        return _co_visitation()
    if name == "lists":
        return _lists(settings, context)
    return []


def known(name: str, keys: Sequence[str], rows: Mapping[str, int], settings: Settings, context: Context) -> list[Check]:
    """Further checks whose figures are known without another look at the rows.

    Args:
        rows: rows of the candidate frame by day.
    """
    if name in ("events", "impressions"):
        return refused(*_refused_of(keys, rows, context), settings)
    if name == "lists":
        figures: dict[str, float | None] = {day: rows.get(day, 0) for day in keys}
        return [Check(TABLE_LEVEL, "at least one row a day", "fail", Given(figures), 1, None)]
    if name in ("user_features", "item_features"):
        wanted = _events_of(settings, keys, of_users=name == "user_features")
        there = Given({day: rows.get(day, 0) if n else None for day, n in wanted.items()})
        return [Check(TABLE_LEVEL, "rows where the day has events", "fail", there, 1, None)]
    return []


def _events() -> list[Check]:
    ids = [C.EVENT_ID, C.USER_ID, C.ITEM_ID, C.SESSION_ID]
    long = [
        Check(name, f"at most {MAX_ID_BYTES} bytes", "fail", Rows(f"octet_length(`{name}`) > {MAX_ID_BYTES}"))
        for name in ids
    ]
    off_day = Rows(f"CAST(`{C.EVENT_TS}` AS DATE) <> TRY_CAST(`{C.DS}` AS DATE)")
    ahead = Rows(f"`{C.EVENT_TS}` > `{C.INGESTED_TS}` + INTERVAL 1 DAY")
    anonymous = Rows(f"`{C.USER_ID}` IS NULL", share=True)
    rating = Rows(f"`{C.EVENT_TYPE}` = 'rating' AND `{C.VALUE}` IS NULL")
    return [
        *long,
        Check(C.EVENT_TS, "within its ds", "fail", off_day),
        Check(C.EVENT_TS, "not a day after its delivery", "warn", ahead),
        Check(C.VALUE, "given for every rating", "fail", rating, shows=(C.EVENT_ID,)),
        Check(C.USER_ID, f"anonymous in at most {MOSTLY_ANONYMOUS:.0%} of rows", "warn", anonymous, None,
              MOSTLY_ANONYMOUS),
    ]  # fmt: skip


def _refused_of(
    keys: Sequence[str], rows: Mapping[str, int], context: Context
) -> tuple[dict[str, int], dict[str, int], dict[str, int]]:
    """Refused and all rows by day, and refused rows by reason, from what the cleaning counted."""
    by_day = {day: int(n) for day, n in context.get("quarantined", {}).items()}
    if by_day:
        return by_day, {day: n + rows.get(day, 0) for day, n in by_day.items()}, dict(context.get("reasons", {}))
    reasons = {reason: int(n) for reason, n in context.get("reasons", {}).items()}
    return {keys[-1]: sum(reasons.values())}, {keys[-1]: int(context.get("raw", 0))}, reasons


def refused(
    refused_rows: Mapping[str, int], all_rows: Mapping[str, int], reasons: Mapping[str, int], settings: Settings
) -> list[Check]:
    """The share of a day's delivered rows that was refused, told from one bound on and stopped at from another."""
    shares = {day: (n / all_rows[day] if all_rows[day] else None) for day, n in refused_rows.items()}
    judged = {day: share if all_rows[day] >= FEW_ROWS else None for day, share in shares.items()}
    told = {day: f"{n:,} of {all_rows[day]:,} rows refused" for day, n in refused_rows.items()}
    worst = sorted(reasons.items(), key=lambda pair: (-pair[1], pair[0]))
    sample = tuple(f"{reason!r} ({n}x)" for reason, n in worst)
    bounds: list[tuple[Severity, float, dict[str, float | None]]] = [
        ("fail", settings.refused_fail, judged),
        ("warn", settings.refused_warn, shares),
    ]
    return [
        Check(TABLE_LEVEL, f"refused rows at most {bound:.0%} of a day", severity,
              Given(values, told, dict(refused_rows), sample), None, bound)
        for severity, bound, values in bounds
    ]  # fmt: skip


def _not_after(column: str, shows: str) -> Check:
    late = Rows(f"CAST(`{column}` AS DATE) > TRY_CAST(`{C.DS}` AS DATE)")
    return Check(column, "not after its ds", "fail", late, shows=(shows, column), note="the future must not leak")


def _shares() -> list[Check]:
    shares = {name: f"map_values(`{name}`)" for name in (C.CATEGORY_AFFINITY, C.BRAND_AFFINITY)}
    return [
        Check(name, "shares within 0 and 1", "fail", Rows(f"array_min({all_of}) < 0 OR array_max({all_of}) > 1.000001"))
        for name, all_of in shares.items()
    ]


def _counted_once(settings: Settings, keys: Sequence[str], *, of_users: bool) -> Check:
    """The day's events, held against the table's one-day counts: nothing lost, nothing doubled, nothing late.

    Users are counted whole; items leave out bots, so there may only be fewer.
    """
    wanted = _events_of(settings, keys, of_users=of_users)
    counts = "+".join(f"`{C.count(kind, 1)}`" for kind in EVENT_TYPES)
    cases = " ".join(f"WHEN {literal(day)} THEN {n}" for day, n in wanted.items())
    total, expected = f"sum({counts})", f"max(CASE `{C.DS}` {cases} END)"
    rule = Groups((), f"{total} <> {expected}" if of_users else f"{total} > {expected}")
    kind = "equal to the events of known users" if of_users else "at most the events of the day"
    seen = ", ".join(f"{n:,} on {day}" for day, n in list(wanted.items())[-3:])
    return Check(TABLE_LEVEL, f"one-day counts {kind}", "fail", rule, note=f"events known as of the day: {seen}")


def _events_of(settings: Settings, keys: Sequence[str], *, of_users: bool) -> dict[str, int]:
    """Events of each day that were known as of it; `of_users` leaves out anonymous ones."""
    import pyarrow.compute as pc

    events = storage.read(settings, "events", ds=list(keys), columns=[C.DS, C.USER_ID, C.INGESTED_TS])
    found = {}
    for day in keys:
        until = Cutoff.as_of(parse_day(day), settings.delivery_cutoff_hours).ingested_until
        keep = pc.and_(pc.equal(events[C.DS], day), pc.less_equal(events[C.INGESTED_TS], pa.scalar(until)))
        keep = pc.and_(keep, pc.is_valid(events[C.USER_ID])) if of_users else keep
        found[day] = int(pc.sum(pc.cast(keep, pa.int64())).as_py() or 0)
    return found


def _ranked(by: tuple[str, ...], rule: str) -> Check:
    # Distinct ranks follow from the key's uniqueness, so first, last and number tell of any gap.
    gaps = f"min(`{C.RANK}`) <> 1 OR max(`{C.RANK}`) <> count(*)"
    return Check(C.RANK, rule, "fail", Groups(by, gaps))


def _co_visitation() -> list[Check]:
    alone = Rows(f"`{C.ITEM_ID}` = `{C.OTHER_ITEM_ID}`")
    return [
        Check(C.OTHER_ITEM_ID, "another item", "fail", alone, shows=(C.ITEM_ID,)),
        _ranked((C.ITEM_ID, C.RELATION), "1..n without gaps for every item and relation"),
    ]


def _lists(settings: Settings, context: Context) -> list[Check]:
    owner = (C.SURFACE, C.KIND, C.OWNER)
    length = _by_surface(context.get("list_length", settings.list_length))
    full = _by_surface(context.get("full_length", context.get("list_length", settings.list_length)))
    of_users = f"`{C.KIND}` = 'user'"
    fallen = ""
    if "fallbacks" in context:
        fallen = f" AND `{C.SURFACE}` IN ({_names(context['fallbacks'])})"
    checks = [
        _ranked(owner, "1..n without gaps in every list"),
        Check(C.ITEM_ID, "once in every list", "fail",
              Groups((*owner, C.ITEM_ID), "count(*) > 1", adds="count(*) - 1")),
        Check(C.OWNER, "lists no longer than K", "fail", Groups(owner, f"count(*) > {length}")),
        Check(C.OWNER, f"at most {SHORT_LISTS:.0%} of user lists shorter than K", "warn",
              Groups(owner, f"count(*) < {full}", among=of_users, share=True), None, SHORT_LISTS),
        Check(C.ITEM_ID, "not the item itself", "fail",
              Rows(f"`{C.KIND}` = 'item' AND `{C.OWNER}` = `{C.ITEM_ID}`"), shows=(C.SURFACE, C.OWNER)),
        Check(C.OWNER, "a segment list 'all' for every surface with segments", "fail",
              Groups((C.SURFACE,), f"count_if(`{C.KIND}` = 'segment' AND `{C.OWNER}` = 'all') = 0{fallen}")),
    ]  # fmt: skip
    if "expected_users" in context:
        expected = _by_surface(context["expected_users"])
        users = f"count(DISTINCT CASE WHEN {of_users} THEN `{C.OWNER}` END)"
        bounds: list[tuple[Severity, float]] = [("fail", 0.5), ("warn", 0.99)]
        checks += [
            Check(C.OWNER, f"lists for at least {share:.0%} of the active users", severity,
                  Groups((C.SURFACE,), f"{users} < {share} * {expected}"))
            for severity, share in bounds
        ]  # fmt: skip
        if not isinstance(context["expected_users"], int):
            surfaces = context.get("fallbacks", context["expected_users"])
            there = f"CASE WHEN `{C.SURFACE}` IN ({_names(surfaces)}) THEN `{C.SURFACE}` END"
            lost = Groups((), f"count(DISTINCT {there}) < {len(surfaces)}")
            checks.append(Check(C.SURFACE, f"lists for each of {', '.join(surfaces)}", "fail", lost,
                                note=f"fewer than {len(surfaces)} surfaces"))  # fmt: skip
    return checks


def _names(surfaces: Iterable[str]) -> str:
    """Surfaces as the inside of an SQL list, NULL if there are none."""
    return ", ".join(map(literal, surfaces)) or "NULL"


def _by_surface(value: int | Mapping[str, int]) -> str:
    """A number, or one a surface, as SQL over a group that knows its surface; 0 for a surface not named."""
    if isinstance(value, int):
        return str(value)
    cases = " ".join(f"WHEN {literal(name)} THEN {int(n)}" for name, n in value.items())
    return f"CASE `{C.SURFACE}` {cases} ELSE 0 END" if cases else "0"
