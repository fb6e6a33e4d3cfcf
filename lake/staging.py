"""A place beside the tables for rows that a gate has not passed yet; gone when the work is done."""

import logging
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow.fs as pafs

from lake.settings import Settings
from lake.storage import is_s3

log = logging.getLogger("nightshelf.lake")

FOLDER = "_staging"
LEFT_HOURS = 24
"""After so long what stands there was left by a killed job."""


def filesystem(settings: Settings) -> tuple[pafs.FileSystem, str]:
    """The file system of the lake and the lake's root in it; credentials as everywhere, from AWS_* or the role."""
    root = settings.lake_root.rstrip("/")
    if not is_s3(root):
        return pafs.LocalFileSystem(), str(Path(root).absolute())
    options = {"region": settings.s3_region}
    if settings.s3_endpoint_url:
        scheme, _, address = settings.s3_endpoint_url.partition("://")
        options |= {"endpoint_override": address, "scheme": scheme}
    return pafs.S3FileSystem(**options), root.partition("://")[2]


@contextmanager
def folder(settings: Settings, name: str) -> Iterator[str]:
    """A new folder, by its path in `filesystem`, removed at the end with whatever lies in it."""
    files, root = filesystem(settings)
    _sweep(files, f"{root}/{FOLDER}")
    path = f"{root}/{FOLDER}/{name}-{uuid.uuid4().hex[:8]}"
    files.create_dir(path, recursive=True)
    try:
        yield path
    finally:
        try:
            files.delete_dir(path)
        except OSError as error:
            log.warning("%s stays and is removed by a later run (%s)", path, error)


def _sweep(files: pafs.FileSystem, place: str) -> None:
    """Remove what killed jobs left behind."""
    before = datetime.now(UTC) - timedelta(hours=LEFT_HOURS)
    newest: dict[str, datetime] = {}
    for found in files.get_file_info(pafs.FileSelector(place, allow_not_found=True, recursive=True)):
        top = f"{place}/" + found.path.removeprefix(place).lstrip("/").partition("/")[0]
        newest[top] = max(newest.get(top, datetime.min.replace(tzinfo=UTC)), found.mtime or datetime.now(UTC))
    for top, changed in newest.items():
        if changed < before:
            log.warning("removing %s, left by a run of %s", top, changed)
            files.delete_dir(top)
