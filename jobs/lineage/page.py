"""The chain as lines for a person, from Redis down to the files."""

from collections.abc import Iterator, Mapping
from typing import Any


def page(found: Mapping[str, Any]) -> Iterator[str]:
    """What `chain.trace` found."""
    yield from _published(found)
    yield from _lists(found["lists"])
    yield from _bundle(found["bundle"])
    for row in found["features"]:
        yield _line("features", f"{row['table']} as of {row['ds']}: {_written(row)}")
    yield from _events(found["events"])
    for row in found["deliveries"]:
        when = f"landed {row['landed_ts']}"
        if row["first_landed_ts"] != row["landed_ts"]:
            when += f", first {row['first_landed_ts']}"
        of = f", S3 version {row['version_id']}" if row["version_id"] else ""
        yield _line("file", f"{row['kind']} of {row['ds']}: {row['uri']}")
        yield _line(
            "", f"{row['bytes']:,} bytes, sha256 {row['sha256'][:16]}, {when}{of}; for {', '.join(row['feeds'])}"
        )
        yield _line("", f"copy {row['path']}")
    for gap in found["gaps"]:
        yield _line("GAP", gap)


def _published(found: Mapping[str, Any]) -> Iterator[str]:
    meta, told = found["redis"], found["publication"]
    if meta:
        yield _line("Redis", f"{found['shelf']}, version {meta['version']}, {meta['status']}")
        yield _line(
            "", f"data through {meta['data_through']}, made {meta['generated_at']}, content {meta['content_hash']}"
        )
        yield _line("", f"{meta['users']:,} shoppers, {meta['items']:,} items, bundle {meta['bundle']}")
    else:
        yield _line("Redis", f"{found['shelf']}: the lists of {found['ds']} do not stand there")
    if told:
        yield _line("published", f"{told['decided']} by {told['run'] or 'hand'}, version {told['version']}")


def _lists(row: Mapping[str, Any]) -> Iterator[str]:
    same = {True: ", the content that was published", False: ", NOT the content that was published", None: ""}
    yield _line("lists", f"{_written(row)}{same[row['matches']]}")
    if row["read"]:
        yield _line("", "made from " + _read(row["read"]))


def _bundle(row: Mapping[str, Any]) -> Iterator[str]:
    if "trained_through" not in row:
        yield _line("bundle", f"{row['version'] or 'unknown'}")
        return
    yield _line(
        "bundle", f"{row['version']} ({row['kind']}), trained through {row['trained_through']}, code {row['code']}"
    )
    yield _line("", f"content {(row['content_hash'] or 'unknown')[:16]}, in {row['registry']}")
    if row["read"]:
        versions = {table: {"version": version} for table, version in row["read"].items()}
        for table, ds in (row["partitions"] or {}).items():
            versions.setdefault(table, {})["ds"] = ds
        yield _line("", "learned from " + _read(versions))


def _events(found: Mapping[str, Any]) -> Iterator[str]:
    if not found["days"]:
        return
    at = "" if found["read_version"] is None else f" at Delta version {found['read_version']}"
    yield _line("events", f"{found['rows']:,} rows of {found['days']} days, {found['first']} .. {found['last']}{at}")
    for row in found["shown"]:
        refused = "?" if row["quarantined"] is None else f"{row['quarantined']:,}"
        yield _line("", f"{row['ds']}: {_written(row)}, {refused} quarantined")


def _written(row: Mapping[str, Any]) -> str:
    code = f", code {row['code']}" if row["code"] else ""
    return (
        f"Delta version {row['delta_version']}, {row['rows']:,} rows, content {row['content_hash']}, "
        f"by {row['job']} {row['written']}{code}"
    )


def _read(read: Mapping[str, Mapping[str, Any]]) -> str:
    return ", ".join(
        f"{table} {of.get('version', '?')}{' of ' + str(of['ds']) if 'ds' in of else ''}" for table, of in read.items()
    )


def _line(label: str, text: str) -> str:
    return f"{label:<10} {text}"
