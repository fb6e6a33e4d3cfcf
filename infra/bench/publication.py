"""Publication: a night from the lake into Redis, against the same commands, ready packed, through `redis-cli --pipe`.

Ours is the whole of `publish_surface`: reading, checking, hashing, encoding, sending, reading back, the flip.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import urlsplit

import redis

from infra.bench import encodings, lists_lake
from infra.bench.figures import Figure, in_turns, stopwatch
from infra.bench.publish_once import lists_per_second, publish
from infra.embedded.commands import say
from infra.embedded.layout import HOME
from infra.embedded.redis_server import server
from jobs.publication.assembling import assemble
from jobs.publication.encoding import encode
from jobs.publication.loading import BATCH_LISTS, BATCH_ROWS
from jobs.publication.partition import ListsPartition
from lake.settings import Settings
from storefront import contract

USERS = 200_000
FEW_USERS = 50_000
"""Whose lists readers read."""

SCALED_USERS = 100_000
"""Against ten times as many. Fewer are loaded before the process' memory is at its height."""

RATES = (5_000, 2_500)
"""Throttles, lists a second: what each costs readers."""

READING_SECONDS = 6.0
WORKERS = (1, 2, 4)
VERSION = "20261122T000000Z-000000"

FLOOR = (
    "the server runs one command after the other and is the floor; beside it the publisher reads and checks the lake's "
    "columns, makes the bytes, hashes every list, and reads every reply"
)


def measure(runs: int) -> list[Figure]:
    """Speed, throttled and not, what readers notice, memory in Redis, and what ten times the users cost."""
    with tempfile.TemporaryDirectory(prefix="bench-publication-") as place, server() as url:
        folder = Path(place)
        night = lists_lake.make(folder / "night", USERS, url)
        few = lists_lake.make(folder / "few", FEW_USERS, url)
        figures = [*_speed(night, folder / "raw.resp", runs), _packing(few, runs), *_readers(night, few, runs)]
        figures += encodings.measure(url)
        redis.Redis.from_url(url).flushall()
        fewer = lists_lake.make(folder / "fewer", SCALED_USERS, url)
        more = lists_lake.make(folder / "more", 10 * SCALED_USERS, url)
        return figures + _scaling(fewer, more, min(runs, 3))


def _publish(settings: Settings, **changes: Any) -> float:
    """Lists a second of one publication beside what serves."""
    return lists_per_second(publish(settings.model_copy(update=changes)))


def _speed(night: Settings, raw: Path, runs: int) -> list[Figure]:
    cli = shutil.which("redis-cli")
    if cli is None:
        say("publication: no redis-cli, so no reference for its speed; install Debian's redis-tools")
        return []
    _pack(night, raw)
    client = redis.Redis.from_url(night.redis_url)
    port = str(urlsplit(night.redis_url).port)

    def piped() -> float:
        client.flushall()
        with raw.open("rb") as commands, stopwatch() as seconds:
            subprocess.run([cli, "-p", port, "--pipe"], stdin=commands, stdout=subprocess.DEVNULL, check=True)
            return USERS / seconds()

    def ours(workers: int) -> float:
        client.flushall()
        return _publish(night, publish_workers=workers)

    usual = Settings.model_fields["publish_workers"].default
    found, reference, *others = in_turns(
        runs,
        lambda: ours(usual),
        piped,
        *(lambda n=n: ours(n) for n in WORKERS if n != usual),
    )
    named = zip((n for n in WORKERS if n != usual), others, strict=True)
    details = {"users": USERS, "k": lists_lake.K, "workers": usual}
    details |= {f"lists_per_second_{n}_workers": round(median(values)) for n, values in named}
    return [
        Figure("publication", "lists/s", found, reference, "redis-cli --pipe", 0.35, floor=FLOOR, details=details),
    ]


def _pack(night: Settings, path: Path) -> None:
    """The night's commands, as a publication sends them."""
    with path.open("wb") as out:
        for lists in assemble(ListsPartition(night, lists_lake.DS).batches(lists_lake.SURFACE)):
            for part in lists.in_parts(BATCH_ROWS, BATCH_LISTS):
                for commands in encode(part, lists_lake.SURFACE, VERSION):
                    out.write(commands.wire())


def _packing(few: Settings, runs: int) -> Figure:
    """The bytes of some lists, made by us and by redis-py; nothing is sent."""
    batches = ListsPartition(few, lists_lake.DS).batches(lists_lake.SURFACE)
    lists = next(one for one in assemble(batches) if one.kind == "user" and len(one) > 1)
    parts = list(lists.in_parts(BATCH_ROWS, BATCH_LISTS))[:4]
    count = sum(map(len, parts))
    connection = redis.Connection()
    commands = [
        command
        for one in (part.one(number) for part in parts for number in range(len(part)))
        for command in (
            ("RPUSH", contract.user_key(lists_lake.SURFACE, VERSION, one.owner), *one.items),
            ("SET", contract.why_key(lists_lake.SURFACE, VERSION, one.owner), one.reasons),
        )
    ]

    def ours() -> float:
        fresh = [replace(part) for part in parts]  # reasons are kept once they are made
        with stopwatch() as seconds:
            for part in fresh:
                encode(part, lists_lake.SURFACE, VERSION)
            return count / seconds()

    def theirs() -> float:
        with stopwatch() as seconds:
            connection.pack_commands(commands)
            return count / seconds()

    packed, by_client = in_turns(runs, ours, theirs)
    return Figure("publication: making the bytes", "lists/s", packed, by_client, "redis-py's packing")


def _readers(night: Settings, few: Settings, runs: int) -> list[Figure]:
    """The time of a lookup while nothing is loaded, during throttled loads, and during one without a throttle."""
    speeds: dict[int, list[float]] = {rate: [] for rate in RATES}

    def throttled(rate: int) -> float:
        with _loading(few, rate) as load:
            return _read(few, lambda: speeds[rate].append(load()))

    def unthrottled() -> float:
        with _loading(night, 0) as load:
            return _read(few, load)

    quiet, flooded, *held = in_turns(
        runs, lambda: _read(few), unthrottled, *(lambda rate=rate: throttled(rate) for rate in RATES)
    )
    setting = "PUBLISH_LISTS_PER_SECOND"
    kept = [
        Figure(f"publication, throttled to {rate:,}/s", "lists/s", tuple(found[-runs:]), (float(rate),) * runs, setting)
        for rate, found in speeds.items()
    ]
    felt = [
        Figure(f"reader p99, load throttled to {rate:,}/s", "us", p99, quiet, "no load", 2.0, most=True)
        for rate, p99 in zip(RATES, held, strict=True)
    ]
    return [*kept, *felt, Figure("reader p99, unthrottled load", "us", flooded, quiet, "no load", most=True)]


def _read(served: Settings, meanwhile: Callable[[], object] = lambda: None) -> float:
    """p99 of lookups by a process of its own, microseconds; `meanwhile` is called as it begins."""
    redis.Redis.from_url(served.redis_url).flushall()
    _publish(served)
    command = [sys.executable, "-m", "infra.bench.reader", served.redis_url, str(READING_SECONDS), str(FEW_USERS)]
    with subprocess.Popen(command, cwd=HOME, stdout=subprocess.PIPE, text=True) as reader:
        meanwhile()
        told, _ = reader.communicate()
        return float(json.loads(told)["p99_us"])


@contextmanager
def _loading(settings: Settings, per_second: int) -> Iterator[Callable[[], float]]:
    """A process that publishes over and over, once told to by a call; that gives the first one's lists a second."""
    command = [sys.executable, "-m", "infra.bench.publish_once", str(settings.var), settings.redis_url, str(per_second)]
    with subprocess.Popen(command, cwd=HOME, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as load:
        assert load.stdin is not None
        assert load.stdout is not None
        told, answers = load.stdin, load.stdout
        answers.readline()

        def go() -> float:
            told.write("go\n")
            told.flush()
            return float(answers.readline())

        try:
            yield go
        finally:
            load.kill()


def _scaling(few: Settings, many: Settings, runs: int) -> list[Figure]:
    """Publications in processes of their own, so that the peak of each is its own."""
    peaks: dict[str, list[float]] = {"few": [], "many": []}

    def once(name: str, settings: Settings) -> float:
        redis.Redis.from_url(settings.redis_url).flushall()
        command = [sys.executable, "-m", "infra.bench.publish_once", str(settings.var), settings.redis_url]
        told = json.loads(subprocess.run(command, cwd=HOME, stdout=subprocess.PIPE, check=True).stdout)
        peaks[name].append(told["peak_mib"])
        return float(told["seconds"])

    short, long = in_turns(runs, lambda: once("few", few), lambda: once("many", many))
    tenth = tuple(seconds / 10 for seconds in long)
    against, details = f"{SCALED_USERS:,} users", {"users": 10 * SCALED_USERS}
    most, least = (tuple(peaks[name][-runs:]) for name in ("many", "few"))
    return [
        Figure("publication: time at 10 x users / 10", "s", tenth, short, against, 1.1, most=True, details=details),
        Figure("publication: peak memory at 10 x users", "MiB", most, least, against, 1.1, most=True, details=details),
    ]
