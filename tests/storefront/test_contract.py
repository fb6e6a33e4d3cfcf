"""The contract's vectors (the same as in docs/storefront.md) and the properties that hold for any text."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from storefront import contract
from storefront.contract import BadId, BadName, BadReason, Meta, Reason

DOCS = Path(__file__).resolve().parents[2] / "docs" / "storefront.md"
ANY_TEXT = st.text(st.characters(exclude_categories=("Cs",)), min_size=1)


def vectors(name: str) -> list[dict[str, object]]:
    block = re.search(rf"<!-- {name} -->\s*```json\n(.*?)```", DOCS.read_text(), re.DOTALL)
    assert block, f"docs/storefront.md has no vectors {name}"
    found: list[dict[str, object]] = json.loads(block[1])
    assert len(found) >= 5
    return found


@pytest.mark.parametrize("vector", vectors("user-tokens"), ids=lambda v: str(v["user_id"]).strip())
def test_user_tokens_of_the_docs(vector: dict[str, str]) -> None:
    assert contract.user_token(vector["user_id"], bytes.fromhex(vector["key_hex"])) == vector["token"]


@pytest.mark.parametrize("vector", vectors("reasons"), ids=lambda v: repr(v["text"])[:30])
def test_reasons_of_the_docs(vector: dict[str, object]) -> None:
    reasons = [Reason(code, value) for code, value in vector["reasons"]]  # type: ignore[attr-defined]
    assert contract.encode_reasons(reasons) == vector["text"]
    assert contract.decode_reasons(str(vector["text"])) == reasons


def test_a_token_is_the_hmac_of_rfc_4231() -> None:
    # test case 2 of RFC 4231
    expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    assert contract.user_token("what do ya want for nothing?", b"Jefe") == expected


def test_ids_that_differ_only_by_unicode_form_or_outer_space_are_one_shopper() -> None:
    key = b"0123456789abcdef"
    spellings = ["Zoë", "Zoe\u0308", " Zoë\t", "\u3000Zoë\u00a0\n"]
    assert len({contract.user_token(spelling, key) for spelling in spellings}) == 1
    assert contract.user_token("zoë", key) != contract.user_token("Zoë", key)


@pytest.mark.parametrize("text", ["", "   ", "\u3000\n", "x" * 257, "é" * 129, "\ud800"])
def test_an_id_that_can_name_nobody_is_refused(text: str) -> None:
    with pytest.raises(BadId):
        contract.user_token(text, b"0123456789abcdef")


def test_256_bytes_are_still_an_id() -> None:
    assert contract.canonical_id("x" * 256) == "x" * 256


@settings(deadline=None)
@given(ANY_TEXT)
def test_canonical_ids_stay_as_they_are(text: str) -> None:
    try:
        once = contract.canonical_id(text)
    except BadId:
        return
    assert contract.canonical_id(once) == once


OTHER_CODES = [code for code in contract.REASON_CODES if code not in ("bought", "seen")]
ANY_REASON = st.one_of(
    st.builds(Reason, st.sampled_from(OTHER_CODES), st.none() | ANY_TEXT),
    st.builds(Reason, st.just("bought"), ANY_TEXT),
    st.just(Reason("seen")),
)


@settings(deadline=None)
@given(st.lists(ANY_REASON))
@example([Reason("bought", "\n"), Reason("co", "\\n"), Reason("new", "\\"), Reason("co", "a:b\x00\x1f\r\u2028")])
def test_any_reasons_survive(reasons: list[Reason]) -> None:
    text = contract.encode_reasons(reasons)
    assert contract.decode_reasons(text) == reasons
    assert contract.decode_reasons(text.encode().decode()) == reasons


@pytest.mark.parametrize("text", ["x1", "bone\n\nbtwo", "b\\q", "b1\\"])
def test_reasons_nobody_wrote_are_refused(text: str) -> None:
    with pytest.raises(BadReason):
        contract.decode_reasons(text)


@pytest.mark.parametrize("reason", [Reason("bought"), Reason("bought", ""), Reason("seen", "22423")])
def test_bought_names_the_item_and_seen_does_not(reason: Reason) -> None:
    with pytest.raises(BadReason, match=reason.code):
        contract.encode_reasons([reason])


def test_readers_of_before_read_seen_as_bought_or_seen() -> None:
    line = contract.encode_reasons([Reason("seen")])
    assert line[:1] == contract.REASON_CODES["bought"], "the only character that they know for a shopper's own items"


def test_an_unknown_reason_is_not_written() -> None:
    with pytest.raises(BadReason, match="guess"):
        contract.encode_reasons([Reason("guess", "1")])


@settings(deadline=None)
@given(st.datetimes(datetime(2000, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)))
def test_a_version_tells_when_it_was_made(moment: datetime) -> None:
    made, digits = contract.parse_version(contract.make_version(moment))
    assert made == moment.replace(microsecond=0)
    assert re.fullmatch("[0-9a-f]{6}", digits)


def test_a_version_looks_like_the_one_in_the_docs() -> None:
    moment = datetime(2026, 11, 23, 2, 15, tzinfo=UTC)
    assert contract.make_version(moment, "3fa2c1") == "20261123T021500Z-3fa2c1"


@pytest.mark.parametrize("text", ["", "current", "20261323T021500Z-3fa2c1", "20261123T021500Z-3FA2C1", "*"])
def test_other_names_are_no_versions(text: str) -> None:
    with pytest.raises(BadName):
        contract.parse_version(text)


def test_keys_are_those_of_the_design() -> None:
    v = "20261123T021500Z-3fa2c1"
    assert contract.current_key("home") == "recs:home:current"
    assert contract.arm_key("home", "b") == "recs:home:arm:b"
    assert contract.user_key("home", v, "a:b c") == f"recs:home:{v}:u:a:b c"
    assert contract.why_key("home", v, "7") == f"recs:home:{v}:w:7"
    assert contract.item_key("home", v, "22423") == f"recs:home:{v}:i:22423"
    assert contract.segment_key("home", v, "country=GB") == f"recs:home:{v}:s:country=GB"
    assert contract.meta_key("home", v) == f"recs:home:{v}:meta"


@pytest.mark.parametrize("surface", ["", "Home", "a:b", "home*", "x" * 65])
def test_a_surface_cannot_reach_into_other_keys(surface: str) -> None:
    with pytest.raises(BadName, match="surface"):
        contract.current_key(surface)


def test_segments_match_in_the_order_of_the_version() -> None:
    order = ["country=GB", "country=FR", "device=mobile", "all"]
    assert contract.matching_segments(order, {"device": "mobile", "country": "FR"}) == [
        "country=FR",
        "device=mobile",
        "all",
    ]
    assert contract.matching_segments(order, {"country": None}) == ["all"]
    assert contract.matching_segments([], {"country": "GB"}) == ["all"]


@settings(deadline=None)
@given(st.lists(ANY_TEXT).map(tuple))
def test_meta_survives_redis(segments: tuple[str, ...]) -> None:
    meta = Meta("v", "", "2026-11-23T02:15:00Z", "2026-11-22", 50, 1, 2, segments, "3", "00", "ready", "")
    assert Meta.read(meta.fields() | {"further": "field"}) == meta


def test_damaged_meta_is_named() -> None:
    with pytest.raises(BadName, match="data_through"):
        Meta.read({"version": "v", "replaces": "", "generated_at": ""})
