"""Where lists come from: `python -m jobs.lineage --surface home`, `--version V` or `--ds D`.

From the version in Redis to the lists in the lake (Delta version, content), the bundle (code, data it learned from),
the features, the events and the shop's files as they were delivered (bytes, digest, rows refused). A link that is not
on record is told as a gap, never guessed.
"""

from typing import Annotated, Any

import typer

from jobs.lineage import chain
from jobs.lineage.page import page
from lake.clock import parse_day
from lake.command import finish
from lake.errors import BadInput
from lake.settings import Settings
from storefront import contract
from storefront.contract import DEFAULT_SURFACE, BadName

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(help=__doc__)
def main(
    surface: Annotated[str, typer.Option(help="Surface of the lists.")] = DEFAULT_SURFACE,
    arm: Annotated[str | None, typer.Option(help="Arm of the surface's experiment.")] = None,
    version: Annotated[str | None, typer.Option(help="Version of the lists; by default the one that serves.")] = None,
    ds: Annotated[str | None, typer.Option("--ds", help="Day of the lists, YYYY-MM-DD.")] = None,
    days: Annotated[int, typer.Option(min=0, help="Newest days of events told one by one.")] = chain.DAYS,
    as_json: Annotated[bool, typer.Option("--json", help="Everything as one JSON object, and no lines.")] = False,
) -> None:
    def work(settings: Settings) -> dict[str, Any]:
        if ds is not None:
            parse_day(ds, "--ds")
        try:
            contract.arm_key(surface, arm) if arm else contract.current_key(surface)
        except BadName as error:
            raise BadInput(f"{'--arm' if arm else '--surface'}: {error}") from error
        found = chain.trace(settings, surface, arm=arm, version=version, ds=ds, days=days)
        if as_json:
            return found
        print("\n".join(page(found)))
        told = found["redis"] or found["publication"] or {}
        return {"shelf": found["shelf"], "ds": found["ds"], "version": told.get("version"), "gaps": len(found["gaps"])}

    finish("jobs.lineage", work)


if __name__ == "__main__":
    app()
