"""Signing in at a provider of OpenID Connect: a real one, and one that lies."""

import hmac
import json
from asyncio import FIRST_COMPLETED, Event, create_task, gather, timeout, wait
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from time import time
from typing import Any

import httpx
import pytest
import yaml
from joserfc import jwt
from joserfc.jwk import RSAKey
from sqlalchemy import update

from cli.loopback import Loopback
from services.api.people.elsewhere import Oidc
from services.api.people.oidc import Client, Journey, OidcRefused, OidcUnavailable
from services.api.people.refreshing import ask_providers
from services.api.people.sessions import begin
from services.api.people.vouched import Vouched
from shared.database import Database
from shared.tables import Account, WebSession
from shared.tables.base import now
from tests.components.fixtures import disposable
from tests.components.oidc import OidcProvider
from tests.people import person
from tests.unit.api.support import BASE, Api, kind, running

CALLBACK = "http://127.0.0.1:8080/api/v1/session/oidc/feide/callback"
KARI = {"sub": "77", "preferred_username": "Kari", "name": "Kari", "email": "kari@example.org", "groups": ["entry"]}
GRANTS = [
    {"group": "entry", "project": "ABCD-study", "roles": ["data_entry"], "sites": ["Bergen"]},
    {"group": "looking", "project": "OTHER-study", "roles": ["controller"]},
]
NAVIGATION = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OidcProvider]:
    with disposable(OidcProvider(tmp_path_factory.mktemp("oidc"), [KARI])) as server:
        yield server


@pytest.fixture
async def api(provider: OidcProvider, sqlite: Database, tmp_path: Path) -> AsyncIterator[Api]:
    client_id, secret = provider.register(CALLBACK)
    (tmp_path / "secret").write_text(secret + "\n")
    known = {
        "name": "feide", "title": "Feide", "issuer": provider.issuer, "client_id": client_id,
        "client_secret_file": str(tmp_path / "secret"), "grants": GRANTS,
    }  # fmt: skip
    file = tmp_path / "sign-in.yaml"
    file.write_text(yaml.safe_dump({"oidc": [known]}))
    async with running(sqlite, tmp_path / "store", sign_in=file) as api:
        await api.project()
        yield api


@pytest.fixture
async def page(api: Api) -> AsyncIterator[httpx.AsyncClient]:
    """A browser that holds cookies and nothing else."""
    async with httpx.AsyncClient(transport=api.client._transport, base_url=BASE) as client:
        yield client


async def leave(page: httpx.AsyncClient) -> str:
    answer = await page.get("/api/v1/session/oidc/feide")
    assert answer.status_code == 303, answer.text
    assert "SameSite=lax" in answer.headers["set-cookie"]
    return str(answer.headers["location"])


async def test_a_terminal_signs_in_by_a_browser(api: Api, page: httpx.AsyncClient, provider: OidcProvider) -> None:
    waiting = Loopback()
    opened = await page.get(f"/api/v1/session/oidc/feide?{waiting.query}")
    led = await page.get(provider.sign_in(str(opened.headers["location"]), "77"), headers=NAVIGATION)
    address = str(led.headers["location"])
    assert address.startswith(f"http://127.0.0.1:{waiting.server_port}/?code=")
    assert [name for name in page.cookies if name == "fiona"] == [], "the browser itself is not signed in"
    with ThreadPoolExecutor() as threads:
        browser = threads.submit(httpx.get, address, trust_env=False)
        code = waiting.wait(60)
        assert browser.result().status_code == 200
    waiting.server_close()
    other = {"code": code, "verifier": "x" * 43}
    assert kind(await page.post("/api/v1/session/code", json=other)) == "provider-refused"
    for wrong in ("Zm9v", code[:-8] + "AAAAAAA="):
        asked = {"code": wrong, "verifier": waiting.verifier}
        assert kind(await page.post("/api/v1/session/code", json=asked)) == "provider-refused"
    mine = (await page.post("/api/v1/session/code", json={"code": code, "verifier": waiting.verifier})).json()
    me = await api.by(mine["token"], "GET", "/session")
    assert (me.json()["login"], mine["login"], mine["csrf_token"]) == ("kari", "kari", None)
    half = await page.get("/api/v1/session/oidc/feide?port=4711")
    assert kind(half) == "invalid-request"


async def test_a_token_works_as_long_as_the_provider_has_spoken_lately(
    api: Api, page: httpx.AsyncClient, provider: OidcProvider
) -> None:
    await page.get(provider.sign_in(await leave(page), "77"), headers=NAVIGATION)
    await api.add(*person("kari", token="fiona_t_kari")[1:])
    assert (await api.by("fiona_t_kari", "GET", "/session")).is_success

    async def signed_in(days: float) -> None:
        async with api.context.database.session() as session:
            (await session.get_one(Account, "kari")).signed_in_at = now() - timedelta(days=days)

    await signed_in(7.1)
    refused = await api.by("fiona_t_kari", "GET", "/session")
    assert (kind(refused), "provider" in refused.json()["detail"]) == ("not-signed-in", True)
    await signed_in(6.9)
    assert (await api.by("fiona_t_kari", "GET", "/session")).is_success


async def _long_ago(api: Api) -> None:
    """As if the provider had last been asked before its word was worn out."""
    async with api.context.database.session() as session:
        await session.execute(update(WebSession).values(vouched_at=now() - timedelta(hours=1, seconds=1)))


async def _asked(api: Api) -> Any:
    await ask_providers(api.context, api.client._transport.app.state.door)  # type: ignore[attr-defined]


async def test_a_session_lasts_as_long_as_its_provider_vouches_for_it(
    api: Api, page: httpx.AsyncClient, provider: OidcProvider
) -> None:
    await page.get(provider.sign_in(await leave(page), "77"), headers=NAVIGATION)
    await _asked(api)
    await _long_ago(api)
    provider.claims("77", **KARI | {"groups": ["entry", "looking"]})
    try:
        await _asked(api)
        me = (await page.get("/api/v1/session")).json()
        assert [each["project"] for each in me["projects"]] == ["ABCD-study", "OTHER-study"], "groups of today"
        provider.revoke("77")
        await _asked(api)
        assert (await page.get("/api/v1/session")).is_success, "asked a moment ago"
        await _long_ago(api)
        await _asked(api)
        assert kind(await page.get("/api/v1/session")) == "not-signed-in"
    finally:
        provider.claims("77", **KARI)


async def test_who_has_lost_the_last_group_is_out(api: Api, page: httpx.AsyncClient, provider: OidcProvider) -> None:
    await page.get(provider.sign_in(await leave(page), "77"), headers=NAVIGATION)
    await api.add(*person("kari", token="fiona_t_kari")[1:])
    provider.claims("77", **KARI | {"groups": []})
    try:
        await _long_ago(api)
        await _asked(api)
    finally:
        provider.claims("77", **KARI)
    assert kind(await page.get("/api/v1/session")) == "not-signed-in"
    assert kind(await api.by("fiona_t_kari", "GET", "/session")) == "not-signed-in"


async def test_a_provider_is_asked_once_and_one_that_is_away_throws_nobody_out(
    api: Api, page: httpx.AsyncClient, provider: OidcProvider
) -> None:
    await page.get(provider.sign_in(await leave(page), "77"), headers=NAVIGATION)
    door, asked = api.client._transport.app.state.door, []  # type: ignore[attr-defined]
    answers = Event()

    async def away(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        await answers.wait()
        return httpx.Response(503)

    door.providers["feide"] = Client(door.elsewhere.provider("feide"), CALLBACK, httpx.MockTransport(away))
    await _long_ago(api)
    async with timeout(60):
        first, second = create_task(_asked(api)), create_task(_asked(api))
        await wait([first, second], return_when=FIRST_COMPLETED)
        assert len(asked) == 1, "two replicas at once"
        answers.set()
        await gather(first, second)
    assert len(asked) == 1
    assert (await page.get("/api/v1/session")).is_success
    await _asked(api)
    assert len(asked) == 2, "and soon again"


async def test_there_and_back(api: Api, page: httpx.AsyncClient, provider: OidcProvider) -> None:
    assert (await page.get("/api/v1/session/providers")).json()["items"] == [{"name": "feide", "title": "Feide"}]
    back = provider.sign_in(await leave(page), "77")
    assert back.startswith(CALLBACK)
    answer = await page.get(back, headers=NAVIGATION)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert "who is signed in" in (await page.get("/", headers=NAVIGATION)).text
    me = (await page.get("/api/v1/session")).json()
    assert (me["login"], me["name"]) == ("kari", "Kari")
    assert me["projects"] == [{"project": "ABCD-study", "roles": ["data_entry"], "sites": ["Bergen"]}]
    assert (await api.get("/accounts/kari")).json()["origin"] == "oidc"
    again = await page.get(back, headers=NAVIGATION)
    assert kind(again) == "provider-refused", "what was sealed is gone, and the code is spent"
    provider.claims("77", **KARI | {"groups": []})
    try:
        gone = await page.get(provider.sign_in(await leave(page), "77"))
        assert kind(gone) == "no-role"
        assert kind(await page.get("/api/v1/session")) == "not-signed-in"
    finally:
        provider.claims("77", **KARI)


async def test_only_the_browser_that_went_comes_back(page: httpx.AsyncClient, provider: OidcProvider) -> None:
    back = provider.sign_in(await leave(page), "77")
    held = dict(page.cookies)
    page.cookies.clear()
    assert kind(await page.get(back)) == "provider-refused"
    page.cookies.set("fiona-oidc", "nonsense")
    assert kind(await page.get(back)) == "provider-refused"
    page.cookies.set("fiona-oidc", held["fiona-oidc"])
    assert kind(await page.get(back.replace("state=", "state=x"))) == "provider-refused"
    assert kind(await page.get(f"{CALLBACK}?error=access_denied&state=x")) == "provider-refused"
    assert kind(await page.get("/api/v1/session/oidc/other")) == "unknown-provider"
    assert kind(await page.get(CALLBACK.replace("feide", "other"))) == "unknown-provider"


async def test_a_provider_that_is_away(sqlite: Database, tmp_path: Path) -> None:
    file = tmp_path / "sign-in.yaml"
    away = {"name": "feide", "issuer": "http://127.0.0.1:9", "client_id": "x"}
    file.write_text(yaml.safe_dump({"oidc": [away]}))
    async with running(sqlite, tmp_path / "store", sign_in=file) as api:
        assert kind(await api.get("/session/oidc/feide")) == "directory-unavailable"


ISSUER = "https://login.example.org"
KEY, OTHER = RSAKey.generate_key(2048, {"kid": "1"}), RSAKey.generate_key(2048, {"kid": "1"})


class Liar:
    """A provider that answers what it is told to."""

    def __init__(self, id_token: str = "", userinfo: Any = None, **configuration: Any) -> None:
        self.id_token = id_token
        self.userinfo = userinfo or {"sub": "77", "groups": ["entry"]}
        names = ("authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint")
        self.configuration = {"issuer": ISSUER, **{name: f"{ISSUER}/{name}" for name in names}, **configuration}
        self.form: dict[str, str] = {}
        self.keys: Any = [KEY.as_dict(private=False)]

    def __call__(self, request: httpx.Request) -> httpx.Response:
        match request.url.path.rpartition("/")[2]:
            case "openid-configuration":
                return httpx.Response(200, json=self.configuration)
            case "jwks_uri":
                return httpx.Response(200, json={"keys": self.keys})
            case "userinfo_endpoint":
                return httpx.Response(200, json=self.userinfo)
        self.form = dict(httpx.QueryParams(request.content.decode()))
        return httpx.Response(200, json={"id_token": self.id_token, "access_token": "a"})

    def client(self) -> Client:
        known = Oidc(name="feide", issuer=ISSUER, client_id="fiona")
        return Client(known, CALLBACK, httpx.MockTransport(self))


def token(key: Any = KEY, alg: str = "RS256", **claims: Any) -> str:
    said = {"iss": ISSUER, "aud": "fiona", "sub": "77", "nonce": "n", "iat": int(time()), "exp": int(time()) + 86_400}
    header = {"alg": alg, "kid": "1"}
    kept = {name: value for name, value in (said | claims).items() if value is not None}
    return jwt.encode(header, kept, key, algorithms=[alg])


def by_hand(alg: str, key: bytes) -> str:
    """Signed as no library would: not at all, or with the public key as if it were a secret."""
    said = {"iss": ISSUER, "aud": "fiona", "sub": "77", "nonce": "n", "iat": int(time()), "exp": int(time()) + 86_400}
    parts = [json.dumps(each).encode() for each in ({"alg": alg, "kid": "1"}, said)]
    signed = b".".join(urlsafe_b64encode(each).rstrip(b"=") for each in parts)
    mark = hmac.digest(key, signed, "sha256") if key else b""
    return (signed + b"." + urlsafe_b64encode(mark).rstrip(b"=")).decode()


JOURNEY = Journey("feide", "s", "n", "v" * 43, time() + 86_400)


async def test_what_a_good_one_says() -> None:
    liar = Liar(token())
    person, refresh = await liar.client().person(JOURNEY, "c", ISSUER)
    assert refresh == "", "it cannot be asked again"
    assert (person.subject, person.groups) == ("feide:77", frozenset({"entry"}))
    assert liar.form["code_verifier"] == JOURNEY.verifier
    assert "client_secret" not in liar.form
    other, _ = await Liar(token(aud=["fiona", "x"], azp="fiona")).client().person(JOURNEY, "c", None)
    assert other.login == "77"


@pytest.mark.parametrize(
    "id_token",
    [
        token(OTHER),
        by_hand("HS256", KEY.as_pem(private=False)),
        by_hand("none", b""),
        "",
        "x.y.z",
        token(iss="https://evil.example"),
        token(aud="another"),
        token(aud=["fiona", "x"], azp="x"),
        token(nonce="another"),
        token(nonce=None),
        token(sub=None),
        token(exp=int(time()) - 120),
        token(exp=None),
        token(iat=int(time()) + 80_000),
    ],
)
async def test_a_word_that_is_not_good(id_token: str) -> None:
    with pytest.raises(OidcRefused):
        await Liar(id_token).client().person(JOURNEY, "c", None)


STRANGE = [
    {"kty": "EC", "crv": "BP-256", "x": "AA", "y": "AA", "kid": "2"},
    {"kty": "AKP", "alg": "ML-DSA-44", "pub": "AA", "kid": "3"},
    {"kty": "RSA", "kid": "4"},
    "no key",
]


async def test_keys_that_are_not_known_here_are_passed_over() -> None:
    liar = Liar(token())
    liar.keys = [*STRANGE, *liar.keys]
    assert (await liar.client().person(JOURNEY, "c", None))[0].subject == "feide:77"
    for keys in (STRANGE, [], None, "none"):
        liar.keys = keys
        with pytest.raises(OidcRefused, match="not good"):
            await liar.client().person(JOURNEY, "c", None)


async def test_an_answer_that_is_anothers() -> None:
    with pytest.raises(OidcRefused, match="another provider"):
        await Liar(token()).client().person(JOURNEY, "c", "https://evil.example")
    with pytest.raises(OidcRefused, match="somebody else"):
        await Liar(token(), userinfo={"sub": "78"}).client().person(JOURNEY, "c", None)
    with pytest.raises(OidcRefused, match="another issuer"):
        await Liar(token(), issuer="https://evil.example").client().way(JOURNEY)
    with pytest.raises(OidcRefused, match="not https"):
        await Liar(token(), token_endpoint="http://login.example.org/token").client().way(JOURNEY)


async def test_what_one_says_again() -> None:
    said, refresh = await Liar("").client().again("r", "77")
    assert (said, refresh) == (Vouched("oidc", "feide:77", "77", "", "", frozenset({"entry"})), "r")
    assert await Liar("", userinfo={"sub": "77"}).client().again("r", "77") == (None, "r"), "of groups it says nothing"
    with_token, _ = await Liar(token(nonce=None, groups=["x"])).client().again("r", "77")
    assert with_token is not None
    assert with_token.groups == {"x"}, "a nonce is of the sign-in alone"
    for liar in (Liar(token(sub="78")), Liar(token(OTHER)), Liar("", userinfo={"sub": "78"})):
        with pytest.raises(OidcRefused):
            await liar.client().again("r", "77")


async def test_the_word_of_one_that_cannot_be_asked_again_is_soon_worn_out(api: Api) -> None:
    settings = api.client._transport.app.state.settings  # type: ignore[attr-defined]
    async with api.context.database.session() as session:
        account = Account(login="per", origin="oidc", subject="feide:78")
        session.add(account)
        await session.flush()
        for refresh, seconds in ((None, settings.provider_seconds), (b"sealed", settings.session_seconds)):
            row = (await begin(session, account, settings, refresh))[1]
            assert row.expires_at - row.created_at == timedelta(seconds=seconds)


async def test_an_answer_that_is_none() -> None:
    broken = Client(
        Oidc(name="feide", issuer=ISSUER, client_id="fiona"),
        CALLBACK,
        httpx.MockTransport(lambda _: httpx.Response(200, text="<html>")),
    )
    with pytest.raises(OidcUnavailable):
        await broken.way(JOURNEY)
