"""What writer and readers of the lists agree on: ids, keys, versions, arms, reasons, meta. Standard library only.

`docs/storefront.md` gives the same in words, with test vectors for other languages. Every key is read by itself, so
the contract holds on one node and on a cluster alike.
"""

import hashlib
import hmac
import json
import math
import re
import secrets
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

DEFAULT_SURFACE = "home"
EVERYBODY = "all"
CONTROL = "control"
"""What exposure logs call the shoppers of an experiment who are in none of its arms; no arm bears the name."""
MAX_ID_BYTES = 256
POINTER_SECONDS = 30
"""A reader asks for `current` and its meta at most this often."""

WHITE_SPACE = "".join(map(chr, (*range(9, 14), 32, 133, 160, 5760, *range(8192, 8203), 8232, 8233, 8239, 8287, 12288)))
"""Unicode's White_Space property: what is trimmed from both ends of an id, the same in every language."""

_SURFACE = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_VERSION = re.compile(r"(\d{8}T\d{6}Z)-([0-9a-f]{6})")
_STAMP = "%Y%m%dT%H%M%SZ"


class BadId(ValueError):
    """An id that cannot name anything: empty, longer than 256 bytes or not UTF-8."""


class BadName(ValueError):
    """A surface, arm, segment or version outside the contract."""


class BadExperiment(ValueError):
    """An experiment that cannot be: a wrong name, or shares that are no parts of one whole."""


class BadReason(ValueError):
    """Reasons that cannot be written or read."""


# ids


def canonical_id(text: str) -> str:
    """The one spelling of an id: Unicode NFC, white space trimmed from both ends.

    Raises:
        BadId: nothing is left, or more than 256 bytes of UTF-8 are, or the text has lone surrogates.
    """
    if not isinstance(text, str):
        raise BadId(f"an id must be text, got {type(text).__name__}")
    spelled = unicodedata.normalize("NFC", text).strip(WHITE_SPACE)
    try:
        size = len(spelled.encode())
    except UnicodeEncodeError as error:
        raise BadId(f"id {text[:40]!r} is not valid Unicode (lone surrogate); decode it as UTF-8 first") from error
    if not size:
        raise BadId(f"id {text[:40]!r} is empty; use no id at all (None) for an anonymous visitor")
    if size > MAX_ID_BYTES:
        raise BadId(f"id {spelled[:40]!r}... has {size} bytes, at most {MAX_ID_BYTES} are allowed")
    return spelled


def user_token(user_id: str, key: bytes) -> str:
    """The keyed pseudonym of a shopper: HMAC-SHA256 (RFC 2104) of the canonical id, 64 hex digits.

    Args:
        user_id: the shop's id.
        key: the secret's bytes.

    Raises:
        BadId: see `canonical_id`.
    """
    return hmac.new(key, canonical_id(user_id).encode(), hashlib.sha256).hexdigest()


# versions


def make_version(generated_at: datetime, digits: str | None = None) -> str:
    """A version's name: the generation time in UTC and six hex digits, drawn at random unless given."""
    name = f"{generated_at.astimezone(UTC).strftime(_STAMP)}-{digits or secrets.token_hex(3)}"
    parse_version(name)
    return name


def parse_version(version: str) -> tuple[datetime, str]:
    """Generation time (UTC) and hex digits of a version.

    Raises:
        BadName: not of the form `20261123T021500Z-3fa2c1`.
    """
    match = _VERSION.fullmatch(version)
    try:
        if match:
            return datetime.strptime(match[1], _STAMP).replace(tzinfo=UTC), match[2]
    except ValueError:
        pass
    raise BadName(f"version {version[:60]!r} is not of the form 20261123T021500Z-3fa2c1")


def is_version(text: str) -> bool:
    """Whether the text is a version's name."""
    try:
        parse_version(text)
    except BadName:
        return False
    return True


# keys


def _surface(surface: str) -> str:
    if not _SURFACE.fullmatch(surface):
        raise BadName(f"surface {surface[:60]!r} must be lower-case letters, digits, - and _, for example home")
    return f"recs:{surface}"


def current_key(surface: str) -> str:
    """STRING: the version that readers use."""
    return f"{_surface(surface)}:current"


def arm_key(surface: str, arm: str) -> str:
    """STRING: the version of an experiment's arm; the control is `current`."""
    if not _SURFACE.fullmatch(arm):
        raise BadName(f"arm {arm[:60]!r} must be lower-case letters, digits, - and _")
    return f"{_surface(surface)}:arm:{arm}"


def experiment_key(surface: str) -> str:
    """STRING: the experiment that runs on the surface, see `Experiment`; absent = none."""
    return f"{_surface(surface)}:experiment"


def lease_key(surface: str) -> str:
    """STRING with an expiry: the version that is being loaded."""
    return f"{_surface(surface)}:loading"


def registry_key(surface: str) -> str:
    """HASH: every version that may have keys -> `loading`, `named`, or since when (Unix seconds) nothing names it."""
    return f"{_surface(surface)}:versions"


def user_key(surface: str, version: str, user: str) -> str:
    """LIST: the shopper's item ids, best first. `user` is the token where pseudonyms are on, else the canonical id."""
    return f"recs:{surface}:{version}:u:{user}"


def why_key(surface: str, version: str, user: str) -> str:
    """STRING: the shopper's reasons, one a rank; see `decode_reasons`."""
    return f"recs:{surface}:{version}:w:{user}"


def item_key(surface: str, version: str, item: str) -> str:
    """LIST: what goes well with an item."""
    return f"recs:{surface}:{version}:i:{item}"


def segment_key(surface: str, version: str, segment: str) -> str:
    """LIST: the fallback of a segment."""
    return f"recs:{surface}:{version}:s:{segment}"


def meta_key(surface: str, version: str) -> str:
    """HASH: see `Meta`."""
    return f"recs:{surface}:{version}:meta"


# segments


def segment(name: str, value: str) -> str:
    """The segment of everyone whose `name` is `value`: `country=GB`."""
    if not name or "=" in name or not value:
        raise BadName(f"segment {name!r}={value!r} needs a name without '=' and a value")
    return f"{name}={value}"


def matching_segments(order: Iterable[str], context: Mapping[str, str | None]) -> list[str]:
    """Those of a version's segments that hold for a context, in order; `all` always does and comes last."""
    held = {f"{name}={value}" for name, value in context.items() if value}
    return [name for name in order if name in held and name != EVERYBODY] + [EVERYBODY]


# experiments


@dataclass(frozen=True)
class Experiment:
    """An experiment on a surface: arms, in order, with the share of the shoppers that each takes; the rest is control.

    Raises:
        BadExperiment: a name outside the contract, no salt, or shares below 0 or above 1 together.
    """

    name: str
    salt: str
    arms: Mapping[str, float]

    def __post_init__(self) -> None:
        # JavaScript's objects bring keys that are numbers before all others, whatever their order in the JSON.
        wrong = [arm for arm in self.arms if arm == CONTROL or arm.isdigit() or not _SURFACE.fullmatch(arm)]
        if wrong or not _SURFACE.fullmatch(self.name):
            raise BadExperiment(
                f"experiment {self.name[:60]!r}: {(wrong or [self.name])[0][:60]!r} cannot be a name: lower-case "
                f"letters, digits, - and _, no mere number; {CONTROL!r} is what is left of the shoppers"
            )
        if not self.salt:
            raise BadExperiment(f"experiment {self.name!r}: the salt is empty; its name will do")
        shares = list(self.arms.values())
        if not shares or not all(0 <= share <= 1 for share in shares) or math.fsum(shares) > 1 + 1e-9:
            raise BadExperiment(
                f"experiment {self.name!r}: shares {dict(self.arms)} must be at least one, from 0 to 1, and no more "
                f"than 1 together"
            )

    def text(self) -> str:
        """The STRING as it is stored."""
        return json.dumps({"name": self.name, "salt": self.salt, "arms": dict(self.arms)}, ensure_ascii=False)

    @classmethod
    def read(cls, text: str) -> "Experiment":
        """The inverse of `text`; further keys are ignored.

        Raises:
            BadExperiment: a key is missing or cannot be read.
        """
        try:
            found = json.loads(text)
            arms = {str(arm): float(share) for arm, share in found["arms"].items()}
            return cls(str(found["name"]), str(found["salt"]), arms)
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            raise BadExperiment(f"experiment {text[:80]!r} cannot be read ({error!r}); publish again") from error


def lot(salt: str, user: str) -> float:
    """The shopper's number in [0, 1): the first 53 bits of the SHA-256 of `salt:user`, over 2^53, exact in a double.

    `user` is the token where pseudonyms are on, else the canonical id.
    """
    digest = hashlib.sha256(f"{salt}:{user}".encode()).digest()
    return float(int.from_bytes(digest[:8], "big") >> 11) / 2**53


def assign(experiment: Experiment, user: str) -> str | None:
    """The arm of a shopper, always the same one; None is the control.

    The arms take their shares of [0, 1) one after the other from 0, so that an arm put behind the others, or a larger
    share of the last, moves nobody but shoppers of the control.
    """
    number, taken = lot(experiment.salt, user), 0.0
    for arm, share in experiment.arms.items():
        taken += share
        if number < taken:
            return arm
    return None


# reasons

REASON_CODES = {"bought": "b", "seen": "b", "co": "c", "similar": "s", "popular": "p", "new": "n", "listed": "l"}
"""Reason -> the character that stands for it. What the value means:
`bought` the item itself, which the shopper bought before; `seen` none: the shopper touched the item itself, but did not
buy it; `co` the item of the shopper's history that others had together with this one; `similar` an item of the history
that is like it; `popular` the segment; `new` the category that the shopper likes, none where that is not known;
`listed` none: the list needed one more. In an item's list, `co` and `similar` rest on that item.

`seen` shares its character with `bought`, told apart by having no value: readers that know only `bought`, which once
stood for both, go on telling the truth.
"""
_REASONS = {char: code for code, char in REASON_CODES.items() if code != "seen"}
_ESCAPE = str.maketrans({"\\": "\\\\", "\n": "\\n"})
_ESCAPED = re.compile(r"\\(.?)")


@dataclass(frozen=True)
class Reason:
    """Why an item stands in a list: a code of `REASON_CODES` and the item or value it rests on, if any."""

    code: str
    value: str | None = None


def escape_value(value: str) -> str:
    """A reason's value without line feeds: backslash and line feed become `\\\\` and `\\n`."""
    return value.translate(_ESCAPE)


def encode_reasons(reasons: Sequence[Reason]) -> str:
    """One string for a list: a line a rank, each a code character and the escaped value.

    Raises:
        BadReason: a code that is not in `REASON_CODES`, `bought` without the item, or `seen` with a value.
    """
    for reason in reasons:
        if reason.code in ("bought", "seen") and (reason.code == "bought") != bool(reason.value):
            raise BadReason(f"reason {reason.code!r} with value {reason.value!r}: bought has the item, seen has none")
    try:
        return "\n".join(REASON_CODES[r.code] + escape_value(r.value or "") for r in reasons)
    except KeyError as error:
        raise BadReason(f"reason {error.args[0]!r} is none of {', '.join(REASON_CODES)}") from error


def decode_reasons(text: str) -> list[Reason]:
    """The inverse of `encode_reasons`; the empty string is no reasons.

    Raises:
        BadReason: a line with an unknown code character or a broken escape.
    """
    return [_decode(line) for line in text.split("\n")] if text else []


def _decode(line: str) -> Reason:
    code = "seen" if line == "b" else _REASONS.get(line[:1])
    if code is None:
        raise BadReason(f"reason line {line[:40]!r} does not begin with one of {''.join(_REASONS)}")
    value = line[1:]
    if "\\" in value:
        value = _ESCAPED.sub(_unescape, value)
    return Reason(code, value or None)


def _unescape(match: re.Match[str]) -> str:
    if match[1] not in ("\\", "n"):
        raise BadReason(f"unknown escape \\{match[1]} in a reason")
    return "\n" if match[1] == "n" else "\\"


# meta


@dataclass(frozen=True)
class Meta:
    """What a version says about itself. Text throughout in Redis; `segments` there is a JSON array.

    `generated_at` is ISO 8601 in UTC, `data_through` the last day (UTC) whose events the lists know. `users` and
    `items` count lists, `segments` names them in the order of the fallback. `replaces` is the version to go back to,
    empty if there is none; `key_id` names the pseudonyms' key, empty where the shop's ids are kept.
    """

    version: str
    replaces: str
    generated_at: str
    data_through: str
    k: int
    users: int
    items: int
    segments: tuple[str, ...]
    bundle: str
    content_hash: str
    status: str
    key_id: str

    def fields(self) -> dict[str, str]:
        """The HASH as it is stored."""
        stored = {name: str(value) for name, value in self.__dict__.items()}
        return stored | {"segments": json.dumps(self.segments, ensure_ascii=False)}

    @classmethod
    def read(cls, fields: Mapping[str, str]) -> "Meta":
        """The inverse of `fields`; further fields are ignored.

        Raises:
            BadName: a field is missing or cannot be read.
        """
        try:
            text = {name: fields[name] for name in cls.__dataclass_fields__}
            numbers = {name: int(text[name]) for name in ("k", "users", "items")}
            return cls(**(text | numbers | {"segments": tuple(json.loads(text["segments"]))}))  # type: ignore[arg-type]
        except (KeyError, ValueError, TypeError) as error:
            raise BadName(
                f"meta of version {fields.get('version', '?')} is damaged: {error!r}; publish again"
            ) from error
