"""The events and features of `jobs.day`, once more in DuckDB: what the Spark jobs' speed and rows are held against.

Written for the generated shop (`sources/demo_shop.yaml`): it takes the mapping, the refusals and the settings' defaults
as given, and leaves out what a shop needs besides: gates, hashes, quarantine, transaction log, days that arrive later.
"""

from pathlib import Path

import duckdb
import pyarrow as pa

from jobs.as_of import BOT_MULTIPLE
from jobs.co_visitation import BASKET_ITEMS, LARGE_LOG, NEXT_DAYS, NEXT_STEPS, PARTNERS
from jobs.user_features import LARGEST, MONEY
from lake.columns import EVENT_TYPES, WINDOWS
from lake.columns import Columns as C
from lake.settings import Settings

TABLES = ("events", "user_features", "item_features", "co_visitation")

_FIELDS = (
    *("event_id", "shopper", "item", "event", "ts", "received"),
    *("quantity", "price", "session", "device", "country"),
)

_EVENTS = """
CREATE TABLE events AS
WITH read AS (
  SELECT nullif(trim(event_id), '') AS event_id, nullif(trim(shopper), '') AS user_id,
    nullif(trim(item), '') AS item_id,
    CASE trim(event) WHEN 'view' THEN 'view' WHEN 'add_to_cart' THEN 'cart' WHEN 'purchase' THEN 'purchase' END
      AS event_type,
    try_cast(ts AS TIMESTAMP) AS event_ts, try_cast(received AS TIMESTAMP) AS ingested_ts,
    try_cast(quantity AS DOUBLE) AS quantity, try_cast(price AS DOUBLE) AS price,
    quantity IS NOT NULL AND try_cast(quantity AS DOUBLE) IS NULL
      OR price IS NOT NULL AND try_cast(price AS DOUBLE) IS NULL AS odd,
    nullif(trim(session), '') AS session_id, nullif(trim(device), '') AS device, nullif(trim(country), '') AS country,
    CAST(regexp_extract(filename, '[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}') AS DATE) AS delivered
  FROM read_json('{files}', format = 'newline_delimited', columns = {columns}, filename = true, ignore_errors = true)
), sound AS (
  SELECT * FROM read
  WHERE item_id IS NOT NULL AND event_type IS NOT NULL AND NOT odd
    AND delivered - CAST(event_ts AS DATE) BETWEEN -1 AND {late}
    AND coalesce(quantity, 0) >= 0 AND coalesce(price, 0) >= 0
    AND coalesce(greatest(strlen(event_id), strlen(user_id), strlen(item_id), strlen(session_id)), 0) <= 256
)
SELECT * EXCLUDE (odd, delivered), CAST(CAST(event_ts AS DATE) AS VARCHAR) AS ds FROM sound
QUALIFY row_number() OVER (PARTITION BY CAST(event_ts AS DATE), event_id ORDER BY ingested_ts, delivered) = 1
"""

_KNOWN = """
CREATE TABLE known AS
SELECT *, coalesce(user_id, session_id) AS actor, DATE '{day}' - CAST(ds AS DATE) AS age FROM events
WHERE ds BETWEEN CAST(DATE '{day}' - {history} + 1 AS VARCHAR) AND '{day}'
  AND ingested_ts <= TIMESTAMP '{day}' + INTERVAL (24 + {cutoff}) HOUR
;
CREATE TABLE actor_days AS SELECT actor, age, count(*) AS n FROM known WHERE actor IS NOT NULL GROUP BY ALL
;
CREATE TABLE human AS
SELECT * FROM known WHERE actor IS NULL OR actor NOT IN (
  SELECT actor FROM actor_days WHERE n > {bot} AND n > {bot_multiple} * (SELECT quantile_disc(n, 0.5) FROM actor_days)
)
;
CREATE TABLE touches AS
SELECT user_id, item_id, count(*) AS n, bool_or(event_type = 'purchase') AS bought
FROM known WHERE age < 90 AND user_id IS NOT NULL GROUP BY ALL
;
CREATE TABLE catalogue AS
SELECT nullif(trim(item), '') AS item_id, max(nullif(trim(category), '')) AS category,
  max(nullif(trim(brand), '')) AS brand, max(try_cast(price AS DOUBLE)) AS price
FROM read_csv('{catalogue}', all_varchar = true) GROUP BY ALL
"""

_DAILY = """
SELECT {key}, age, {counts}, min(event_ts) AS first, max(event_ts) AS last,
  sum(CASE WHEN event_type = 'purchase' AND price IS NOT NULL
    THEN CAST(round(least(coalesce(quantity, 1) * price, {largest}) * {money}) AS BIGINT) END) AS paid
FROM {table} WHERE {key} IS NOT NULL GROUP BY ALL
"""

_USER_FEATURES = """
CREATE TABLE user_features AS
WITH daily AS ({daily}), base AS (
  SELECT user_id, {windows}, epoch(end_ts - max(last)) / 86400 AS days_since_last,
    epoch(end_ts - min(first)) / 86400 AS days_since_first, count(*) AS active_days,
    coalesce(sum(paid) FILTER (age < 90), 0) / {money} AS spend
  FROM daily, (SELECT TIMESTAMP '{day}' + INTERVAL 1 DAY AS end_ts) GROUP BY user_id, end_ts
), touched AS (SELECT * FROM touches LEFT JOIN catalogue USING (item_id)
), prices AS (
  SELECT user_id, count(*) AS distinct_items,
    sum(CAST(round(least(price, {largest}) * {money}) AS BIGINT)) / count(price) / {money} AS mean_price
  FROM touched GROUP BY user_id
), {affinities}, visits AS (
  SELECT user_id, session_id, count(*) AS n, epoch_us(max(event_ts)) - epoch_us(min(event_ts)) AS dwell
  FROM known WHERE age < 30 AND session_id IS NOT NULL AND user_id IS NOT NULL GROUP BY ALL
), sessions AS (
  SELECT user_id, count(*) AS sessions, sum(n) / count(*) AS session_depth, sum(dwell) / count(*) / 1e6 AS session_dwell
  FROM visits GROUP BY user_id
), places AS (
  SELECT user_id, max(ROW(event_ts, country)) FILTER (country IS NOT NULL) AS country,
    max(ROW(event_ts, device)) FILTER (device IS NOT NULL) AS device
  FROM known WHERE user_id IS NOT NULL GROUP BY user_id
)
SELECT base.*, coalesce(distinct_items, 0) AS distinct_items, mean_price, coalesce(sessions, 0) AS sessions,
  session_depth, session_dwell, category_affinity, brand_affinity, country[2] AS country, device[2] AS device
FROM base LEFT JOIN prices USING (user_id) LEFT JOIN of_category USING (user_id) LEFT JOIN of_brand USING (user_id)
  LEFT JOIN sessions USING (user_id) LEFT JOIN places USING (user_id)
"""

_AFFINITY = """
of_{kind} AS (
  SELECT user_id, map_from_entries(list((label, n / total) ORDER BY label)) AS {kind}_affinity FROM (
    SELECT user_id, {kind} AS label, sum(n) AS n, sum(sum(n)) OVER (PARTITION BY user_id) AS total
    FROM touched WHERE {kind} IS NOT NULL GROUP BY user_id, {kind}
  ) GROUP BY user_id
)"""

_ITEM_FEATURES = """
CREATE TABLE item_features AS
WITH daily AS ({daily}), counts AS (
  SELECT item_id, {windows}, epoch(end_ts - max(last)) / 86400 AS days_since_last
  FROM daily, (SELECT TIMESTAMP '{day}' + INTERVAL 1 DAY AS end_ts) GROUP BY item_id, end_ts
), people AS (
  SELECT item_id, count_if(bought) AS buyers, count(*) AS visitors
  FROM touches WHERE user_id IN (SELECT user_id FROM human) GROUP BY item_id
)
SELECT counts.*, coalesce(buyers, 0) AS buyers, coalesce(visitors, 0) AS visitors
FROM counts LEFT JOIN people USING (item_id)
"""

_CO_VISITATION = """
CREATE TABLE numbers AS SELECT item_id, row_number() OVER (ORDER BY item_id) AS item FROM
  (SELECT DISTINCT item_id FROM human)
;
CREATE TABLE decays AS SELECT range AS age, greatest(CAST(round(pow(0.5, range / {half_life}) * 1e6) AS BIGINT), 1) AS w
FROM range({history})
;
CREATE TABLE kept AS
WITH lines AS (
  SELECT coalesce('s' || session_id, 'u' || age || ':' || user_id) AS basket, item,
    max(CAST(event_type = 'purchase' AS BIGINT)) AS bought, max(event_ts) AS last, min(age) AS age
  FROM human JOIN numbers USING (item_id) WHERE basket IS NOT NULL GROUP BY ALL
)
SELECT basket, item, bought, w FROM (
  SELECT *, min(age) OVER (PARTITION BY basket) AS youngest FROM lines
  QUALIFY row_number() OVER (PARTITION BY basket ORDER BY bought DESC, last DESC, item) <= {basket_items}
) JOIN decays ON decays.age = youngest
;
CREATE TABLE norms AS SELECT item, sum(w) AS together, sum(w * bought) AS bought FROM kept GROUP BY item
;
CREATE TABLE pairs AS
SELECT l.item AS a, r.item AS b, count(*) AS n, sum(l.w) AS w, sum(l.bought * r.bought) AS pn,
  sum(l.w * l.bought * r.bought) AS pw
FROM kept l JOIN kept r ON l.basket = r.basket AND l.item < r.item GROUP BY ALL HAVING n >= {fewest}
;
CREATE TABLE first AS SELECT user_id, item, age, min(event_ts) AS t
FROM human JOIN numbers USING (item_id) WHERE user_id IS NOT NULL GROUP BY ALL
;
CREATE TABLE moments AS
SELECT user_id, t, items, w, row_number() OVER (PARTITION BY user_id ORDER BY t) AS place FROM (
  SELECT user_id, t, list_slice(list_sort(list(item)), 1, {basket_items}) AS items, min(age) AS age
  FROM first GROUP BY ALL
) JOIN decays USING (age)
;
CREATE TABLE steps AS
WITH near AS (
  SELECT m.user_id, m.items, x.items AS others, greatest(x.w // (x.place - m.place), 1) AS w
  FROM moments m JOIN moments x ON x.user_id = m.user_id AND x.place - m.place BETWEEN 1 AND {next_steps}
    AND x.t <= m.t + INTERVAL {next_days} DAY
), ahead AS (SELECT user_id, w, others, unnest(items) AS a FROM near
), spread AS (SELECT user_id, w, a, unnest(others) AS b FROM ahead
), once AS (SELECT user_id, a, b, max(w) AS w FROM spread WHERE a <> b GROUP BY ALL)
SELECT a, b, count(*) AS n, sum(w) AS w FROM once GROUP BY ALL HAVING n >= {fewest}
;
CREATE TABLE owned AS SELECT item, sum(w) AS own FROM
  (SELECT user_id, item, min(age) AS age FROM first GROUP BY ALL) JOIN decays USING (age) GROUP BY item
;
CREATE TABLE co_visitation AS
WITH cosines AS (
  SELECT a, b, n, w / sqrt(CAST(l.together AS DOUBLE) * r.together) AS together, pn,
    pw / sqrt(CAST(l.bought AS DOUBLE) * r.bought) AS bought
  FROM pairs JOIN norms l ON l.item = a JOIN norms r ON r.item = b
), every AS (
  SELECT 'together' AS relation, a, b, together AS weight, n AS pairs FROM cosines
  UNION ALL SELECT 'together', b, a, together, n FROM cosines
  UNION ALL SELECT 'bought', a, b, bought, pn FROM cosines WHERE pn >= {fewest}
  UNION ALL SELECT 'bought', b, a, bought, pn FROM cosines WHERE pn >= {fewest}
  UNION ALL SELECT 'next', a, b, w / sqrt(CAST(l.own AS DOUBLE) * r.own), n
    FROM steps JOIN owned l ON l.item = a JOIN owned r ON r.item = b
), ranked AS (
  SELECT *, row_number() OVER (PARTITION BY relation, a ORDER BY weight DESC, pairs DESC, b) AS rank FROM every
  QUALIFY rank <= {partners}
)
SELECT left_.item_id, right_.item_id AS other_item_id, relation, weight, pairs, rank
FROM ranked JOIN numbers left_ ON left_.item = a JOIN numbers right_ ON right_.item = b
"""


def make(settings: Settings, day: str, out: Path) -> dict[str, pa.Table]:
    """Clean the deliveries, make the features as of a day, and write them as Parquet.

    Args:
        settings: name the generated shop's folder and give what the jobs would go by.
        day: as-of day, the last that was delivered.
        out: an empty folder.

    Returns:
        The tables of `TABLES`, with the lake's column names; the features of items only for those with an event.
    """
    told = {
        "files": Path(settings.data) / "events" / "*.jsonl.gz",
        "catalogue": Path(settings.data) / "items" / f"{day}.csv.gz",
        "columns": "{" + ", ".join(f"{name}: 'VARCHAR'" for name in _FIELDS) + "}",
        "day": day,
        "late": settings.late_days,
        "history": settings.history_days,
        "cutoff": settings.delivery_cutoff_hours,
        "bot": settings.bot_events_a_day,
        "bot_multiple": BOT_MULTIPLE,
        "half_life": settings.co_visitation_half_life_days,
        "basket_items": BASKET_ITEMS,
        "next_steps": NEXT_STEPS,
        "next_days": NEXT_DAYS,
        "partners": PARTNERS,
        "money": MONEY,
        "largest": LARGEST,
    }
    counts = ", ".join(f"count_if(event_type = '{kind}') AS n_{kind}" for kind in EVENT_TYPES)
    told["windows"] = ", ".join(
        f"coalesce(sum(n_{kind}) FILTER (age < {days}), 0) AS {C.count(kind, days)}"
        for kind in EVENT_TYPES
        for days in WINDOWS
    )
    told["affinities"] = ", ".join(_AFFINITY.format(kind=kind) for kind in ("category", "brand"))

    def daily(table: str, key: str) -> str:
        return _DAILY.format(table=table, key=key, counts=counts, **told)

    with duckdb.connect(config={"threads": settings.threads}) as base:
        base.execute(_EVENTS.format(**told))
        base.execute(_KNOWN.format(**told))
        base.execute(_USER_FEATURES.format(daily=daily("known", "user_id"), **told))
        base.execute(_ITEM_FEATURES.format(daily=daily("human", "item_id"), **told))
        large = base.sql("SELECT count(*) FROM actor_days").fetchall()[0][0] >= LARGE_LOG
        base.execute(_CO_VISITATION.format(fewest=2 if large else 1, **told))
        for name in TABLES:
            base.execute(f"COPY {name} TO '{out / name}.parquet'")
        return {name: base.table(name).to_arrow_table() for name in TABLES}
