"""People: signing in, what they may, how it ends."""

import asyncio
import re
from base64 import b64encode
from collections.abc import AsyncIterator
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select, update

from services.api.actor import ProjectRole, Scope, SystemRole
from services.api.people.passwords import Passwords
from shared.database import Database
from shared.tables import Account, ApiToken, IdempotentAnswer, Mail, PasswordReset, SignInTally, WebSession
from shared.tables.base import now
from tests.people import TESTER, person
from tests.unit.api.support import CHEAP, Api, assignment, dicom, kind, multipart, running, stow_type, study_rows

PROJECT, OTHER = "ABCD-study", "OTHER-study"
PASSWORD, BETTER = "a horse that flies home", "another horse flies home"


@pytest.fixture
async def api(database: Database, tmp_path: Path) -> AsyncIterator[Api]:
    async with running(database, tmp_path / "store", sign_in_failures=3, sign_in_failures_address=8) as api:
        await api.project(PROJECT)
        kept = await Passwords(8, 1).hash(PASSWORD)
        await api.add(
            *person("anna", memberships={PROJECT: (ProjectRole.DATA_ENTRY,)}, password=kept),
            *person("ole", SystemRole.OPERATOR, password=kept),
            *person("eva", password=kept, disabled=True, memberships={PROJECT: (ProjectRole.OWNER,)}),
        )
        yield api


@pytest.fixture
async def page(api: Api) -> AsyncIterator[httpx.AsyncClient]:
    """A browser that holds cookies and nothing else."""
    transport = api.client._transport
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8080/api/v1") as client:
        yield client


async def sign_in(page: httpx.AsyncClient, login: str = "anna", password: str = PASSWORD, **more: Any) -> Any:
    return await page.post("/session", json={"login": login, "password": password, **more})


async def test_a_page_signs_in_and_out(api: Api, page: httpx.AsyncClient) -> None:
    assert kind(await page.get("/session")) == "not-signed-in"
    answer = await sign_in(page, " Anna ")
    said = answer.json()
    assert (said["login"], said["token"]) == ("anna", None)
    assert said["projects"] == [{"project": PROJECT, "roles": ["data_entry"], "sites": []}]
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("fiona=fiona_s_")
    assert all(each in cookie for each in ("HttpOnly", "Path=/", "SameSite=strict"))
    me = (await page.get("/session")).json()
    assert me["csrf_token"] == said["csrf_token"]
    assert (await page.get("/projects")).json()["total"] == 1
    assert kind(await page.post("/studies/search", json={})) == "csrf-token-missing"
    assert kind(await page.post("/studies/search", json={}, headers={"x-csrf-token": "x"})) == "csrf-token-missing"
    proof = {"x-csrf-token": said["csrf_token"]}
    assert (await page.post("/studies/search", json={}, headers=proof)).status_code == 200
    assert kind(await page.delete("/session")) == "csrf-token-missing"
    held = page.cookies["fiona"]
    assert (await page.delete("/session", headers=proof)).status_code == 204
    assert "fiona" not in page.cookies
    page.cookies.set("fiona", held)
    ended = await page.get("/session")
    assert (kind(ended), ended.headers["www-authenticate"]) == (
        "not-signed-in",
        'Bearer realm="fiona", error="invalid_token"',
    )


async def test_over_tls_the_cookie_is_of_this_host_only(api: Api) -> None:
    async with running(
        api.context.database, api.context.store.root / "tls", public_url="https://fiona.example.org"
    ) as other:
        answer = await other.client.post("/api/v1/session", json={"login": "anna", "password": PASSWORD})
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("__Host-fiona=")
    assert "Secure" in cookie
    assert "Domain" not in cookie


async def test_a_program_signs_in(page: httpx.AsyncClient) -> None:
    answer = await sign_in(page, bearer=True)
    assert "set-cookie" not in answer.headers
    bearer = {"authorization": f"Bearer {answer.json()['token']}"}
    assert (await page.post("/studies/search", json={}, headers=bearer)).status_code == 200
    assert (await page.delete("/session", headers=bearer)).status_code == 204
    assert kind(await page.get("/session", headers=bearer)) == "not-signed-in"
    for wrong in ("Basic YTpi", "Bearer", "Bearer fiona_t_none", "Bearer fiona_s_none", "Bearer \u00e9"):
        assert kind(await page.get("/session", headers={b"authorization": wrong.encode()})) == "not-signed-in"


async def test_whoever_does_not_exist_is_answered_the_same(page: httpx.AsyncClient) -> None:
    answers = [await sign_in(page, *each) for each in (("anna", "wrong"), ("nobody", PASSWORD), ("eva", PASSWORD))]
    said = [{k: v for k, v in each.json().items() if k != "instance"} for each in answers]
    assert [each.status_code for each in answers] == [401] * 3
    assert said[0] == said[1] == said[2]


async def test_too_many_failures_of_an_account_or_an_address(api: Api, page: httpx.AsyncClient) -> None:
    for _ in range(3):
        assert (await sign_in(page, "anna", "wrong")).status_code == 401
        assert (await sign_in(page, "nobody", "wrong")).status_code == 401
    for login in ("anna", "nobody"):
        late = await sign_in(page, login)
        assert (late.status_code, kind(late)) == (429, "too-many-attempts")
        assert 800 < int(late.headers["retry-after"]) <= 901
    assert (await sign_in(page, "ole")).status_code == 200, "one that is right is none of the eight"
    answers = await asyncio.gather(*(sign_in(page, f"user{number}", "wrong") for number in range(5)))
    assert sorted(each.status_code for each in answers) == [401, 401, 429, 429, 429]
    async with api.context.database.session() as session:
        await session.execute(update(SignInTally).values(since=now() - timedelta(minutes=15)))
    assert (await sign_in(page, "anna")).status_code == 200
    async with api.context.database.reading() as session:
        assert (await session.scalar(select(func.count()).select_from(SignInTally)) or 0) <= 1


@pytest.mark.parametrize(
    "values",
    [
        {"expires_at": now() - timedelta(seconds=1)},
        {"seen_at": now() - timedelta(seconds=3601)},
    ],
)
async def test_a_session_ends_by_itself(api: Api, page: httpx.AsyncClient, values: dict[str, Any]) -> None:
    await sign_in(page)
    async with api.context.database.session() as session:
        await session.execute(update(WebSession).values(**values))
    assert kind(await page.get("/session")) == "not-signed-in"


async def test_its_use_keeps_a_session(api: Api, page: httpx.AsyncClient) -> None:
    await sign_in(page)
    async with api.context.database.session() as session:
        await session.execute(update(WebSession).values(seen_at=now() - timedelta(minutes=50)))
    await page.get("/session")
    async with api.context.database.reading() as session:
        assert (await session.scalars(select(WebSession.seen_at))).one() > now() - timedelta(minutes=1)


async def test_another_password_ends_everything_else(api: Api, page: httpx.AsyncClient) -> None:
    other = (await sign_in(page, bearer=True)).json()["token"]
    proof = {"x-csrf-token": (await sign_in(page)).json()["csrf_token"]}
    change = {"old": PASSWORD, "new": "password2026"}
    weak = await page.post("/session/password", json=change, headers=proof)
    assert weak.json()["errors"] == [
        {"loc": ["body", "new"], "msg": "it is one of those that are tried first", "type": "password"}
    ]
    wrong = await page.post("/session/password", json={"old": BETTER, "new": BETTER}, headers=proof)
    assert kind(wrong) == "wrong-credentials"
    assert (await page.post("/session/password", json=change | {"new": BETTER}, headers=proof)).status_code == 204
    assert (await page.get("/session")).status_code == 200
    for token in (other, "fiona_t_anna"):
        assert kind(await api.by(token, "GET", "/session")) == "not-signed-in"
    assert (await sign_in(page)).status_code == 401
    assert (await sign_in(page, password=BETTER)).status_code == 200


async def test_accounts(api: Api, page: httpx.AsyncClient) -> None:
    body = {"login": "new.one", "name": "New One", "mail": "New@Example.org", "system_roles": ["operator"]}
    made = await api.post("/accounts", body | {"password": PASSWORD})
    assert (made.status_code, made.headers["location"]) == (201, "/api/v1/accounts/new.one")
    assert made.json() == (await api.get("/accounts/new.one")).json()
    assert (made.json()["mail"], made.json()["origin"]) == ("new@example.org", "local")
    assert kind(await api.post("/accounts", body)) == "account-exists"
    for wrong in ({"login": "New"}, {"mail": "no"}, {"password": "short"}, {"system_roles": ["owner"]}):
        answer = await api.post("/accounts", body | {"login": "x"} | wrong)
        assert kind(answer) == "invalid-request"
        assert "short" not in answer.text
    assert (await sign_in(page, "new.one")).status_code == 200
    assert kind(await api.get("/accounts/none")) == "unknown-account"
    assert kind(await api.patch("/accounts/new.one", {})) == "invalid-request"
    assert (await api.put("/accounts/new.one/password", {"password": BETTER})).status_code == 204
    assert kind(await page.get("/session")) == "not-signed-in"
    await sign_in(page, "new.one", BETTER)
    assert (await api.patch("/accounts/new.one", {"disabled": True})).json()["disabled"] is True
    assert kind(await page.get("/session")) == "not-signed-in"
    assert (await api.get("/accounts", disabled=True)).json()["total"] == 2
    alone = await api.patch(f"/accounts/{TESTER}", {"system_roles": []})
    assert kind(alone) == "last-administrator"
    assert (await api.get("/accounts")).status_code == 200, "nothing of it was kept"


async def test_nobody_administers_who_is_no_administrator(api: Api) -> None:
    assert kind(await api.by("fiona_t_ole", "PATCH", "/accounts/anna", {"disabled": True})) == "forbidden"
    assert kind(await api.by("fiona_t_anna", "PUT", f"/projects/{PROJECT}/members/anna", {"roles": ["owner"]})) == (
        "forbidden"
    )


async def test_members_come_and_go(api: Api, page: httpx.AsyncClient) -> None:
    await sign_in(page)
    path = f"/projects/{PROJECT}/members"
    given = await api.put(f"{path}/anna", {"roles": ["controller"], "sites": ["Bergen"]})
    assert (given.json()["roles"], given.json()["sites"], given.json()["granted_by"]) == (
        ["controller"],
        ["Bergen"],
        TESTER,
    )
    assert {each["login"] for each in (await api.get(path)).json()["items"]} == {TESTER, "anna", "eva"}
    assert kind(await api.put(f"{path}/nobody", {"roles": ["owner"]})) == "unknown-account"
    assert kind(await api.put(f"{path}/anna", {"roles": []})) == "invalid-request"
    assert kind(await api.put("/projects/NOTHING/members/anna", {"roles": ["owner"]})) == "unknown-project"
    assert kind(await api.delete(f"{path}/ole")) == "unknown-member"
    assert (await api.put("/members/anna", {"roles": ["data_entry"]})).status_code == 200
    assert (await api.get("/members")).json()["total"] == 3
    assert (await page.get("/session")).json()["projects"][0]["project"] == "*"
    assert (await api.delete(f"{path}/anna")).status_code == 204
    assert (await page.get("/session")).status_code == 200
    assert (await api.delete("/members/anna")).status_code == 204
    assert kind(await page.get("/session")) == "not-signed-in", "whoever has no role left is out"
    assert kind(await api.by("fiona_t_anna", "GET", "/session")) == "not-signed-in"


async def test_tokens_are_never_more_than_their_owner(api: Api, page: httpx.AsyncClient) -> None:
    proof = {"x-csrf-token": (await sign_in(page)).json()["csrf_token"]}
    wish = {"project": PROJECT, "scopes": ["read", "write"], "days": 3000}
    made = (await page.post("/tokens", json=wish, headers=proof | {"Idempotency-Key": "once"})).json()
    async with api.context.database.reading() as session:
        assert await session.scalar(select(func.count()).select_from(IdempotentAnswer)) == 0, "it is told once"
    assert (made["name"], made["token"][:14]) == (f"api_anna_{PROJECT}", made["prefix"])
    assert made["expires_at"] < (now() + timedelta(days=367)).isoformat()
    token = made["token"]
    assert kind(await page.post("/tokens", json=wish | {"scopes": ["review"]}, headers=proof)) == "invalid-request"
    assert kind(await page.post("/tokens", json=wish | {"project": OTHER}, headers=proof)) == "unknown-project"
    assert kind(await api.by(token, "POST", "/tokens", wish)) == "forbidden"
    assert kind(await api.post("/tokens", {"scopes": ["read"]})) == "session-needed"
    assert kind(await api.by(token, "POST", "/session/password", {"old": "x", "new": "y"})) == "forbidden"
    assert (await api.by(token, "GET", f"/projects/{PROJECT}")).status_code == 200
    assert kind(await api.by(token, "GET", f"/projects/{PROJECT}/coupling")) == "forbidden"
    await api.put(f"/projects/{PROJECT}/members/anna", {"roles": ["data_manager"]})
    assert (await api.by(token, "GET", f"/projects/{PROJECT}/coupling")).status_code == 200
    await api.put("/members/anna", {"roles": ["data_manager"]})
    await api.post("/projects", {"name": OTHER, "destinations": ["here"]})
    assert kind(await api.by(token, "GET", f"/projects/{OTHER}")) == "unknown-project"
    assert (await page.get(f"/projects/{OTHER}")).status_code == 200
    shown = (await page.get("/tokens")).json()["items"]
    assert {each["id"] for each in shown} >= {made["id"]}
    assert all("token" not in each and each["used_at"] for each in shown if each["id"] == made["id"])
    assert kind(await api.by("fiona_t_ole", "DELETE", f"/tokens/{made['id']}")) == "unknown-token"
    assert kind(await api.by("fiona_t_ole", "GET", "/tokens?account=anna")) == "forbidden"
    assert (await api.get("/tokens", account="anna")).json()["total"] == 2
    assert (await page.delete(f"/tokens/{made['id']}", headers=proof)).status_code == 204
    assert kind(await api.by(token, "GET", "/session")) == "not-signed-in"


async def test_a_token_that_has_run_out(api: Api) -> None:
    async with api.context.database.session() as session:
        this = update(ApiToken).where(ApiToken.account == "anna")
        await session.execute(this.values(expires_at=now() - timedelta(seconds=1)))
    assert kind(await api.by("fiona_t_anna", "GET", "/session")) == "not-signed-in"


async def test_a_project_of_others_is_as_one_that_is_not_there(api: Api) -> None:
    await api.post("/projects", {"name": OTHER, "destinations": ["here"]})
    answers = [await api.by("fiona_t_anna", "GET", f"/projects/{name}") for name in (OTHER, "NOTHING")]
    said = [{k: v for k, v in each.json().items() if k != "instance"} for each in answers]
    assert said[0] == said[1]
    wish = {"project": OTHER, "participant": "X1"}
    assert kind(await api.by("fiona_t_anna", "POST", "/studies/1.2.3/assignments", wish)) == "unknown-project"


async def test_a_token_for_a_project_that_its_owner_has_left_learns_nothing(api: Api, page: httpx.AsyncClient) -> None:
    proof = {"x-csrf-token": (await sign_in(page)).json()["csrf_token"]}
    await api.post("/projects", {"name": OTHER, "destinations": ["here"]})
    await api.put(f"/projects/{OTHER}/members/anna", {"roles": ["owner"]})
    wish = {"project": PROJECT, "scopes": ["read", "write"]}
    token = (await page.post("/tokens", json=wish, headers=proof)).json()["token"]
    rule = (await api.post("/rules", {"project": PROJECT, "patient_id": "X.*"})).json()["id"]
    assert (await api.by(token, "GET", f"/projects/{PROJECT}")).status_code == 200
    assert (await api.delete(f"/projects/{PROJECT}/members/anna")).status_code == 204
    asked: list[tuple[str, str, Any]] = [
        *(("GET", f"/projects/{name}", None) for name in (PROJECT, OTHER, "NOTHING")),
        *(("GET", f"/projects/{name}/participants", None) for name in (PROJECT, OTHER, "NOTHING")),
        *(("GET", f"/rules/{identity}", None) for identity in (rule, "none")),
        *(("POST", "/studies/1.2.3/assignments", {"project": name}) for name in (PROJECT, OTHER, "NOTHING")),
        *(("GET", path, None) for path in ("/studies", f"/transfers?project={PROJECT}", "/transfers?project=NOTHING")),
    ]
    answers = [(await api.by(token, *each)).json() for each in asked]
    assert {each["type"] for each in answers} == {"urn:fiona:problem:forbidden"}
    assert len({tuple(sorted(each.items())) for each in [e | {"instance": ""} for e in answers]}) == 1
    assert (await page.get(f"/projects/{OTHER}")).status_code == 200, "the owner is somebody there"


async def test_studies_are_seen_by_those_whose_they_are(api: Api) -> None:
    await api.post("/projects", {"name": OTHER, "destinations": ["here"]})
    vault = api.context.vault
    for uid, number in (("1.1", "A-1"), ("1.2", "A-2"), ("1.3", "A-3")):
        await api.add(*study_rows(vault, uid, accession=number, patient_id=f"P-{number}"))
    await api.add(assignment("1.1", PROJECT), assignment("1.2", OTHER), assignment("1.1", OTHER))

    async def seen(token: str, **search: str) -> dict[str, Any]:
        page = (await api.by(token, "POST", "/studies/search", search)).json()
        return {each["study_instance_uid"]: each for each in page["items"]}

    anna = await seen("fiona_t_anna")
    assert {uid: each["accession_number"] for uid, each in anna.items()} == {"1.1": "A-1", "1.3": "A-3"}
    assert [each["project"] for each in anna["1.1"]["assignments"]] == [PROJECT]
    ole = await seen("fiona_t_ole")
    assert sorted(ole) == ["1.1", "1.2", "1.3"]
    assert {each["accession_number"] for each in ole.values()} == {None}
    assert {each["patient_id"] for each in ole.values()} == {None}
    assert len(ole["1.1"]["assignments"]) == 2
    assert await seen("fiona_t_ole", accession_number="A-1") == {}, "a search would tell whose it is"
    assert await seen("fiona_t_anna", accession_number="A-2") == {}
    assert sorted(await seen("fiona_t_anna", accession_number="A-1")) == ["1.1"]
    assert kind(await api.by("fiona_t_anna", "GET", "/studies/1.2")) == "unknown-study"
    assert kind(await api.by("fiona_t_anna", "GET", "/studies/1.2/files")) == "unknown-study"
    wish = {"project": PROJECT, "participant": "X1"}
    stolen = await api.by("fiona_t_anna", "POST", "/studies/1.2/assignments", wish)
    assert kind(stolen) == "unknown-study"
    await api.add(*person("rev", memberships={PROJECT: (ProjectRole.CONTROLLER,)}))
    assert sorted(await seen("fiona_t_rev")) == ["1.1"], "whoever may not assign does not see what waits"


async def test_stow_is_let_in_by_network_or_token(api: Api) -> None:
    store = api.context.store.root / "stow"
    await api.add(*person("pacs", SystemRole.OPERATOR, scopes=(Scope.STORE,)))
    async with running(api.context.database, store, stow_networks="192.0.2.0/24") as gated:
        content, media = multipart([dicom()]), {"content-type": stow_type()}

        async def status(**headers: str) -> int:
            request = gated.client.build_request("POST", "/dicomweb/studies", content=content, headers=media | headers)
            if "authorization" not in headers:
                del request.headers["authorization"]
            return (await gated.client.send(request)).status_code

        assert await status() == 401
        assert await status(authorization="Bearer fiona_t_pacs") == 200
        assert await status(authorization="Bearer fiona_t_none") == 401
        assert kind(await gated.by("fiona_t_pacs", "GET", "/studies")) == "forbidden"
    async with running(api.context.database, store / "2", stow_networks="127.0.0.0/8") as open_to:
        request = open_to.client.build_request("POST", "/dicomweb/studies", content=content, headers=media)
        del request.headers["authorization"]
        assert (await open_to.client.send(request)).status_code == 200
        request.headers["x-forwarded-for"] = "127.0.0.1"
        assert (await open_to.client.send(request)).status_code == 401


async def test_passwords_grow_with_their_parameters(api: Api) -> None:
    more = CHEAP | {"password_rounds": 2}
    async with running(api.context.database, api.context.store.root / "more", bus=None, **more) as other:
        for _ in range(2):
            answer = await other.client.post("/api/v1/session", json={"login": "anna", "password": PASSWORD})
            assert answer.status_code == 200
        async with api.context.database.reading() as session:
            assert "t=2" in str((await session.get_one(Account, "anna")).password)


async def test_a_forgotten_password_is_replaced_by_a_link(api: Api, page: httpx.AsyncClient) -> None:
    await api.patch("/accounts/anna", {"mail": "Anna@Example.org"})
    await sign_in(page)
    answers = [
        await page.post("/session/password/forgotten", json={"login": said})
        for said in ("anna", "nobody", "eva", " ANNA@example.org", "ole")
    ]
    assert {(each.status_code, each.text) for each in answers} == {(202, '{"minutes":30}')}
    vault = api.context.vault
    async with api.context.database.reading() as session:
        mails = (await session.scalars(select(Mail).order_by(Mail.created_at))).all()
    texts = [vault.decrypt(each.text or b"") for each in mails]
    assert [vault.decrypt(each.recipient or b"") for each in mails] == ["anna@example.org"] * 2
    links = [next(line.strip() for line in text.splitlines() if "/reset#" in line) for text in texts]
    first, last = (link.rpartition("#")[2] for link in links)
    body = {"token": first, "password": BETTER}
    assert kind(await page.post("/session/password/reset", json=body)) == "link-spent", "the later one replaces it"
    assert kind(await page.post("/session/password/reset", json=body | {"token": "x"})) == "link-spent"
    weak = await page.post("/session/password/reset", json={"token": last, "password": "password2026"})
    assert kind(weak) == "invalid-request"
    while (answer := await sign_in(page, password="not this one")).status_code == 401:
        pass
    assert kind(answer) == "too-many-attempts"
    assert (await page.post("/session/password/reset", json={"token": last, "password": BETTER})).status_code == 204
    assert kind(await page.post("/session/password/reset", json={"token": last, "password": BETTER})) == "link-spent"
    assert kind(await page.get("/session")) == "not-signed-in"
    assert (await sign_in(page, password=BETTER)).status_code == 200
    await page.post("/session/password/forgotten", json={"login": "anna"})
    async with api.context.database.session() as session:
        await session.execute(update(PasswordReset).values(expires_at=now() - timedelta(seconds=1)))
        late = vault.decrypt(
            (await session.scalars(select(Mail).order_by(Mail.created_at.desc()))).all()[0].text or b""
        )
    token = late.partition("/reset#")[2].split()[0]
    assert kind(await page.post("/session/password/reset", json={"token": token, "password": PASSWORD})) == "link-spent"
    await page.post("/session/password/forgotten", json={"login": "anna"})
    late_again = await page.post("/session/password/forgotten", json={"login": "anna"})
    assert (late_again.status_code, kind(late_again)) == (429, "too-many-attempts")


@pytest.mark.parametrize("path", ["/", "/reset"])
async def test_a_page_runs_what_stands_in_it_and_nothing_else(api: Api, path: str) -> None:
    answer = await api.client.get(path, headers={"authorization": ""})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; connect-src 'self'; ")
    for tag in ("script", "style"):
        (inside,) = re.findall(rf"<{tag}>(.*?)</{tag}>", answer.text, re.DOTALL)
        digest = b64encode(sha256(inside.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert "unsafe" not in policy
    assert answer.headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize("path", ["/transfers/%00", "/reviews/a%00b", "/transfers/%00/quarantine", "/accounts/%00"])
async def test_what_no_database_takes_is_no_identifier(api: Api, path: str) -> None:
    assert kind(await api.get(path)) in ("invalid-request", "unknown-route")
    assert (await api.by("fiona_t_anna", "GET", path)).status_code in (403, 404)
    answer = await api.by("", "POST", "/session", {"login": "a\0b", "password": "x"})
    assert kind(answer) == "invalid-request"
