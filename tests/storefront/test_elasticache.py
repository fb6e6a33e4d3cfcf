"""The log-in to ElastiCache with IAM: what a URL asks for, and the token that is made."""

from urllib.parse import parse_qs, urlsplit

import pytest
import redis

from storefront import elasticache
from storefront.connection import connect, connect_async
from storefront.elasticache import IamLogin

URL = "rediss://shop-reader@cache.internal:6379/0?aws_cache=Shop-Lists&ssl_ca_certs=ca.pem"


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")


def test_a_plain_url_asks_for_nothing() -> None:
    assert elasticache.split("redis://127.0.0.1:6379/0") == ("redis://127.0.0.1:6379/0", None)


def test_the_rest_of_the_url_is_kept() -> None:
    url, login = elasticache.split(URL)
    assert url == "rediss://cache.internal:6379/0?ssl_ca_certs=ca.pem"
    assert login is not None


@pytest.mark.parametrize(
    "url",
    [
        "redis://reader@cache:6379/0?aws_cache=lists",
        "rediss://cache:6379/0?aws_cache=lists",
        "rediss://reader:secret@cache:6379/0?aws_cache=lists",
    ],
    ids=["no_tls", "no_user", "a_password"],
)
def test_a_contradiction_is_told_without_the_password(url: str) -> None:
    with pytest.raises(ValueError, match="rediss://USER@HOST") as told:
        elasticache.split(url)
    assert "secret" not in str(told.value)


@pytest.mark.usefixtures("credentials")
def test_a_token_is_a_signed_address_without_its_scheme() -> None:
    user, token = IamLogin("shop-reader", "Shop-Lists").get_credentials()
    parts = urlsplit(f"https://{token}")
    query = parse_qs(parts.query)
    assert user == "shop-reader"
    assert not token.startswith("https://")
    assert (parts.netloc, parts.path) == ("shop-lists", "/")
    assert query["Action"] == ["connect"]
    assert query["User"] == ["shop-reader"]
    assert query["X-Amz-Expires"] == ["900"]
    assert "/eu-west-1/elasticache/aws4_request" in query["X-Amz-Credential"][0]


@pytest.mark.usefixtures("credentials")
def test_a_token_is_used_again_until_it_ages(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(elasticache.time, "monotonic", lambda: now)
    login = IamLogin("shop-reader", "lists")
    drawn = iter(["first", "second"])
    monkeypatch.setattr(login, "_new_token", lambda: next(drawn))
    assert login.get_credentials()[1] == "first"
    now = elasticache.REUSED_SECONDS
    assert login.get_credentials()[1] == "first"
    now += 1
    assert login.get_credentials()[1] == "second"


def test_without_a_region_it_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    with pytest.raises(RuntimeError, match="AWS_REGION"):
        IamLogin("reader", "lists").get_credentials()


def test_both_clients_log_in_by_it() -> None:
    client = connect(URL.replace("&ssl_ca_certs=ca.pem", ""))
    assert isinstance(client, redis.Redis)
    assert isinstance(client.connection_pool.connection_kwargs["credential_provider"], IamLogin)
    later = connect_async(URL.replace("&ssl_ca_certs=ca.pem", ""))
    assert isinstance(later.connection_pool.connection_kwargs["credential_provider"], IamLogin)
