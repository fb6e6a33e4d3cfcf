"""What a shopper gets, from which version, how old and why: `python -m storefront.lookup USER --k 10`.

Reads Redis only. Exit codes: 0 fine, 2 or 65 the command line or the id is wrong, 75 no lists or no Redis.
"""

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from storefront.answer import Answer
from storefront.client import Storefront, StorefrontError
from storefront.contract import DEFAULT_SURFACE, Reason

WRONG, UNAVAILABLE = 65, 75
TITLE_WIDTH = 44


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    options = _parser().parse_args(arguments)
    if (options.user is None) == (options.item is None):
        print("give either USER or --item ITEM", file=sys.stderr)
        return WRONG
    try:
        titles = _titles(options.titles)
        shop = Storefront(_redis_url(options.redis), user_key=_user_key(), max_age_seconds=options.max_age)
        answer = shop.recommend(
            options.user,
            options.k,
            surface=options.surface,
            context={"country": options.country, "device": options.device},
            exclude=options.exclude,
            item=options.item,
            why=True,
        )
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return WRONG
    except StorefrontError as error:
        print(f"error: {error}", file=sys.stderr)
        return UNAVAILABLE
    owner = options.user if options.item is None else options.item
    print(
        json.dumps(_record(owner, answer, titles), ensure_ascii=False) if options.json else page(owner, answer, titles)
    )
    return 0


def page(owner: str, answer: Answer, titles: Mapping[str, str]) -> str:
    """The answer as a table for a person."""
    if answer.version is None:
        return f"{owner}: nothing asked (k=0)"
    whose = "own list" if answer.fallback == "user" else f"list of {answer.fallback!r}"
    lines = [
        f"{owner} on {answer.surface}: {whose}, data through {answer.data_through}, "
        f"made {_ago(answer.age_seconds or 0.0)} ago by bundle {answer.bundle}{' - STALE' if answer.stale else ''}",
        f"version {answer.version}",
    ]
    if answer.k < answer.k_asked:
        lines.append(f"{answer.k_asked} asked, the lists have {answer.k}")
    width = max((len(item) for item in answer.items), default=4)
    reasons = answer.reasons or (None,) * len(answer.items)
    for rank, (item, reason) in enumerate(zip(answer.items, reasons, strict=True), 1):
        title = f"  {titles.get(item, ''):{TITLE_WIDTH}.{TITLE_WIDTH}}" if titles else ""
        lines.append(f"{rank:3}  {item:{width}}{title}  {tell(reason, titles) if reason else ''}".rstrip())
    return "\n".join(lines if answer.items else [*lines, "nothing to show"])


def tell(reason: Reason, titles: Mapping[str, str]) -> str:
    """A reason as a person reads it."""
    value = reason.value or ""
    known = f"{value} {titles[value]}" if value in titles else value
    return {
        "bought": "bought before",
        "seen": "seen before",
        "co": f"goes with {known}",
        "similar": f"like {known}",
        "popular": "popular" if value in ("", "all") else f"popular in {value.partition('=')[2]}",
        "new": f"new in {value}" if value else "new",
        "listed": "from the catalogue",
    }[reason.code]


def _record(owner: str, answer: Answer, titles: Mapping[str, str]) -> dict[str, object]:
    return {"owner": owner, **answer.to_dict(), "titles": [titles.get(item) for item in answer.items]}


def _ago(seconds: float) -> str:
    for unit, length in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds >= length:
            count = int(seconds // length)
            return f"{count} {unit}{'s' if count > 1 else ''}"
    return f"{int(seconds)} s"


def _var() -> Path:
    return Path(os.environ.get("VAR") or "var")


def _redis_url(given: str | None) -> str:
    if given or os.environ.get("REDIS_URL"):
        return given or os.environ["REDIS_URL"]
    endpoints = _var() / "endpoints.json"
    if endpoints.is_file():
        return str(json.loads(endpoints.read_text(encoding="utf-8"))["redis_url"])
    return "redis://127.0.0.1:6379/0"


def _user_key() -> bytes | None:
    if os.environ.get("USER_KEY"):
        return os.environ["USER_KEY"].encode()
    path = Path(os.environ.get("USER_KEY_FILE") or _var() / "secrets" / "user_key")
    return path.read_bytes().strip() if path.is_file() else None


def _titles(given: str | None) -> dict[str, str]:
    path = Path(given) if given else _var() / "titles.json"
    if not given and not path.is_file():
        return {}
    try:
        return {str(item): str(title) for item, title in json.loads(path.read_text(encoding="utf-8")).items()}
    except (OSError, ValueError, AttributeError) as error:
        raise ValueError(f"--titles {path}: {error}; give a JSON object of item id -> title") from error


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m storefront.lookup", description="What a shopper gets, from which version, how old, why."
    )
    parser.add_argument("user", nargs="?", metavar="USER", help="the shop's user id")
    parser.add_argument("--item", help="what goes well with this item, instead of a shopper's list")
    parser.add_argument("--k", type=int, default=10, help="how many (default 10)")
    parser.add_argument("--surface", default=DEFAULT_SURFACE, help="default home")
    parser.add_argument("--country", help="context of the visit, for the fallback")
    parser.add_argument("--device", help="context of the visit, for the fallback")
    parser.add_argument("--exclude", nargs="*", default=[], metavar="ITEM", help="items not to show")
    parser.add_argument("--max-age", type=float, metavar="SECONDS", help="older lists are called stale")
    parser.add_argument("--redis", metavar="URL", help="default REDIS_URL, then VAR/endpoints.json")
    parser.add_argument("--titles", metavar="FILE", help="JSON object item id -> title (default VAR/titles.json)")
    parser.add_argument("--json", action="store_true", help="the answer as one JSON object")
    return parser


if __name__ == "__main__":
    sys.exit(main())
