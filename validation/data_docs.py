"""The Data Docs site: one page a validation result, an index, and only as many results as are kept.

Everything lies under VAR: results as JSON in `gx/validations`, pages in `data_docs`. Processes take turns by a file
lock; a page's address holds the run's time and process, so two runs of a day do not meet.
"""

import fcntl
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from lake.settings import Settings

SITE = "nightshelf"
_TURN = threading.Lock()
"""Great Expectations keeps one current context a process: threads take turns too."""
_WAITING: ContextVar[list[tuple[Any, Any]] | None] = ContextVar("waiting", default=None)
"""Context and identifier of the results whose index is still to be made; None where each gate makes it."""


def folder(settings: Settings) -> Path:
    """Where the pages are."""
    return settings.var.absolute() / "data_docs"


def results(settings: Settings) -> Path:
    """Where the results behind the pages are, as JSON."""
    return settings.var.absolute() / "gx" / "validations"


def index(settings: Settings) -> str:
    """file:// address of the site's first page, whether it was built yet or not."""
    return (folder(settings) / "index.html").as_uri()


@contextmanager
def turn(settings: Settings) -> Iterator[None]:
    """Hold the site alone among the threads and processes that share VAR."""
    results(settings).mkdir(parents=True, exist_ok=True)
    with _TURN, (results(settings).parent / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def one_index(settings: Settings) -> Iterator[None]:
    """Make the site's first page once, after the gates of the block: it reads every result that is kept."""
    waiting: list[tuple[Any, Any]] = []
    token = _WAITING.set(waiting)
    try:
        yield
    finally:
        _WAITING.reset(token)
        if waiting:
            with turn(settings):
                context, identifier = waiting[-1]
                context.build_data_docs(resource_identifiers=[identifier])


def project(settings: Settings) -> Any:
    """Configuration of a Great Expectations context that writes below VAR only and reports to nobody."""
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    from great_expectations.data_context.types.base import DataContextConfig

    memory = {"class_name": "InMemoryStoreBackend"}
    files = {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(results(settings))}
    pages = {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(folder(settings))}
    view = {"module_name": "validation.pages", "class_name": "OfflinePage"}
    return DataContextConfig(
        analytics_enabled=False,
        stores={
            "suites": {"class_name": "ExpectationsStore", "store_backend": memory},
            "checkpoints": {"class_name": "CheckpointStore", "store_backend": dict(memory)},
            "validation_definition_store": {"class_name": "ValidationDefinitionStore", "store_backend": dict(memory)},
            "results": {"class_name": "ValidationResultsStore", "store_backend": files},
        },
        expectations_store_name="suites",
        checkpoint_store_name="checkpoints",
        validation_results_store_name="results",
        data_docs_sites={
            SITE: {
                "class_name": "SiteBuilder",
                "show_how_to_buttons": False,
                "store_backend": pages,
                "site_index_builder": {"class_name": "DefaultSiteIndexBuilder", "view": view},
                "site_section_builders": {
                    "validations": {
                        "class_name": "DefaultSiteSectionBuilder",
                        "source_store_name": "results",
                        "view": dict(view),
                    },
                    "expectations": "None",
                    "profiling": "None",
                },
            }
        },
        progress_bars={"globally": False},
    )


def publish(context: Any, suite: str, run: Any, batch: str, settings: Settings) -> str:
    """Write the page of one run of a suite and the index (see `one_index`); drop all but the newest results.

    Args:
        run: Great Expectations' run identifier.
        batch: its name of the rows.

    Returns:
        file:// address of the run's page.
    """
    from great_expectations.data_context.types.resource_identifiers import (
        ExpectationSuiteIdentifier,
        ValidationResultIdentifier,
    )

    prune(settings, settings.data_docs_runs)
    identifier = ValidationResultIdentifier(ExpectationSuiteIdentifier(suite), run, batch)
    waiting = _WAITING.get()
    context.build_data_docs(resource_identifiers=[identifier], build_index=waiting is None)
    if waiting is not None:
        waiting.append((context, identifier))
    return str(context.get_docs_sites_urls(resource_identifier=identifier)[0]["site_url"])


def prune(settings: Settings, keep: int) -> int:
    """Remove the oldest results and their pages; returns how many went."""
    root = results(settings)
    runs = sorted(root.glob("*/*/*"), key=lambda run: (run.name, run.parts))
    for run in runs[: max(0, len(runs) - keep)]:
        shutil.rmtree(run, ignore_errors=True)
        shutil.rmtree(folder(settings) / "validations" / run.relative_to(root), ignore_errors=True)
    return max(0, len(runs) - keep)
