"""Where deliveries come from and where their copies go: a folder or S3, through one small interface."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from lake.errors import Unavailable
from lake.settings import Settings
from lake.storage import is_s3

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@dataclass(frozen=True)
class Fetched:
    """A delivery on the local disk, with what the store said of it."""

    path: Path
    etag: str | None = None
    version_id: str | None = None


def s3_client(settings: Settings) -> "S3Client":
    """A client for AWS or, where S3_ENDPOINT_URL is set, for another store."""
    import boto3
    from botocore.config import Config

    return boto3.client(
        "s3",
        endpoint_url=settings.s3_endpoint_url or None,
        region_name=settings.s3_region,
        config=Config(retries={"mode": "standard", "max_attempts": 5}, s3={"addressing_style": "auto"}),
    )


def split(uri: str) -> tuple[str, str]:
    """Bucket and key of `s3://bucket/key` or `s3a://bucket/key`."""
    bucket, _, key = uri.split("://", 1)[1].partition("/")
    return bucket, key


@contextmanager
def fetch(settings: Settings, uri: str) -> Iterator[Fetched | None]:
    """A delivery as a local file while the block runs; None where there is none.

    Raises:
        Unavailable: the store does not answer or the disk is full.
    """
    if not is_s3(uri):
        path = Path(uri)
        yield Fetched(path) if path.is_file() else None
        return
    from botocore.exceptions import BotoCoreError, ClientError

    bucket, key = split(uri)
    with TemporaryDirectory(prefix="nightshelf-land-") as folder:
        target = Path(folder) / Path(key).name
        try:
            client = s3_client(settings)
            head = client.head_object(Bucket=bucket, Key=key)
            client.download_file(bucket, key, str(target))
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") in ("404", "NoSuchKey", "NotFound"):
                yield None
                return
            raise Unavailable(f"{uri}: S3 refused ({error}); check credentials and bucket, then run again") from error
        except BotoCoreError as error:
            raise Unavailable(f"{uri}: S3 does not answer ({error}); run again once it does") from error
        yield Fetched(target, head.get("ETag", "").strip('"') or None, head.get("VersionId"))


def store(settings: Settings, local: Path, relative: str) -> None:
    """Copy a file into the lake under `LAKE_ROOT/relative`; readers see it whole or not at all.

    Raises:
        Unavailable: the disk is full or the store does not answer; nothing was left behind.
    """
    if is_s3(settings.lake_root):
        from botocore.exceptions import BotoCoreError, ClientError

        bucket, prefix = split(settings.lake_root)
        try:
            s3_client(settings).upload_file(str(local), bucket, f"{prefix.strip('/')}/{relative}".lstrip("/"))
        except (BotoCoreError, ClientError) as error:
            raise Unavailable(f"{settings.lake_root}/{relative}: cannot be written ({error})") from error
        return
    target = Path(settings.lake_root) / relative
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(local, partial)
        os.replace(partial, target)
    except OSError as error:
        partial.unlink(missing_ok=True)
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise Unavailable(f"no room on the disk of {target.parent}: free some and land the day again") from error
        raise
