"""What the page asks for, over HTTP, held against the lake and Redis."""

import json
from typing import Any

import httpx
import pytest

from jobs.compare import lake_id
from lake import storage
from lake.columns import Columns as C
from lake.errors import BadInput
from lake.settings import Settings
from storefront.client import Storefront
from storefront.contract import user_token
from tests.conftest import free_port
from tests.jobs.showroom.shop import ODD_ITEM, ODD_USER, SCRIPT, USER, served, title
from tests.models.changes.two_days import D1, D2

pytestmark = pytest.mark.integration


def ask(address: str, path: str, **values: Any) -> Any:
    answer = httpx.get(f"{address}/api/{path}", params=values, timeout=60)
    assert answer.status_code == 200, answer.text
    return answer.json()


def lines(address: str, path: str, **values: Any) -> list[dict[str, Any]]:
    answer = httpx.get(f"{address}/api/{path}", params=values, timeout=60)
    return [json.loads(line) for line in answer.text.splitlines()]


def test_the_page_and_its_files_come_from_here_alone(address: str) -> None:
    page = httpx.get(f"{address}/")
    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'self'" in page.headers["content-security-policy"]
    assert httpx.get(address).headers["location"] == "/shop/"
    for name in ("main.js", "showroom.css", "mark.svg"):
        answer = httpx.get(f"{address}/{name}")
        assert answer.status_code == 200
        assert "https://" not in answer.text
    for name in ("web.py", "..%2Fweb.py", "%2e%2e%2fweb.py", "nothing.js"):
        assert httpx.get(f"{address}/{name}").status_code == 404


def test_what_the_page_begins_with(address: str) -> None:
    about = ask(address, "about")
    assert about["days"] == [D1, D2]
    assert about["pseudonyms"] is False
    assert {"home", "discover", "again", "product", "basket"} <= {surface["name"] for surface in about["surfaces"]}
    assert "key" not in json.dumps(about)


def test_shoppers_are_found_by_a_part_of_the_id_by_chance_and_by_kind(address: str) -> None:
    found = [each["user"] for each in ask(address, "shoppers", q="U00")["found"]]
    assert USER in found
    assert all(user.startswith("u00") for user in found)
    assert ask(address, "shoppers", q="<b>co")["found"][0]["user"] == ODD_USER
    assert ask(address, "shoppers", q="%_'; --")["found"] == []
    kinds = {each["kind"]: each["shoppers"] for each in ask(address, "shoppers")["kinds"]}
    assert set(kinds) == {"heavy", "loyal", "new", "away"}
    assert kinds["heavy"][0]["events"] >= kinds["heavy"][1]["events"]
    assert ask(address, "surprise")["user"]


def test_history_is_that_of_the_log(address: str, shop: Settings) -> None:
    found = ask(address, "history", user=USER)
    events = storage.read(shop, "events", filters=[(C.USER_ID, "=", USER)]).to_pylist()
    assert found["events"] == len(events)
    assert sum(row["times"] for row in found["rows"]) == len(events)
    newest = max(events, key=lambda event: event[C.EVENT_TS])
    assert (found["rows"][0]["item"], found["rows"][0]["type"]) == (newest[C.ITEM_ID], newest[C.EVENT_TYPE])
    assert [row["day"] for row in found["rows"]] == sorted((row["day"] for row in found["rows"]), reverse=True)
    odd = ask(address, "history", user=ODD_USER)
    assert {row["item"] for row in odd["rows"]} == {ODD_ITEM, "i05"}


def test_the_list_is_what_the_shop_would_read_with_what_the_lake_knows(address: str, shop: Settings) -> None:
    found = ask(address, "list", user=USER, k=10)
    answer = Storefront(shop.redis_url).recommend(USER, 10, why=True)
    assert [entry["item"] for entry in found["entries"]] == list(answer.items)
    assert [entry["reason"]["code"] for entry in found["entries"]] == [reason.code for reason in answer.reasons]
    assert (found["version"], found["fallback"], found["in_lake"]) == (answer.version, "user", True)
    for entry in found["entries"]:
        assert entry["source"]
        assert entry["title"] == (title(entry["item"]) if entry["item"].startswith("i") else None)
    anonymous = ask(address, "list", country="GB")
    assert anonymous["fallback"] == "country=GB"
    beside = ask(address, "list", user=USER, surface="basket")
    assert beside["beside"]["item"] == ask(address, "history", user=USER)["rows"][0]["item"]
    assert ask(address, "list", user="stranger", surface="again")["entries"] == []


def test_an_item_has_its_curve_and_its_lists(address: str, shop: Settings) -> None:
    found = ask(address, "item", item="i07")
    assert found["card"]["title"] == title("i07")
    counted = storage.read(shop, "events", columns=[C.DS], filters=[(C.ITEM_ID, "=", "i07")])
    assert sum(day["purchase"] for day in found["curve"]) == len(counted)
    assert [day["ds"] for day in found["curve"]][-2:] == [D1, D2]
    assert {each["surface"] for each in found["lists"]} == {"basket", "product"}
    basket = next(each for each in found["lists"] if each["surface"] == "basket")
    assert basket["fallback"] == "item"
    assert ask(address, "item", item=ODD_ITEM)["card"]["item"] == ODD_ITEM
    assert ask(address, "item", item="i05")["card"]["title"] == SCRIPT


def test_versions_of_redis_and_days_of_the_lake(address: str, shop: Settings) -> None:
    found = ask(address, "versions", surface="home")
    newest, oldest = found["versions"]
    assert (newest["current"], oldest["current"]) == (True, False)
    assert newest["replaces"] == oldest["version"]
    assert newest["version"] == Storefront(shop.redis_url).meta().version
    assert [(day["ds"], day["state"]) for day in found["days"]] == [(D2, "published"), (D1, "published")]


def test_a_comparison_tells_what_it_is_doing_and_then_why(address: str) -> None:
    told = lines(address, "compare", user=USER, **{"from": D1, "to": D2})
    assert all("doing" in line for line in told[:-1])
    result = told[-1]["result"]
    causes = {change["causes"][0]["code"] for change in result["changes"]}
    assert "out_of_stock" in causes
    assert len(lines(address, "compare", user="u004", **{"from": D1, "to": D2})) < len(told)
    wrong = lines(address, "compare", user=USER, **{"from": D2, "to": D1})
    assert "must lie before" in wrong[-1]["error"]


def test_every_source_of_a_list(address: str) -> None:
    found = lines(address, "sources", user=USER, ds=D2)[-1]["result"]
    shown = ask(address, "list", user=USER, k=12)["entries"]
    assert set(found) == {entry["item"] for entry in shown}
    for entry in shown:
        assert not found[entry["item"]] or entry["source"] in dict(found[entry["item"]])


@pytest.mark.parametrize(
    ("path", "values", "status", "named"),
    [
        ("list", {"user": USER, "surface": "nowhere"}, 404, "nowhere"),
        ("list", {"user": "x" * 300}, 422, "256"),
        ("list", {"user": USER, "k": 0}, 422, ""),
        ("item", {"item": " "}, 422, "empty"),
        ("shoppers", {"q": "x" * 300}, 422, "256"),
    ],
)
def test_what_is_wrong_is_told_in_a_sentence(
    address: str, path: str, values: dict[str, Any], status: int, named: str
) -> None:
    answer = httpx.get(f"{address}/api/{path}", params=values)
    assert answer.status_code == status
    assert named in answer.text


def test_redis_away_is_told(shop: Settings) -> None:
    away = shop.model_copy(update={"redis_url": f"redis://127.0.0.1:{free_port()}/0"})
    with served(away, free_port()) as address:
        assert ask(f"{address}/shop", "about")["countries"] == []
        for path, values in (("list", {"user": USER}), ("versions", {})):
            answer = httpx.get(f"{address}/shop/api/{path}", params=values, timeout=30)
            assert answer.status_code == 503
            assert "does not answer" in answer.json()["detail"]


def test_with_pseudonyms_the_shops_id_becomes_a_token_and_the_key_stays(shop: Settings) -> None:
    key = "0123456789abcdef-secret"
    hidden = Settings(
        **(shop.model_dump(exclude={"user_key", "pseudonymise"}) | {"user_key": key, "pseudonymise": True})
    )
    assert lake_id(hidden, USER) == user_token(USER, key.encode())
    with pytest.raises(BadInput, match="empty"):
        lake_id(hidden, "  ")
    with served(hidden, free_port()) as address:
        found = httpx.get(f"{address}/shop/api/shoppers", params={"q": USER})
        assert found.json()["found"][0]["user"] == user_token(USER, key.encode())
        for path in ("about", "shoppers", "versions"):
            assert "secret" not in httpx.get(f"{address}/shop/api/{path}").text
