"""Reads a snapshot from the lake: two clocks, sorted vocabularies, codes instead of strings."""

from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from scipy import sparse

from lake import mapping, storage
from lake.clock import Cutoff, day_end, shift
from lake.columns import EVENT_TYPES
from lake.columns import Columns as C
from lake.errors import BadInput
from lake.settings import Settings
from lake.tables import TABLES
from models.interface import Floats, Ints
from models.snapshot import RELATIONS, Catalogue, Events, Snapshot

DAY_US = 86_400_000_000
FEATURE_TABLES = ("items", "user_features", "item_features", "co_visitation")
EVENT_COLUMNS = (
    C.USER_ID,
    C.ITEM_ID,
    C.EVENT_TYPE,
    C.VALUE,
    C.EVENT_TS,
    C.QUANTITY,
    C.PRICE,
    C.SESSION_ID,
)


def load(settings: Settings, as_of: date, *, exact: bool) -> Snapshot:
    """See `Snapshot.load`."""
    partitions = _partitions(settings, as_of, exact=exact)
    versions = {name: storage.version(settings, name) or 0 for name in ("events", *partitions)}

    def features(name: str) -> pa.Table:
        if name not in partitions:
            return TABLES[name].arrow_schema().empty_table()
        return storage.read(settings, name, ds=partitions[name], version=versions[name])

    log = _events(settings, as_of, versions["events"])
    catalogue = features("items")
    users = _vocabulary(log[C.USER_ID])
    items = _vocabulary(catalogue[C.ITEM_ID], log[C.ITEM_ID])
    events = _encode(log, users, items, day_end(as_of).timestamp())
    by_user, by_item = features("user_features"), features("item_features")
    user_rows, item_rows = _codes(by_user[C.USER_ID], users), _codes(by_item[C.ITEM_ID], items)
    described = _catalogue(catalogue, items, day_end(as_of).timestamp())
    country, countries = _category(by_user[C.COUNTRY], user_rows, len(users))
    device, devices = _category(by_user[C.DEVICE], user_rows, len(users))
    return Snapshot(
        as_of=as_of,
        users=users,
        items=items,
        events=events,
        user_ptr=np.searchsorted(events.user, np.arange(len(users) + 1)).astype(np.int64),
        catalogue=described,
        item_features=_numbers(by_item, "item_features", item_rows, len(items)),
        user_features=_numbers(by_user, "user_features", user_rows, len(users)),
        category_affinity=_affinity(by_user[C.CATEGORY_AFFINITY], user_rows, len(users), described.categories),
        brand_affinity=_affinity(by_user[C.BRAND_AFFINITY], user_rows, len(users), described.brands),
        country=country,
        countries=countries,
        device=device,
        devices=devices,
        co_visitation=_relations(features("co_visitation"), items),
        positive_from=positive_from(settings, events.kind),
        versions=versions,
        partitions=partitions,
    )


def positive_from(settings: Settings, kinds: NDArray[np.int8]) -> float | None:
    """The rating from which one means liking, as the source says; None where the log has no ratings."""
    if EVENT_TYPES.index("rating") not in kinds:
        return None
    rating = mapping.load(settings.source).events.rating
    if rating is None:
        raise BadInput(f"the lake holds ratings, but {settings.source} does not say rating.positive_from; add it")
    return rating.positive_from


def _partitions(settings: Settings, as_of: date, *, exact: bool) -> dict[str, str]:
    """Which day of each feature table to read. A table without rows for a quiet shop is left out."""
    wanted, found = as_of.isoformat(), {}
    for name in FEATURE_TABLES:
        known = [day for day in storage.days(settings, name) if day <= wanted]
        if known and (known[-1] == wanted or not exact):
            found[name] = known[-1]
    missing = [name for name in ("items", "item_features") if name not in found]
    if missing:
        raise BadInput(
            f"no {' and no '.join(missing)} as of {wanted}{'' if exact else ' or earlier'} in {settings.lake_root}; "
            f"make them: python -m jobs.day --features-only --as-of {wanted}"
        )
    return found


def _events(settings: Settings, as_of: date, version: int) -> pa.Table:
    cutoff = Cutoff.as_of(as_of, settings.delivery_cutoff_hours)
    filters = [(C.EVENT_TS, "<", cutoff.events_before), (C.INGESTED_TS, "<=", cutoff.ingested_until)]
    first = shift(as_of, 1 - settings.history_days)
    return storage.read(
        settings,
        "events",
        start=first.isoformat(),
        end=as_of.isoformat(),
        columns=EVENT_COLUMNS,
        filters=filters,
        version=version,
    )


def _vocabulary(*columns: pa.ChunkedArray) -> NDArray[np.object_]:
    values: set[str] = set()
    for column in columns:
        values.update(pc.unique(column).to_pylist())
    values.discard(None)
    return np.array(sorted(values), dtype=object)


def _codes(column: pa.ChunkedArray, vocabulary: Any) -> Ints:
    """Position of each value in a vocabulary; -1 for NULL and for what is not in it."""
    if not len(vocabulary):
        return np.full(len(column), -1, np.int32)
    found = pc.index_in(column, value_set=pa.array(list(vocabulary), pa.string()), skip_nulls=True)
    return found.fill_null(-1).to_numpy().astype(np.int32)


def _floats(column: pa.ChunkedArray) -> Floats:
    return column.cast(pa.float64()).to_numpy(zero_copy_only=False).astype(np.float32)


def _encode(log: pa.Table, users: NDArray[np.object_], items: NDArray[np.object_], end: float) -> Events:
    user, item = _codes(log[C.USER_ID], users), _codes(log[C.ITEM_ID], items)
    kind = _codes(log[C.EVENT_TYPE], EVENT_TYPES).astype(np.int8)
    session = _codes(log[C.SESSION_ID], _vocabulary(log[C.SESSION_ID]))
    micros = log[C.EVENT_TS].cast(pa.int64()).to_numpy()
    value, quantity, price = (_floats(log[name]) for name in (C.VALUE, C.QUANTITY, C.PRICE))
    order = np.lexsort((price, quantity, value, session, kind, item, micros, user))
    age = ((end * 1e6 - micros) / DAY_US).astype(np.float32)
    return Events(
        user[order], item[order], kind[order], age[order], value[order], quantity[order], price[order], session[order]
    )


def _catalogue(rows: pa.Table, items: NDArray[np.object_], end: float) -> Catalogue:
    at, size = _codes(rows[C.ITEM_ID], items), len(items)
    category, categories = _category(rows[C.CATEGORY], at, size)
    brand, brands = _category(rows[C.BRAND], at, size)
    title = np.full(size, None, dtype=object)
    title[at] = rows[C.TITLE].to_pylist()
    in_stock = np.ones(size, np.bool_)
    in_stock[at] = rows[C.IN_STOCK].fill_null(True).to_numpy(zero_copy_only=False)
    seen = rows[C.FIRST_SEEN_TS].cast(pa.int64()).to_numpy()
    return Catalogue(
        title=title,
        category=category,
        categories=categories,
        brand=brand,
        brands=brands,
        price=_scatter(_floats(rows[C.PRICE]), at, size),
        margin=_scatter(_floats(rows[C.MARGIN]), at, size),
        in_stock=in_stock,
        age_days=_scatter(((end * 1e6 - seen) / DAY_US).astype(np.float32), at, size),
    )


def _scatter(values: Floats, at: Ints, size: int) -> Floats:
    out = np.full(size, np.nan, np.float32)
    known = at >= 0
    out[at[known]] = values[known]
    return out


def _category(column: pa.ChunkedArray, at: Ints, size: int) -> tuple[Ints, tuple[str, ...]]:
    names = _vocabulary(column)
    out, known = np.full(size, -1, np.int32), at >= 0
    out[at[known]] = _codes(column, names)[known]
    return out, tuple(names)


def _numbers(rows: pa.Table, name: str, at: Ints, size: int) -> dict[str, Floats]:
    numeric = [column.name for column in TABLES[name].columns if column.type in ("long", "int", "double")]
    return {column: _scatter(_floats(rows[column]), at, size) for column in numeric}


def _affinity(column: pa.ChunkedArray, at: Ints, size: int, names: tuple[str, ...]) -> sparse.csr_matrix:
    data = column.combine_chunks()
    parents, keys, shares = [], pa.array([], pa.string()), np.zeros(0)
    if len(data):
        parents = pc.list_parent_indices(
            data.cast(pa.list_(pa.struct([("key", pa.string()), ("value", pa.float64())])))
        )
        keys, shares = data.keys, data.items.to_numpy(zero_copy_only=False)
    columns = _codes(pa.chunked_array([keys]), names)
    rows = at[np.asarray(parents, dtype=np.int64)] if len(columns) else np.zeros(0, np.int32)
    keep = (columns >= 0) & (rows >= 0)
    cells = (shares[keep].astype(np.float32), (rows[keep], columns[keep]))
    return sparse.csr_matrix(cells, shape=(size, max(len(names), 1)))


def _relations(rows: pa.Table, items: NDArray[np.object_]) -> dict[str, sparse.csr_matrix]:
    item, other = _codes(rows[C.ITEM_ID], items), _codes(rows[C.OTHER_ITEM_ID], items)
    relation, weight = _codes(rows[C.RELATION], RELATIONS), _floats(rows[C.WEIGHT])
    matrices = {}
    for code, name in enumerate(RELATIONS):
        keep = (relation == code) & (item >= 0) & (other >= 0)
        cells = (weight[keep], (item[keep], other[keep]))
        matrices[name] = sparse.csr_matrix(cells, shape=(len(items), len(items)))
        matrices[name].sort_indices()
    return matrices
