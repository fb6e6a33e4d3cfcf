"""From rows as delivered to typed events: map, type, canonicalise, pseudonymise, and say why a row is refused.

Everything here is a Spark SQL expression, so no row passes through Python.
"""

import hashlib

from pyspark.errors import AnalysisException
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from jobs.deliveries import ASSUMED, CORRUPT, DELIVERY_DS, DELIVERY_TS, FILE
from lake.columns import Columns as C
from lake.errors import BadInput
from lake.mapping import EVENT_TARGETS, Source
from lake.settings import Settings
from lake.tables.events import MAX_ID_BYTES

RAW = "_row"
IDS = (C.EVENT_ID, C.USER_ID, C.ITEM_ID, C.SESSION_ID)
NUMBERS = (C.VALUE, C.QUANTITY, C.PRICE)
TEXTS = (C.DEVICE, C.COUNTRY)
ATTRIBUTES = (C.TITLE, C.DESCRIPTION, C.CATEGORY, C.BRAND)
EARLIEST = "1990-01-01"
BLOCK = 64


def canonical(text: Column) -> Column:
    """Trimmed text; empty is NULL. (NFC is `normalised`'s part.)"""
    trimmed = F.regexp_replace(text, r"^[\s\p{Z}\p{Cc}]+|[\s\p{Z}\p{Cc}]+$", "")
    return F.when(trimmed != "", trimmed)


def pseudonym(user_id: Column, key: bytes) -> Column:
    """`storefront.contract.user_token` in Spark SQL: HMAC-SHA256 (RFC 2104) of the UTF-8 id as 64 hex digits."""
    key = (hashlib.sha256(key).digest() if len(key) > BLOCK else key).ljust(BLOCK, b"\0")
    inner, outer = bytes(b ^ 0x36 for b in key), bytes(b ^ 0x5C for b in key)
    digest = F.sha2(F.concat(F.lit(bytearray(inner)), F.encode(user_id, "UTF-8")), 256)
    return F.sha2(F.concat(F.lit(bytearray(outer)), F.unhex(digest)), 256)


def analyse(frame: DataFrame, source: Source) -> None:
    """Let Spark check every expression of the mapping against a frame.

    Raises:
        BadInput: one that Spark does not accept; names mapping file, key and Spark's reason.
    """
    for key, text in source.expressions("events").items():
        try:
            _ = frame.select(F.expr(text)).schema
        except AnalysisException as error:
            raise BadInput(
                f"{source.path}: {key}: {text!r} is refused by Spark: {str(error).splitlines()[0]}"
            ) from error


def mapped(frame: DataFrame, source: Source) -> DataFrame:
    """The mapping's expressions applied: text columns of the event targets beside the row as delivered, a struct.

    Rows for which the filter is false are left out; those for which it is NULL stay, so that the broken value behind
    it is found and told.
    """
    raw_columns = [name for name in frame.columns if not name.startswith("_")]
    if source.events.filter:
        frame = frame.where(F.col(CORRUPT).isNotNull() | F.coalesce(F.expr(source.events.filter), F.lit(True)))
    targets = [_target(source, name).alias(f"m_{name}") for name in EVENT_TARGETS]
    attributes = source.items.columns if source.items and source.items.origin == "events" else {}
    texts = [
        (canonical(F.expr(attributes[name] or "NULL").cast("string")) if name in attributes else F.lit(None))
        .cast("string")
        .alias(name)
        for name in ATTRIBUTES
    ]
    row = F.struct(*raw_columns, CORRUPT)
    return frame.select(row.alias(RAW), CORRUPT, FILE, DELIVERY_DS, DELIVERY_TS, ASSUMED, *targets, *texts)


def _target(source: Source, name: str) -> Column:
    text = source.events.columns.get(name)
    if name == C.EVENT_TYPE and source.events.event_type:
        return F.lit(source.events.event_type)
    value = F.expr(text) if text else F.lit(None).cast("string")
    if name in (C.EVENT_TS, C.INGESTED_TS):
        stamp = value.cast("timestamp")
        # The session runs in UTC: a timestamp without zone was read as UTC and is moved from the shop's zone.
        return F.to_utc_timestamp(stamp, source.time_zone) if source.time_zone != "UTC" else stamp
    return value.cast("string")


def normalised(text: Column) -> Column:
    """Text in Unicode form NFC, so that forms that look the same are the same id.

    Spark has no function for it, but carries ICU, which is called by reflection, so only for text beyond ASCII.
    """
    composed = F.reflect(F.lit("com.ibm.icu.text.Normalizer"), F.lit("compose"), text, F.lit(False))
    return F.when(F.octet_length(text) != F.char_length(text), composed).otherwise(text)


def typed(frame: DataFrame, source: Source, settings: Settings) -> DataFrame:
    """Typed events with `reason`: NULL for a good row, else `column: what is wrong`; the first fault counts.

    A refused row keeps itself as JSON; making that for every row would cost more than the rest.

    Args:
        frame: what `mapped` gives.
    """
    trimmed = {f"m_{name}" for name in (*IDS, *TEXTS, C.EVENT_TYPE)}
    frame = frame.select(*[canonical(F.col(c)).alias(c) if c in trimmed else F.col(c) for c in frame.columns])
    frame = frame.withColumns({f"m_{name}": normalised(F.col(f"m_{name}")) for name in IDS})
    for name in NUMBERS:
        frame = frame.withColumn(name, F.expr(f"try_cast(m_{name} as double)"))
    kinds = source.events.event_types
    if kinds:
        lookup = F.create_map(*[F.lit(text) for pair in kinds.items() for text in pair])
        frame = frame.withColumn(C.EVENT_TYPE, lookup[F.col("m_event_type")])
    else:
        frame = frame.withColumn(C.EVENT_TYPE, F.col("m_event_type"))
    event_day = F.date_format("m_event_ts", "yyyy-MM-dd")
    if source.deliveries.period == "day":
        available = F.col(DELIVERY_TS)
    else:
        assumed_end = F.date_add(F.col("m_event_ts").cast("date"), 1).cast("timestamp")
        delay = F.expr(f"make_dt_interval(0, 0, 0, {source.deliveries.delay.total_seconds()})")
        available = F.when(F.col(ASSUMED), assumed_end + delay).otherwise(F.col(DELIVERY_TS))
    frame = (
        frame.withColumn(C.DS, event_day)
        .withColumn(C.EVENT_TS, F.col("m_event_ts"))
        .withColumn(C.INGESTED_TS, F.coalesce("m_ingested_ts", available))
        .withColumn(C.INGESTED_ASSUMED, F.col(ASSUMED) & F.col("m_ingested_ts").isNull())
        .withColumn(C.SOURCE, F.lit(source.name))
        .withColumn(C.REASON, _reason(source, settings))
        .withColumn(RAW, F.when(F.col(C.REASON).isNotNull(), F.to_json(RAW)))
    )
    user = F.col("m_user_id")
    if settings.pseudonymise:
        user = F.when(user.isNotNull(), pseudonym(user, settings.key()))
    return frame.withColumn(C.USER_ID, user).select(
        "*",
        F.col("m_event_id").alias("given_id"),
        F.col("m_item_id").alias(C.ITEM_ID),
        F.col("m_session_id").alias(C.SESSION_ID),
        F.col("m_device").alias(C.DEVICE),
        F.col("m_country").alias(C.COUNTRY),
    )


def _reason(source: Source, settings: Settings) -> Column:
    faults: list[tuple[Column, str | Column]] = [(F.col(CORRUPT).isNotNull(), "row: cannot be read")]
    for name in IDS:
        column = F.col(f"m_{name}")
        faults.append((F.octet_length(column) > MAX_ID_BYTES, f"{name}: longer than {MAX_ID_BYTES} bytes"))
        faults.append((column.contains("\ufffd"), f"{name}: not UTF-8"))
    faults.append((F.col("m_item_id").isNull(), "item_id: missing"))
    shown = F.substring(F.coalesce("m_event_type", F.lit("NULL")), 1, 40)
    faults.append((F.col(C.EVENT_TYPE).isNull(), F.concat(F.lit("event_type: unknown "), shown)))
    faults.append((F.col("m_event_ts").isNull(), "event_ts: cannot be read"))
    if source.deliveries.period == "day":
        days = F.datediff(F.col("m_event_ts").cast("date"), F.col(DELIVERY_DS).cast("date"))
        faults.append((days > 1, "event_ts: after the day of the delivery"))
        faults.append(
            (days < -settings.late_days, f"event_ts: more than {settings.late_days} days before the delivery")
        )
    else:
        faults.append(
            (F.col("m_event_ts") > F.current_timestamp() + F.expr("INTERVAL 1 DAY"), "event_ts: in the future")
        )
        faults.append((F.col("m_event_ts") < F.lit(EARLIEST).cast("timestamp"), f"event_ts: before {EARLIEST}"))
    for name in NUMBERS:
        wrong = F.col(f"m_{name}").isNotNull() & (F.trim(f"m_{name}") != "") & F.col(name).isNull()
        faults.append((wrong | F.isnan(name), f"{name}: not a number"))
    for name in (C.QUANTITY, C.PRICE):
        faults.append((F.col(name) < 0, f"{name}: negative"))
    rating = (F.col(C.EVENT_TYPE) == "rating") & F.col(C.VALUE).isNull()
    faults.append((rating, "value: a rating without value"))
    return F.coalesce(*[F.when(test, F.lit(text) if isinstance(text, str) else text) for test, text in faults])
