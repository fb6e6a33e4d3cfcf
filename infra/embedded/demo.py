"""`make demo`: a generated shop through the real DAGs, then a few shoppers' lists with reasons and the quality table.

Days are fixed, so that two runs show the same: 45 days of history (2026-09-01 .. 2026-10-15) through the `history`
DAG, then two nights (2026-10-16, 17) through `features`, which wakes `monitoring`, `training` and `lists`. The
demo starts from nothing each time: it clears the VAR folder that an earlier demo made, and refuses to touch another.
"""

import json
import time
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, date, datetime

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from infra.embedded import environment, night
from infra.embedded.airflow_api import RunFailed
from infra.embedded.commands import module, report, say, show
from infra.embedded.layout import Layout, StackSettings
from infra.embedded.lifecycle import Stack
from lake.clock import DayRange, shift
from lake.errors import BadInput

FIRST = date(2026, 9, 1)
MARK = "made-by-demo"
KEPT = {"run", "secrets", "setup.log"}


class DemoSettings(BaseSettings):
    """The demo's size. Every field is an environment variable with the prefix DEMO_."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True, env_prefix="DEMO_")

    history_days: int = Field(45, ge=14, description="days loaded before the first night")
    nights: int = Field(2, ge=1)
    shoppers: int = Field(800, ge=60)
    items: int = Field(400, ge=50)
    seed: int = 7


@dataclass(frozen=True)
class Plan:
    """The demo's days."""

    history: DayRange
    nights: DayRange

    @classmethod
    def of(cls, size: DemoSettings) -> "Plan":
        start = shift(FIRST, size.history_days)
        return cls(DayRange(FIRST, shift(start, -1)), DayRange(start, shift(start, size.nights - 1)))


def start_afresh(stack: Stack) -> None:
    """Empty a VAR folder that an earlier demo made; secrets and ports stay.

    Raises:
        BadInput: the folder holds a lake or a database that no demo made.
    """
    var = stack.layout.var
    content = {path.name for path in var.iterdir()} if var.is_dir() else set()
    if content & {"lake", "deliveries", "postgres"} and MARK not in content:
        raise BadInput(
            f"{var} holds a state that no demo made; the demo would erase it. "
            f"Give it a folder of its own: make demo VAR=var-demo"
        )
    stack.erase(keep={*KEPT, MARK})
    stack.layout.make()
    (var / MARK).write_text("`make demo` erases this folder's lake, lists and databases when it runs again.\n")


def generate(layout: Layout, plan: Plan, size: DemoSettings) -> None:
    """Write the shop's deliveries."""
    out = layout.var / "deliveries"
    days = ["--from", f"{plan.history.first}", "--to", f"{plan.nights.last}"]
    amount = ["--shoppers", f"{size.shoppers}", "--items", f"{size.items}", "--seed", f"{size.seed}"]
    module("sources.demo_shop", ["--out", str(out), *days, *amount], quiet=True)


def write_titles(layout: Layout, day: str) -> None:
    """VAR/titles.json, which lets `storefront.lookup` show names: the shop's own page would know them."""
    from lake import storage
    from lake.settings import Settings

    rows = storage.read(Settings(var=layout.var), "items", filters=[("ds", "=", day)], columns=["item_id", "title"])
    titles = {row["item_id"]: row["title"] for row in rows.to_pylist() if row["title"]}
    (layout.var / "titles.json").write_text(json.dumps(titles, ensure_ascii=False))


def some_shoppers(layout: Layout, day: str, count: int = 3) -> list[str]:
    """Shoppers whose lists have the most kinds of reasons: they show what the pipeline can do."""
    from lake import storage
    from lake.settings import Settings

    wanted = [("ds", "=", day), ("surface", "=", "home"), ("kind", "=", "user"), ("rank", "<=", 5)]
    rows = storage.read(Settings(var=layout.var), "lists", filters=wanted, columns=["owner", "reason"])
    kinds: dict[str, set[str]] = {}
    for row in rows.to_pylist():
        kinds.setdefault(row["owner"], set()).add(row["reason"])
    return sorted(kinds, key=lambda owner: (-len(kinds[owner]), owner))[:count]


def some_item(layout: Layout, day: str) -> str:
    """The item that most goes well with."""
    from lake import storage
    from lake.settings import Settings

    wanted = [("ds", "=", day), ("surface", "=", "basket"), ("kind", "=", "item")]
    rows = storage.read(Settings(var=layout.var), "lists", filters=wanted, columns=["owner"])
    owners = Counter(rows["owner"].to_pylist())
    return min(owners, key=lambda owner: (-owners[owner], owner), default="")


def main() -> None:
    """The whole demo; exit code 0 only if every DAG run succeeded."""
    started = time.monotonic()
    size, layout = DemoSettings(), Layout.of(StackSettings().var)
    plan, stack = Plan.of(size), Stack(StackSettings(), say)
    start_afresh(stack)
    say(f"a shop with {size.shoppers} shoppers and {size.items} articles, {plan.history.first} to {plan.nights.last}")
    handed = {"PSEUDONYMISE": "false", "NIGHTSHELF_SCHEDULE": "none", **environment.defaults(layout)}
    handed.pop("USER_KEY_FILE")
    generate(layout, plan, size)
    show(stack.up(handed_over=handed), layout)
    airflow, since = stack.airflow(), datetime.now(UTC)
    airflow.wait_for_dags(night.DAGS)

    say(f"\nloading history {plan.history} through the DAG `history`")
    loaded = night.load(airflow, plan.history, 120, "demo: first load", say)
    say(f"loaded {loaded['rows']} rows, {loaded['quarantined']} quarantined, {time.monotonic() - started:.0f} s so far")
    for day in map(str, plan.nights):
        say(f"\nnight of {day}: features -> monitoring -> (training) -> lists")
        say(night.told(night.run(airflow, day, say)))

    last = f"{plan.nights.last}"
    write_titles(layout, last)
    surroundings = environment.read(layout.environment)
    say("\nthree shoppers, as the shop would read them (python -m storefront.lookup SHOPPER --k 10)")
    for shopper in some_shoppers(layout, last):
        say("")
        module("storefront.lookup", [shopper, "--k", "10"], surroundings=surroundings)
    if item := some_item(layout, last):
        say("\nwhat goes well with an article, and what is similar (--item ARTICLE --surface basket, or product)")
        for surface in ("basket", "product"):
            say("")
            module("storefront.lookup", ["--item", item, "--k", "5", "--surface", surface], surroundings=surroundings)
    if len(plan.nights) > 1:
        say(f"\nquality on what came after {plan.nights.first}, which the models had not seen")
        days = ["--ds", f"{plan.nights.first}", "--days", f"{len(plan.nights) - 1}", "--baselines", "light"]
        table = module("models.evaluation", days, surroundings=surroundings, quiet=True)
        say("\n".join(table.rstrip().splitlines()[:-1]))

    failed = night.failed_runs(airflow, since)
    say("")
    show(stack.endpoints(), layout)
    say(f"  `make status` tells what runs, `make down` stops it; the demo took {time.monotonic() - started:.0f} s")
    if failed:
        raise RunFailed("these DAG runs did not succeed: " + "; ".join(failed))


if __name__ == "__main__":
    report(main)
