"""Whatever the order of the rows in the lake, whole lists come out of it."""

from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobs.publication import partition, scattered
from jobs.publication.assembling import ContentHash, assemble
from jobs.publication.partition import ListsPartition
from lake.settings import Settings
from tests.jobs import planted_lists

DS = "2026-11-22"
TABLE = planted_lists.rows("a", DS, [f"u{n}" for n in range(6)], k=4)


def digest(batches: object) -> str:
    made = ContentHash()
    for lists in assemble(batches):  # type: ignore[arg-type]
        made.add(lists)
    return made.hexdigest()


EXPECTED = digest(TABLE.select(list(partition.COLUMNS)).to_batches())


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.permutations(range(9)), st.sampled_from([1, 2, 100_000]), st.sampled_from([7, 2_000_000]))
def test_chunks_may_come_in_any_order(
    tmp_path_factory: pytest.TempPathFactory, order: list[int], most_owners: int, sorted_rows: int
) -> None:
    house = Settings(var=tmp_path_factory.mktemp("lake"), pseudonymise=False)
    step = -(-len(TABLE) // 9)
    chunks = pa.concat_tables([TABLE.slice(n * step, step) for n in order])
    planted_lists.write(house, chunks, record=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scattered, "MOST_OWNERS", most_owners)
        patch.setattr(partition, "SORTED_ROWS", sorted_rows)
        found = ListsPartition(house, DS)
        assert digest(found.batches("home")) == EXPECTED
        assert found.size("home").lists == {"segment": 3, "item": 2, "user": 6}


def test_lists_in_order_are_not_sorted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    house = Settings(var=tmp_path, pseudonymise=False)
    planted_lists.write(house, TABLE, record=False)
    monkeypatch.setattr(partition, "_sorted", lambda parts: pytest.fail("sorted"))
    assert digest(ListsPartition(house, DS).batches("home")) == EXPECTED
