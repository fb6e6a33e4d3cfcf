"""A look into one delivered file before it is taken in: whole, readable, and with which columns."""

import csv
import gzip
import hashlib
import json
import zlib
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

from lake.errors import BadInput
from lake.mapping import Deliveries

CHUNK = 1 << 20
SAMPLE_LINES = 200


@dataclass(frozen=True)
class Inspection:
    """What a file is: size and SHA-256 of the bytes as delivered, and its column names ([] = no content at all)."""

    bytes: int
    sha256: str
    columns: list[str]


def inspect(path: Path, spec: Deliveries, name: str) -> Inspection:
    """Read a local file once: fingerprint, compression and columns.

    Args:
        name: how messages call the file (its address at the shop).

    Raises:
        BadInput: truncated or damaged compression, a header that is not UTF-8 or names a column twice.
    """
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
            size += len(chunk)
    return Inspection(size, digest.hexdigest(), _columns(path, spec, name) if size else [])


def _columns(path: Path, spec: Deliveries, name: str) -> list[str]:
    if spec.format == "parquet":
        try:
            return list(pq.read_schema(path).names)
        except Exception as error:
            raise BadInput(f"{name} is no readable Parquet file: {error}. Ask the shop to deliver it again.") from error
    head = _head(path, name)
    if not head:
        return []
    if spec.format == "jsonl":
        return _json_keys(head)
    if not spec.options.header:
        return list(spec.options.columns)
    columns = next(csv.reader([head[0]], delimiter=spec.options.delimiter))
    columns[0] = columns[0].removeprefix("\ufeff")
    lowered = [column.lower() for column in columns]
    twice = sorted({column for column in columns if lowered.count(column.lower()) > 1})
    if twice:
        raise BadInput(f"{name}: the header names {', '.join(twice)} more than once; every column needs its own name")
    return columns


def _head(path: Path, name: str) -> list[str]:
    """The first lines of a text file; a compressed one is read to its end, so that truncation shows here."""
    lines: list[bytes] = []
    rest = b""
    compressed = path.name.endswith(".gz")
    try:
        with gzip.open(path, "rb") if compressed else path.open("rb") as file:
            while chunk := file.read(CHUNK):
                if len(lines) < SAMPLE_LINES:
                    lines, rest = _extend(lines, rest + chunk)
                elif not compressed:
                    break
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise BadInput(
            f"{name} is truncated or no gzip file ({error}); nothing of it was taken in. "
            "Ask the shop to deliver it again, then land the day again."
        ) from error
    if rest and len(lines) < SAMPLE_LINES:
        lines.append(rest)
    try:
        head = lines[0].decode("utf-8") if lines else ""
    except UnicodeDecodeError as error:
        raise BadInput(f"{name}: the first line is not UTF-8 ({error}); deliver the file as UTF-8") from error
    return [head.rstrip("\r"), *[line.decode("utf-8", "replace") for line in lines[1:]]] if head.strip() else []


def _extend(lines: list[bytes], data: bytes) -> tuple[list[bytes], bytes]:
    parts = data.split(b"\n")
    return lines + parts[:-1], parts[-1]


def _json_keys(lines: list[str]) -> list[str]:
    """Keys of the first objects, in order of appearance; rows that are no objects are left to the quarantine."""
    keys: dict[str, None] = {}
    for line in lines:
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if isinstance(row, dict):
            keys |= dict.fromkeys(row)
    return list(keys)
