"""`python -m lake.mapping check SOURCE.yaml --data DIR --ds D`: try a mapping on one day's files."""

from pathlib import Path
from typing import Annotated, Any

import typer

from lake.clock import parse_day
from lake.command import finish
from lake.errors import BadInput
from lake.inspection import inspect
from lake.mapping import load
from lake.settings import Settings

app = typer.Typer(add_completion=False, rich_markup_mode=None, help=__doc__)


@app.callback()
def commands() -> None:
    """Source mappings."""


@app.command()
def check(
    path: Annotated[Path, typer.Argument(help="The source YAML.")],
    data: Annotated[str, typer.Option(help="Folder of the deliveries.")],
    ds: Annotated[str, typer.Option(help="A day with a delivery, YYYY-MM-DD.")],
) -> None:
    """Read a mapping and hold it against the files of one day; copies nothing and starts no Spark."""

    def work(_: Settings) -> dict[str, Any]:
        source, day = load(path), parse_day(ds, "--ds")
        found: dict[str, Any] = {}
        for kind, spec in source.streams():
            file = Path(data) / spec.file(day)
            if not file.is_file() and kind == "impressions":
                continue  # only there while a storefront logs them
            if not file.is_file():
                raise BadInput(f"{path}: {kind}: no file {file}; is the pattern right, and is {ds} a day of trade?")
            seen = inspect(file, spec, str(file))
            unused = source.check_columns(kind, seen.columns, str(file)) if seen.columns else []
            found[kind] = {"file": str(file), "columns": seen.columns, "not mapped": unused}
        return found

    finish("lake.mapping", work)
