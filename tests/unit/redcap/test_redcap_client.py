"""REDCap's API as it behaves: errors of its kind, pages in place of answers, TLS, and tokens that nobody sees."""

import ssl
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

from services.redcap.client import Away, MayNotWrite, Pace, Redcap, Refused, open_http
from services.redcap.definition.schema import read_schema
from services.redcap.settings import RedcapSettings
from tests.components.redcap import RedcapServer
from tests.integration.redcap_setting import INCOMING_TOKEN, PROJECT_TOKEN, incoming, own


@pytest.fixture
def server() -> Iterator[RedcapServer]:
    with RedcapServer(incoming(), own()) as running:
        yield running


@pytest.fixture
async def redcap(server: RedcapServer) -> AsyncIterator[Redcap]:
    async with open_http(RedcapSettings(url=server.url)) as http:
        yield Redcap(http, server.url, PROJECT_TOKEN, Pace(100_000))


async def test_what_is_written_is_read(redcap: Redcap) -> None:
    row = {"record_id": "P1", "redcap_event_name": "baseline_arm_1", "first_name": "Øyvind & søn = 100 %"}
    assert await redcap.write([row]) == 1
    (read,) = await redcap.records(["record_id", "first_name"], ["P1"])
    assert {name: read[name] for name in row} == row
    schema = await read_schema(redcap)
    assert schema.longitudinal
    assert schema.repeating == {("event_1_arm_1", "imaging")}


@pytest.mark.parametrize(
    ("row", "word"),
    [
        ({"record_id": "P1", "shoe_size": "44", "redcap_event_name": "baseline_arm_1"}, "shoe_size"),
        ({"record_id": "P1", "first_name": "x", "redcap_event_name": "year_arm_1"}, "redcap_event_name"),
        ({"record_id": "P1", "img_event_name": "x", "redcap_event_name": "event_1_arm_1"}, "Repeating Instrument"),
        ({"record_id": "P#1", "first_name": "x", "redcap_event_name": "baseline_arm_1"}, "record name"),
        (
            {"record_id": "P1", "first_name": "x", "redcap_event_name": "event_1_arm_1"}
            | {"redcap_repeat_instrument": "basis", "redcap_repeat_instance": 1},
            "redcap_repeat_instrument",
        ),
        (
            {"record_id": "P1", "img_study_date": "5.1.2026", "redcap_event_name": "event_1_arm_1"}
            | {"redcap_repeat_instrument": "imaging", "redcap_repeat_instance": 1},
            "img_study_date",
        ),
    ],
)
async def test_what_is_refused_is_refused_whole(
    redcap: Redcap, server: RedcapServer, row: dict[str, str], word: str
) -> None:
    good = {"record_id": "P0", "redcap_event_name": "baseline_arm_1", "first_name": "x"}
    with pytest.raises(Refused) as error:
        await redcap.write([good, row])
    assert error.value.status == 400
    assert word in error.value.words
    assert server.projects[PROJECT_TOKEN].data == {}


@pytest.mark.parametrize(
    ("answer", "error", "text"),
    [
        (httpx.Response(200, text="<html>closed</html>"), Away, "closed for maintenance"),
        (httpx.Response(200, json={"error": "no"}), Refused, "refused with HTTP 400"),
        (httpx.Response(403, json={"error": "You do not have permissions"}), MayNotWrite, "or is not taken"),
        (httpx.Response(403, text="<html>"), MayNotWrite, "or is not taken"),
        (httpx.Response(401, text="<html>"), Refused, "the token is not taken"),
        (httpx.Response(302, headers={"location": "http://elsewhere/"}), Refused, "there is no API"),
        (httpx.Response(400, json={"error": "ERROR: Insufficient user privileges: x"}), MayNotWrite, "API Import"),
        (httpx.Response(400, json={"error": '"1","a","You do not have","x"'}), Refused, "refused with HTTP 400"),
        (httpx.Response(413, text="<html>"), Refused, "it is too large"),
        (httpx.Response(429), Away, "answers 429"),
        (httpx.Response(502, text="<html>"), Away, "answers 502"),
        (httpx.Response(200, json={"rows": 3}), Away, "is not REDCap"),
    ],
)
async def test_what_an_answer_means(answer: httpx.Response, error: type[Exception], text: str) -> None:
    seen: list[httpx.Request] = []

    def reply(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return answer

    async with httpx.AsyncClient(transport=httpx.MockTransport(reply)) as http:
        redcap = Redcap(http, "https://redcap.example.org/api/", PROJECT_TOKEN, Pace(100_000))
        with pytest.raises(error) as raised:
            await redcap.write([{"record_id": "P1"}])
    assert text in str(raised.value)
    assert PROJECT_TOKEN not in f"{raised.value!r} {raised.value.__cause__!r}"
    assert PROJECT_TOKEN not in str(seen[0].url)
    assert PROJECT_TOKEN.encode() in seen[0].content


async def test_nobody_at_home() -> None:
    async with open_http(RedcapSettings(url="http://127.0.0.1:9/api/")) as http:
        with pytest.raises(Away, match="cannot be reached"):
            await Redcap(http, "http://127.0.0.1:9/api/", INCOMING_TOKEN, Pace(100_000)).export("project")


async def test_a_certificate_is_verified(tmp_path: Path) -> None:
    certificate, context = certified(tmp_path)
    with RedcapServer(incoming(), tls=context) as server:
        for settings, trusted in (
            (RedcapSettings(url=server.url), False),
            (RedcapSettings(url=server.url, ca_file=certificate), True),
        ):
            async with open_http(settings) as http:
                redcap = Redcap(http, server.url, INCOMING_TOKEN, Pace(100_000))
                if trusted:
                    assert (await redcap.export("project"))["is_longitudinal"] == 0
                else:
                    with pytest.raises(Away, match="cannot be reached"):
                        await redcap.export("project")


def certified(folder: Path) -> tuple[Path, ssl.SSLContext]:
    """A certificate of 127.0.0.1 that nobody knows, and a server's context with it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "redcap")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, SHA256())
    )
    path = folder / "redcap.pem"
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private = folder / "redcap.key"
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    private.write_bytes(key.private_bytes(pem, pkcs8, serialization.NoEncryption()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path, private)
    return path, context
