"""Writes the dashboards' JSON: `python -m infra.dashboards`. Change `night.py`, `quality.py` or `storefront.py`,
not the JSON."""

import json
from pathlib import Path

from infra.dashboards.night import NIGHT
from infra.dashboards.quality import QUALITY
from infra.dashboards.storefront import STOREFRONT

BOARDS = {"night": NIGHT, "lists_and_quality": QUALITY, "storefront": STOREFRONT}
"""By file name."""
FOLDER = Path(__file__).parent / "grafana" / "dashboards"


def text(name: str) -> str:
    """The JSON of one dashboard."""
    return json.dumps(BOARDS[name].model(), indent=1, ensure_ascii=False) + "\n"


def main() -> None:
    """Write all of them."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in BOARDS:
        (FOLDER / f"{name}.json").write_text(text(name), encoding="utf-8")


if __name__ == "__main__":
    main()
