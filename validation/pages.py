"""The Data Docs' pages as we render them: Great Expectations' content in templates that load nothing.

Its own templates take style sheets, scripts and a logo from public hosts as soon as a browser opens a page, and its
index is drawn by such a script. Ours hold their style, use no script, and forbid both by a content security policy,
which also keeps markup in a shop's values from running.
"""

from pathlib import Path
from typing import Any

from great_expectations.render.view import DefaultJinjaPageView
from jinja2 import ChoiceLoader, FileSystemLoader

TEMPLATES = Path(__file__).parent / "templates"


class OfflinePage(DefaultJinjaPageView):
    """A page of the site, or its index: our template where there is one, else Great Expectations'."""

    def __init__(self, **directories: Any) -> None:
        super().__init__(**directories)
        self.env.loader = ChoiceLoader([FileSystemLoader(TEMPLATES), self.env.loader])
