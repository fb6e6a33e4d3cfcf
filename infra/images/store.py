"""The object store of docker-compose.yml: `buckets NAME...` makes those that are missing, `deliver FOLDER
s3://bucket/prefix` uploads a shop's files.

Access is that of the environment (`AWS_ACCESS_KEY_ID`, `S3_ENDPOINT_URL`, ...). Both may be run any number of times.
"""

from pathlib import Path
from typing import Annotated

import typer

from jobs.stores import s3_client, split
from lake.errors import BadInput
from lake.settings import settings

app = typer.Typer(add_completion=False, rich_markup_mode=None, help=__doc__)


@app.command()
def buckets(names: Annotated[list[str], typer.Argument(help="Buckets that there must be.")]) -> None:
    """Make the buckets that are missing."""
    client = s3_client(settings())
    present = {bucket.get("Name") for bucket in client.list_buckets().get("Buckets", [])}
    for name in names:
        if name not in present:
            client.create_bucket(Bucket=name)
        print(f"{name}: {'was there' if name in present else 'made'}")


@app.command()
def deliver(folder: Path, target: Annotated[str, typer.Argument(help="s3://bucket/prefix")]) -> None:
    """Upload every file below a folder, under its path from there.

    Raises:
        BadInput: there is no such folder, or the target is no place in a bucket.
    """
    if not folder.is_dir() or "://" not in target:
        raise BadInput(f"deliver {folder} {target}: expected an existing folder and s3://bucket/prefix")
    client, (bucket, prefix) = s3_client(settings()), split(target)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    for path in files:
        client.upload_file(str(path), bucket, f"{prefix.strip('/')}/{path.relative_to(folder)}".lstrip("/"))
    print(f"{len(files)} files in {target}")


if __name__ == "__main__":
    app()
