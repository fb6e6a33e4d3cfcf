"""Log-in to ElastiCache with IAM: a token made from the process's AWS role instead of a password.

`rediss://USER@HOST:6379/0?aws_cache=CACHE` asks for it; CACHE is the replication group's name. The region is the one in
`AWS_REGION` or `AWS_DEFAULT_REGION`. Needs `botocore`, and nothing of it where no URL asks.
https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/auth-iam.html
"""

import os
import threading
import time
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from redis.credentials import CredentialProvider

PARAMETER = "aws_cache"
TOKEN_SECONDS = 900
"""AWS accepts a token for so long; the connection it opened lives on for up to 12 hours."""
REUSED_SECONDS = 600


class IamLogin(CredentialProvider):
    """Gives redis-py user and token for each new connection; a token is made anew after ten minutes."""

    def __init__(self, user: str, cache: str) -> None:
        """
        Args:
            user: the ElastiCache user's name, which is its id too.
            cache: the replication group's name.
        """
        self._user = user
        self._cache = cache.lower()
        self._lock = threading.Lock()
        self._signer: Any = None
        self._token = ""
        self._made = -float("inf")

    def get_credentials(self) -> tuple[str, str]:
        """User and token.

        Raises:
            RuntimeError: no AWS region or no credentials are to be had; the message says where they are looked for.
        """
        with self._lock:
            if time.monotonic() - self._made > REUSED_SECONDS:
                self._token = self._new_token()
                self._made = time.monotonic()
            return self._user, self._token

    def _new_token(self) -> str:
        self._signer = self._signer or _signer()
        query = urlencode({"Action": "connect", "User": self._user})
        request = {"method": "GET", "url": f"https://{self._cache}/?{query}", "body": {}, "headers": {}, "context": {}}
        signed: str = self._signer.generate_presigned_url(
            request, operation_name="connect", expires_in=TOKEN_SECONDS, region_name=self._signer.region_name
        )
        return signed.removeprefix("https://")  # ElastiCache takes the rest alone


def split(url: str) -> tuple[str, IamLogin | None]:
    """A Redis URL without what asks for IAM, and the log-in it asks for.

    Raises:
        ValueError: it asks for IAM without a user's name, with a password, or without TLS.
    """
    parts = urlsplit(url)
    query = parse_qsl(parts.query, keep_blank_values=True)
    cache = dict(query).get(PARAMETER)
    if cache is None:
        return url, None
    host = parts.netloc.rpartition("@")[2]
    if not parts.username or parts.password or not parts.scheme.startswith("rediss"):
        raise ValueError(
            f"{parts.scheme}://...@{host}: with {PARAMETER}=, which logs in with IAM, expected "
            f"rediss://USER@HOST:PORT/0?{PARAMETER}=CACHE, with a user's name, without a password, and with TLS"
        )
    rest = urlencode([pair for pair in query if pair[0] != PARAMETER])
    return urlunsplit((parts.scheme, host, parts.path, rest, parts.fragment)), IamLogin(parts.username, cache)


def _signer() -> Any:
    from botocore.model import ServiceId
    from botocore.session import get_session
    from botocore.signers import RequestSigner

    session = get_session()
    region = os.environ.get("AWS_REGION") or session.get_config_variable("region")  # botocore reads the other name only
    credentials = session.get_credentials()
    if not region or credentials is None:
        missing = (
            "region: set AWS_REGION" if not region else "credentials: give the task a role, or set AWS_ACCESS_KEY_ID"
        )
        raise RuntimeError(f"the log-in to ElastiCache with IAM found no AWS {missing}")
    return RequestSigner(
        ServiceId("elasticache"), region, "elasticache", "v4", credentials, session.get_component("event_emitter")
    )
