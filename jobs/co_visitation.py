"""Which items go with which, as of a day: `python -m jobs.co_visitation --ds D`.

Item-to-item cosine over baskets (Linden, Smith, York, "Amazon.com recommendations: item-to-item collaborative
filtering", IEEE Internet Computing 7(1), 2003), with baskets that fade with age. A basket is a session, or a shopper's
day where no session is known. Items are numbered in the order of their ids, so a pair is one long and the heavy
aggregation touches no text; weights are summed as whole millionths, so that the result does not depend on the order of
the rows.
"""

from collections.abc import Mapping
from datetime import date
from typing import Any

from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as F

from jobs.as_of import AGE, MICROS_A_DAY, AsOf, write_days
from jobs.cli import day_job
from lake.clock import DayRange
from lake.columns import Columns as C
from lake.settings import Settings

BASKET_ITEMS = 50
"""Distinct items of a basket that count: bought ones first, then the most recent."""

PARTNERS = 100
"""Partners kept an item and relation."""

NEXT_DAYS = 7
NEXT_STEPS = 5
"""How far ahead `next` looks: days, and moments at which the shopper did something."""

LARGE_LOG = 10_000
"""Actor days from which a pair needs two baskets (two shoppers for `next`): chance pairs are then the bulk."""

WHOLE = 1_000_000
LOW = (1 << 32) - 1


def co_visitation(known: AsOf) -> DataFrame:
    """Rows of `co_visitation`: partners of every item, by relation, strongest first.

    Ties are settled by the number of baskets, then by the partner's id.
    """
    numbers = known.keep(_numbered(known.human_events))
    touched = known.keep(_touched(known.human_events.join(F.broadcast(numbers), C.ITEM_ID)))
    fewest = 2 if known.actor_days >= LARGE_LOG else 1
    half_life = known.settings.co_visitation_half_life_days
    baskets = _baskets(known, touched, fewest, half_life)
    best = _strongest(baskets, fewest, "together", "bought").unionByName(
        _strongest(_successions(known, touched, fewest, half_life), fewest, "next")
    )
    names = F.broadcast(numbers)
    rows = best.join(names.withColumnRenamed("item", "a"), "a").join(
        names.select(F.col("item").alias("b"), F.col(C.ITEM_ID).alias(C.OTHER_ITEM_ID)), "b"
    )
    return known.table("co_visitation", rows)


def _numbered(events: DataFrame) -> DataFrame:
    """Item ids with a number each, ascending with the id."""
    items = events.select(C.ITEM_ID).distinct()
    return items.withColumn("item", F.row_number().over(Window.orderBy(C.ITEM_ID)).cast("long"))


def _touched(events: DataFrame) -> DataFrame:
    """Events as numbers only, which are cheap to keep and to group by.

    64-bit hashes stand for basket and shopper: a collision would only merge the two.

    Args:
        events: with `item`, the item's number.

    Returns:
        item, `basket` (NULL where nobody knows whose event it is), `user` (NULL: anonymous), `bought` 0 or 1,
        `t` (microseconds since 1970), age.
    """
    basket = F.coalesce(F.concat(F.lit("s"), C.SESSION_ID), F.concat(F.lit("u"), F.col(AGE), F.lit(":"), C.USER_ID))
    return events.select(
        "item",
        F.when(basket.isNotNull(), F.xxhash64(basket)).alias("basket"),
        F.when(F.col(C.USER_ID).isNotNull(), F.xxhash64(C.USER_ID)).alias("user"),
        (F.col(C.EVENT_TYPE) == "purchase").cast("long").alias("bought"),
        F.unix_micros(C.EVENT_TS).alias("t"),
        AGE,
    )


def _decay(half_life: int) -> Column:
    """2 ** (-age / half-life) in whole millionths, at least one."""
    return F.greatest(F.round(F.pow(F.lit(0.5), F.col(AGE) / half_life) * WHOLE), F.lit(1)).cast("long")


def _cosine(pair: Column, left: Column, right: Column) -> Column:
    return pair / F.sqrt(left.cast("double") * right)


def _baskets(known: AsOf, touched: DataFrame, fewest: int, half_life: int) -> DataFrame:
    """`together` and `bought` of a, b, both directions; one pass over the pairs of a basket."""
    lines = (
        touched.where(F.col("basket").isNotNull())
        # Placed by basket at once: the two groupings that follow then move nothing.
        .repartition("basket")
        .groupBy("basket", "item")
        .agg(F.max("bought").alias("bought"), F.max("t").alias("last"), F.min(AGE).alias(AGE))
    )
    # A line is the item's number with the lowest bit saying "bought"; sorted, so that a pair is (smaller, larger).
    line = (F.col("item") * 2 + F.col("bought")).alias("line")
    newest_first = F.struct((-F.col("bought")).alias("p"), (-F.col("last")).alias("t"), line)
    kept = F.slice(F.sort_array(F.collect_list(newest_first)), 1, BASKET_ITEMS)
    coded = F.sort_array(kept["line"])
    baskets = known.keep(
        lines.groupBy("basket")
        .agg(coded.alias("lines"), F.min(AGE).alias(AGE))
        .select("lines", _decay(half_life).alias("w"))
    )
    single = baskets.select("w", F.explode("lines").alias("line"))
    bought = F.col("line") % 2
    norms = F.broadcast(
        known.keep(
            single.groupBy(F.shiftright("line", 1).alias("item")).agg(
                F.sum("w").alias("together"), F.sum(F.col("w") * bought).alias("bought")
            )
        )
    )
    first = baskets.select("w", "lines", F.posexplode("lines").alias("place", "x"))
    both = first.select("w", "x", F.explode(F.slice("lines", F.col("place") + 2, BASKET_ITEMS)).alias("y"))
    in_both = F.col("x").bitwiseAND(F.col("y")).bitwiseAND(F.lit(1))
    key = F.shiftleft(F.shiftright("x", 1), 32) + F.shiftright("y", 1)
    counted = (
        both.select(key.alias("key"), "w", in_both.alias("p"))
        .groupBy("key")
        .agg(
            F.count("*").alias("n"),
            F.sum("w").alias("w"),
            F.sum("p").alias("pn"),
            F.sum(F.col("w") * F.col("p")).alias("pw"),
        )
        .where(F.col("n") >= fewest)
    )
    return _both_ways(
        _with_norms(_apart(counted), norms, "together", "bought").select(
            "a",
            "b",
            _cosine(F.col("w"), F.col("together_a"), F.col("together_b")).alias("together"),
            F.col("n").alias("together_n"),
            _cosine(F.col("pw"), F.col("bought_a"), F.col("bought_b")).alias("bought"),
            F.col("pn").alias("bought_n"),
        )
    )


def _both_ways(pairs: DataFrame) -> DataFrame:
    """Every pair (a, b) also as (b, a)."""
    ways = F.array(*[F.struct(F.col(a).alias("a"), F.col(b).alias("b")) for a, b in (("a", "b"), ("b", "a"))])
    return pairs.withColumn("way", F.explode(ways)).select("way.*", *[c for c in pairs.columns if c not in ("a", "b")])


def _strongest(pairs: DataFrame, fewest: int, *relations: str) -> DataFrame:
    """relation, a, b, weight, pairs, rank of the PARTNERS strongest of every `a`.

    A heap of PARTNERS an item and partition: no more than that is moved, and none grows with the catalogue.

    Args:
        pairs: a, b and, for every relation, its weight `<relation>` and number of baskets `<relation>_n`.
    """
    partners = {}
    for relation in relations:
        n = F.col(f"{relation}_n")
        partner = F.struct(F.col(relation).alias("w"), n.alias("n"), (-F.col("b")).alias("b"))
        partners[relation] = F.when(n >= fewest, partner)
    # Columns first: inside an aggregate the struct would be interpreted, twice a row.
    each = pairs.select("a", *[partner.alias(relation) for relation, partner in partners.items()])
    ranked = each.groupBy("a").agg(*[F.max_by(name, name, PARTNERS).alias(name) for name in relations])
    named = F.array(*[F.struct(F.lit(name).alias("name"), F.col(name).alias("list")) for name in relations])
    each = ranked.select("a", F.explode(named).alias("of"))
    return each.select(F.col("of.name").alias(C.RELATION), "a", F.posexplode("of.list").alias("place", "best")).select(
        C.RELATION,
        "a",
        (-F.col("best.b")).alias("b"),
        F.col("best.w").alias(C.WEIGHT),
        F.col("best.n").alias(C.PAIRS),
        (F.col("place") + 1).alias(C.RANK),
    )


def _apart(counted: DataFrame) -> DataFrame:
    """The two items of a pair's key."""
    return counted.withColumns({"a": F.shiftright("key", 32), "b": F.col("key").bitwiseAND(F.lit(LOW))})


def _with_norms(pairs: DataFrame, norms: DataFrame, *columns: str) -> DataFrame:
    """The items' own weights beside each pair, as `<column>_a` and `<column>_b`."""
    for side in ("a", "b"):
        renamed = norms.select(F.col("item").alias(side), *[F.col(c).alias(f"{c}_{side}") for c in columns])
        pairs = pairs.join(F.broadcast(renamed), side)
    return pairs


def _successions(known: AsOf, touched: DataFrame, fewest: int, half_life: int) -> DataFrame:
    """`next`: what a shopper touched within 7 days after an item, by up to 5 moments; each shopper counts once a pair.

    The weight of a pair is, over shoppers, the sum of the best decay / moments between; an item's own weight the sum
    of its best decays, so a pair's cosine is at most 1.
    """
    first = known.keep(
        touched.where(F.col("user").isNotNull())
        # Placed by shopper at once: the groupings by shopper and the window that follow then move nothing.
        .repartition("user")
        .groupBy("user", "item", AGE)
        .agg(F.min("t").alias("t"))
    )
    moments = first.groupBy("user", "t").agg(
        F.slice(F.sort_array(F.collect_list("item")), 1, BASKET_ITEMS).alias("items"), F.min(AGE).alias(AGE)
    )
    moments = moments.select("user", "t", "items", _decay(half_life).alias("w"))
    ahead = Window.partitionBy("user").orderBy("t").rowsBetween(1, NEXT_STEPS)
    steps = moments.withColumn("later", F.collect_list(F.struct("t", "items", "w")).over(ahead))
    near = steps.select("user", "t", "items", F.posexplode("later").alias("gap", "then")).where(
        F.col("then.t") - F.col("t") <= NEXT_DAYS * MICROS_A_DAY
    )
    weight = F.greatest(F.floor(F.col("then.w") / (F.col("gap") + 1)), F.lit(1)).cast("long")
    spread = near.select("user", "items", F.col("then.items").alias("others"), weight.alias("w"))
    spread = spread.select("user", "w", "others", F.explode("items").alias("a"))
    spread = spread.select("user", "w", "a", F.explode("others").alias("b")).where(F.col("a") != F.col("b"))
    key = F.shiftleft("a", 32) + F.col("b")
    counted = (
        spread.groupBy("user", key.alias("key"))
        .agg(F.max("w").alias("w"))
        .groupBy("key")
        .agg(F.count("*").alias("n"), F.sum("w").alias("w"))
        .where(F.col("n") >= fewest)
    )
    norms = (
        first.groupBy("user", "item")
        .agg(F.min(AGE).alias(AGE))
        .groupBy("item")
        .agg(F.sum(_decay(half_life)).alias("own"))
    )
    return _with_norms(_apart(counted), norms, "own").select(
        "a", "b", _cosine(F.col("w"), F.col("own_a"), F.col("own_b")).alias("next"), F.col("n").alias("next_n")
    )


def build(spark: SparkSession, settings: Settings, as_of: date) -> DataFrame:
    """Rows of `co_visitation` for a day, from the lake."""
    return co_visitation(AsOf(spark, settings, as_of))


def run(settings: Settings, days: DayRange, spark: SparkSession | None = None) -> Mapping[str, Any]:
    """Replace `co_visitation` of every as-of day of a range."""
    return write_days(
        lambda known: {"co_visitation": co_visitation(known)}, "jobs.co_visitation", settings, days, spark
    )


app = day_job(run, __doc__ or "")

if __name__ == "__main__":
    app()
