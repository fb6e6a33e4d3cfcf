"""Ten times the shoppers: lists made for a part of a shop and for all of it, each in a process of its own."""

import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from infra.bench.figures import Figure, stopwatch

SHOP, PART = 20_000, 2_000


def measure(runs: int) -> list[Figure]:
    """Seconds and peak memory of scoring; the snapshot, which grows with the log, is the same in both."""
    shoppers = (PART, SHOP)
    _told(PART)  # compiles
    found = [[_told(count) for count in shoppers] for _ in range(runs)]
    seconds = [tuple(float(each[n]["seconds"]) for each in found) for n in range(2)]
    memory = [tuple(float(each[n]["peak_mb"]) for each in found) for n in range(2)]
    details = {"shoppers": SHOP, "part": PART, "snapshot_mb": found[0][1]["before_mb"]}
    return [
        Figure(
            *("scoring, time at 10 x shoppers / 10", "s", tuple(value / 10 for value in seconds[1]), seconds[0]),
            against=f"{PART:,} shoppers",
            bar=1.1,
            most=True,
            floor="Each shopper costs the same; what is made once weighs on the few.",
            details=details,
        ),
        Figure(
            *("scoring, peak memory at 10 x shoppers", "MB", memory[1], memory[0]),
            against=f"{PART:,} shoppers",
            bar=1.05,
            most=True,
            floor="SCORING_MEMORY_MB for the batches at work; rows go to a file as they are made.",
            details=details,
        ),
    ]


def _told(count: int) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-m", "infra.bench.scaling", str(count)], capture_output=True, text=True, check=True
    )
    told: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return told


def child(count: int) -> None:
    """Make the lists of some of the shop's shoppers, and print seconds and peak memory."""
    from infra.bench.ranking import random_ranker
    from infra.bench.snapshot import BenchShop
    from jobs.lists import fill
    from jobs.shelves import build
    from jobs.spool import Files
    from lake import staging
    from lake.settings import Settings
    from models.config import RankerConfig
    from models.ranking import normalisation
    from models.ranking.features import PairFeatures
    from models.surfaces import Surface

    shop = BenchShop.made(shoppers=SHOP, items=5_000)
    union = shop.union
    block = union.block(shop.snapshot.rows_of(list(shop.snapshot.users[:200])))
    seen = PairFeatures(union).of(block, union.candidates(block, 100), only_new=False)
    bundle = shop.bundle(random_ranker(RankerConfig()) | normalisation.learn(seen.dense))
    shown = [Surface(name="home", related=0), Surface(name="discover", related=0, only_new=True)]
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(var=Path(folder), pseudonymise=False, scoring_memory_mb=256)
        before = _peak_mb()
        with staging.folder(settings, "bench") as place, stopwatch() as seconds:
            files = Files(settings, place)
            shelves, _ = build(shop.snapshot, shown, ("1", bundle), [], settings.list_length, (), files.spool)
            fill(settings, files, shop.snapshot, shelves, list(shop.snapshot.users[:count]))
    print(json.dumps({"seconds": round(seconds(), 3), "peak_mb": _peak_mb(), "before_mb": before}))


def _peak_mb() -> float:
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)


if __name__ == "__main__":
    child(int(sys.argv[1]))
