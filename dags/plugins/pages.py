"""Puts what the jobs write for people into Airflow's UI: the decisions' reports and the Data Docs, for signed-in users.

Airflow loads this in each of its processes, so the web parts are imported only where they are asked for.
"""

import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.plugins_manager import AirflowPlugin

if TYPE_CHECKING:
    from fastapi import FastAPI

PREFIX = "/nightshelf"
FOLDERS = {"reports": "reports", "data_docs": "data_docs"}
"""First part of the address -> folder under VAR."""


def find(var: Path, area: str, path: str) -> Path | None:
    """The file behind an address; None where there is none or it lies outside its folder."""
    if area not in FOLDERS:
        return None
    root = (var / FOLDERS[area]).resolve()
    found = (root / path).resolve()
    return found if found.is_relative_to(root) and found.exists() else None


def listing(folder: Path, title: str) -> str:
    """A page of links to a folder's content, newest day first."""
    from html import escape

    names = sorted((f"{p.name}/" if p.is_dir() else p.name for p in folder.iterdir()), reverse=True)
    items = "".join(f'<li><a href="{escape(name)}">{escape(name.removesuffix(".html"))}</a></li>' for name in names)
    return f"<!doctype html><meta charset=utf-8><title>{escape(title)}</title><h1>{escape(title)}</h1><ul>{items}</ul>"


def build_app(var: Path) -> "FastAPI":
    """The pages as an app that answers signed-in users only."""
    from airflow.api_fastapi.core_api.security import get_user
    from fastapi import Depends, FastAPI, HTTPException
    from fastapi.responses import FileResponse, HTMLResponse, RedirectResponse, Response

    app = FastAPI(title="Nightshelf pages", dependencies=[Depends(get_user)], docs_url=None, openapi_url=None)

    @app.get("/{area}/{path:path}")
    def page(area: str, path: str) -> Response:
        found = find(var, area, path)
        if found is None:
            raise HTTPException(404, f"nothing written there yet: {area}/{path}")
        if found.is_file():
            return FileResponse(found)
        if path and not path.endswith("/"):
            return RedirectResponse(f"{PREFIX}/{area}/{path}/")
        index = found / "index.html"
        return FileResponse(index) if index.is_file() else HTMLResponse(listing(found, f"{area}/{path}"))

    return app


class Pages(AirflowPlugin):
    """Three entries in the navigation, and the app behind them."""

    name = "nightshelf_pages"
    external_views = [  # noqa: RUF012 - Airflow's interface
        {
            "name": "Decisions",
            "href": f"{PREFIX}/reports/judging/",
            "url_route": "decisions",
            "destination": "nav",
            "category": "browse",
        },
        {
            "name": "Experiments",
            "href": f"{PREFIX}/reports/experiments/",
            "url_route": "experiments",
            "destination": "nav",
            "category": "browse",
        },
        {
            "name": "Data Docs",
            "href": f"{PREFIX}/data_docs/",
            "url_route": "data_docs",
            "destination": "nav",
            "category": "browse",
        },
    ]

    @cached_property
    def fastapi_apps(self) -> list[dict[str, Any]]:
        """Built when the API server asks, and only there."""
        return [{"app": build_app(Path(os.environ.get("VAR", "var"))), "url_prefix": PREFIX, "name": "nightshelf"}]
