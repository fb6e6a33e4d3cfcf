"""Rows become whole lists, however the rows are cut into batches."""

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.publication.assembling import COLUMNS, ContentHash, assemble
from jobs.publication.whole_lists import WholeList
from lake.errors import BadInput
from storefront.contract import REASON_CODES, Reason, encode_reasons

TEXT = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=8)
OTHERS = [code for code in REASON_CODES if code not in ("bought", "seen")]
ENTRY = st.one_of(
    st.tuples(TEXT, st.sampled_from(OTHERS), st.none() | TEXT),
    st.tuples(TEXT, st.just("bought"), TEXT),
    st.tuples(TEXT, st.just("seen"), st.none()),
)
LISTS = st.dictionaries(TEXT, st.lists(ENTRY, min_size=1, max_size=6), max_size=6)


def batch(lists: dict[str, list[tuple[str, str, str | None]]]) -> pa.RecordBatch:
    data = [
        ("user", owner, rank, item, code, value)
        for owner, entries in lists.items()
        for rank, (item, code, value) in enumerate(entries, 1)
    ]
    types = [pa.string(), pa.string(), pa.int32(), pa.string(), pa.string(), pa.string()]
    columns = list(zip(*data, strict=True)) or [[]] * len(types)
    arrays = [pa.array(list(c), t) for c, t in zip(columns, types, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, names=list(COLUMNS))


@settings(deadline=None)
@given(LISTS, st.integers(1, 7))
def test_lists_do_not_depend_on_how_rows_are_cut(
    lists: dict[str, list[tuple[str, str, str | None]]], size: int
) -> None:
    whole = batch(lists)
    cut = [whole.slice(start, size) for start in range(0, len(whole), size)]
    expected = [
        WholeList("user", owner, [e[0] for e in entries], encode_reasons([Reason(e[1], e[2]) for e in entries]))
        for owner, entries in lists.items()
    ]
    assert [whole.one(n) for whole in assemble(cut) for n in range(len(whole))] == expected


def test_the_hash_does_not_depend_on_order_but_on_everything_shown() -> None:
    lists = {"a": [("1", "co", "2"), ("3", "new", None)], "b": [("1", "co", "2")]}

    def digest(content: dict[str, list[tuple[str, str, str | None]]]) -> str:
        made = ContentHash()
        for whole in assemble([batch(content)]):
            made.add(whole)
        return made.hexdigest()

    base = digest(lists)
    assert digest(dict(reversed(lists.items()))) == base
    assert digest({"a": lists["b"], "b": lists["a"]}) != base
    assert digest(lists | {"b": [("1", "co", "9")]}) != base
    assert digest(lists | {"b": [("9", "co", "2")]}) != base


@pytest.mark.parametrize("order", [[1, 0, 2], [0, 2, 1], [1, 2]], ids=["swapped", "gap", "headless"])
def test_rows_out_of_order_are_refused(order: list[int]) -> None:
    rows = batch({"a": [("1", "co", "2"), ("3", "co", "4")], "b": [("5", "co", "6")]}).take(pa.array(order))
    with pytest.raises(BadInput, match=r"jobs\.lists"):
        list(assemble([rows]))


def test_an_unknown_reason_is_refused() -> None:
    with pytest.raises(BadInput, match="guess"):
        list(assemble([batch({"a": [("1", "guess", None)]})]))
