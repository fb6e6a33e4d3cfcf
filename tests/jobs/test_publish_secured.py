"""Publication over TLS, as a user of Redis who may do no more than a publication needs."""

import ipaddress
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from jobs.publish import publish
from jobs.rollback import rollback
from lake.errors import Unavailable
from lake.settings import Settings
from storefront.client import Storefront, UnknownSurface
from tests.conftest import free_port
from tests.jobs import planted_lists
from tests.jobs.redis_process import RedisProcess

pytestmark = pytest.mark.integration

USERS = ["u1", "u2"]
REPOSITORY = Path(__file__).resolve().parents[2]
RUNBOOK = REPOSITORY / "docs" / "runbook.md"
CACHE = REPOSITORY / "infra" / "terraform" / "modules" / "lists_cache" / "main.tf"


@pytest.fixture
def secured(tmp_path: Path) -> Iterator[tuple[RedisProcess, str]]:
    """A server that speaks TLS too, and the address of its TLS port without a user."""
    key, certificate = _certificate(tmp_path)
    port = free_port()
    arguments = ["--tls-port", str(port), "--tls-cert-file", str(certificate), "--tls-key-file", str(key)]
    arguments += ["--tls-ca-cert-file", str(certificate), "--tls-auth-clients", "no"]
    server = RedisProcess(tmp_path, *arguments)
    server.start()
    yield server, f"127.0.0.1:{port}/0?ssl_ca_certs={certificate}"
    server.kill()


def _certificate(folder: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tests")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "key.pem", folder / "certificate.pem"
    plain = serialization.NoEncryption()
    encoding = serialization.Encoding.PEM
    paths[0].write_bytes(key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, plain))
    paths[1].write_bytes(made.public_bytes(encoding))
    return paths


def test_the_user_of_the_runbook_may_publish_and_roll_back(
    tmp_settings: Settings, secured: tuple[RedisProcess, str]
) -> None:
    server, address = secured
    found = re.search(r"^ACL SETUSER publisher (.*)$", RUNBOOK.read_text(), re.MULTILINE)
    assert found is not None
    server.client.execute_command("ACL", "SETUSER", "publisher", *found[1].replace("PASSWORD", "secret").split())
    url = f"rediss://publisher:secret@{address}"
    house = tmp_settings.model_copy(update={"redis_url": url, "version_grace_seconds": 0})
    for day in (1, 2, 3):
        planted_lists.write(house, planted_lists.rows(f"e{day}", f"2026-11-{day:02}", USERS))
        publish(house, f"2026-11-{day:02}")
    rollback(house)
    assert Storefront(url).recommend("u1", 1, why=True).items == ("e2/u1/1",)


def test_terraforms_users_publish_and_read_and_log_in_with_iam(
    tmp_settings: Settings, secured: tuple[RedisProcess, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server takes any token (`nopass`): that AWS accepts ours is not shown here."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    server, address = secured
    access = dict(re.findall(r'^    (writer|reader) = "(on .*)"$', CACHE.read_text(), re.MULTILINE))
    assert set(access) == {"writer", "reader"}
    for name, rules in access.items():
        server.client.execute_command("ACL", "SETUSER", name, "nopass", *rules.split())
    urls = {name: f"rediss://{name}@{address}&aws_cache=lists" for name in access}
    house = tmp_settings.model_copy(update={"redis_url": urls["writer"], "version_grace_seconds": 0})
    for day in (1, 2):
        planted_lists.write(house, planted_lists.rows(f"e{day}", f"2026-11-{day:02}", USERS))
        publish(house, f"2026-11-{day:02}")
    rollback(house)
    shop = Storefront(urls["reader"])
    assert shop.recommend("u1", 1, why=True).items == ("e1/u1/1",)
    assert [meta.data_through for meta in shop.versions()] == ["2026-11-01", "2026-11-02"]
    with pytest.raises(UnknownSurface, match="there is no surface typo"):
        shop.recommend("u1", surface="typo")
    with pytest.raises(Unavailable, match="no permissions"):
        publish(house.model_copy(update={"redis_url": urls["reader"]}), "2026-11-02", force=True)


def test_a_user_who_may_not_write_lists_is_told_so(tmp_settings: Settings, secured: tuple[RedisProcess, str]) -> None:
    server, address = secured
    rules = ["on", ">secret", "~recs:*", "+@all", "-rpush"]
    server.client.execute_command("ACL", "SETUSER", "half", *rules)
    house = tmp_settings.model_copy(update={"redis_url": f"rediss://half:secret@{address}"})
    planted_lists.write(house, planted_lists.rows("a", "2026-11-22", USERS))
    with pytest.raises(Unavailable, match="no permissions to run the 'rpush' command"):
        publish(house, "2026-11-22")
    assert server.client.keys("recs:*") == []
