"""The bytes of the wire are those that redis-py would send."""

import hashlib

import hiredis
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.publication.assembling import COLUMNS, assemble
from jobs.publication.encoding import OK, encode
from jobs.publication.whole_lists import Lists
from storefront import contract
from tests.jobs.publication.test_assembling import LISTS, batch

VERSION = "20261122T000000Z-abcdef"
Content = dict[str, list[tuple[str, str, str | None]]]


def wholes(content: Content) -> list[Lists]:
    return list(assemble([batch(content)]))


@settings(deadline=None, max_examples=40)
@given(LISTS.filter(bool), st.integers(1, 9), st.integers(1, 3))
def test_commands_are_those_of_a_client_however_lists_are_parted(content: Content, rows: int, lists: int) -> None:
    parts = [part for whole in wholes(content) for part in whole.in_parts(rows, lists)]
    assert sum(map(len, parts)) == len(content)
    for part in parts:
        assert len(part) <= lists
        assert len(part) == 1 or part.sizes.sum() <= rows
        pushes, reasons = encode(part, "home", VERSION)
        for number in range(len(part)):
            one = part.one(number)
            push = ("RPUSH", contract.user_key("home", VERSION, one.owner), *one.items)
            why = ("SET", contract.why_key("home", VERSION, one.owner), one.reasons)
            assert pushes.packed[number].as_py() == hiredis.pack_command(push)
            assert reasons.packed[number].as_py() == hiredis.pack_command(why)
        assert pushes.replies.tolist() == part.sizes.tolist()
        assert set(reasons.replies.tolist()) == {OK}
        assert bytes(pushes.wire()) == b"".join(pushes.packed.to_pylist())
        half = reasons.slice(len(part) // 2, len(part))
        assert bytes(half.wire()) == b"".join(half.packed.to_pylist())
        odd = pushes.take(range(0, len(part), 2))
        assert bytes(odd.wire()) == b"".join(pushes.packed.to_pylist()[::2])


@settings(deadline=None, max_examples=40)
@given(LISTS)
def test_the_hash_is_the_one_on_record(content: Content) -> None:
    """Its definition is a contract between the job that makes lists and every later publication."""
    total, found = 0, wholes(content)
    for one in (whole.one(number) for whole in found for number in range(len(whole))):
        text = "\0".join((one.kind, one.owner, *one.items, one.reasons)).encode()
        total += int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big")
    assert sum(whole.digest() for whole in found) % 2**64 == total % 2**64


@pytest.mark.parametrize("kind", ["item", "segment"])
def test_only_shoppers_lists_have_their_reasons_beside_them(kind: str) -> None:
    rows = batch({"a": [("1", "co", "2")]})
    rows = rows.set_column(0, COLUMNS[0], pa.array([kind]))
    (found,) = assemble([rows])
    (pushes,) = encode(found, "home", VERSION)
    key = {"item": contract.item_key, "segment": contract.segment_key}[kind]("home", VERSION, "a")
    assert pushes.packed.to_pylist() == [hiredis.pack_command(("RPUSH", key, "1"))]


def test_dictionaries_and_plain_columns_give_the_same() -> None:
    rows = batch({"a": [("1", "co", "2"), ("3", "new", None)], "b": [("1", "bought", "1")]})
    coded = pa.RecordBatch.from_arrays(
        [column if pa.types.is_integer(column.type) else column.dictionary_encode() for column in rows.columns],
        names=rows.schema.names,
    )
    one, other = (
        [(each.digest(), *(c.packed.to_pylist() for c in encode(each, "home", VERSION))) for each in assemble([given])]
        for given in (rows, coded)
    )
    assert one == other
