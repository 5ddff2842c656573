"""Signing in by a real directory: who is let in, with which rights, and what a directory must not be taken for."""

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from services.api.actor import ProjectRole
from services.api.people.elsewhere import Ldap, read
from services.api.people.ldap import LdapUnavailable, authenticate, who_is
from services.api.people.refreshing import refresh_all
from shared.database import Database
from shared.tables import Account
from tests.components.fixtures import disposable, need
from tests.components.slapd import ADMIN, PASSWORD, SUFFIX, Slapd
from tests.people import person
from tests.unit.api.support import Api, kind, running

SECRET = "kari's own password"
GROUPS = f"ou=groups,{SUFFIX}"
ENTRY, ADMINS = f"cn=abcd entry,{GROUPS}", f"cn=admins,{GROUPS}"


def _certificate(folder: Path) -> tuple[Path, Path]:
    """Of localhost, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    names = [x509.DNSName("localhost"), x509.IPAddress(IPv4Address("127.0.0.2"))]
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.now(UTC) - timedelta(days=1))
        .not_valid_after(datetime.now(UTC) + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
        .sign(key, hashes.SHA256())
    )
    certificate, secret = folder / "certificate.pem", folder / "key.pem"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return certificate, secret


def _person(uid: str, **more: str) -> dict[str, list[str]]:
    own = {"uid": [uid], "cn": [uid.title()], "sn": [uid], "mail": [f"{uid}@Example.org"], "userPassword": [SECRET]}
    return {"objectClass": ["inetOrgPerson"], **own, **{name: [value] for name, value in more.items()}}


@pytest.fixture(scope="module")
def directory(components_folder: Path) -> Iterator[Slapd]:
    need("slapd")
    folder = components_folder / "slapd"
    folder.mkdir()
    server = Slapd(folder, *_certificate(folder))
    top: dict[str, Any] = {"objectClass": ["dcObject", "organization"], "dc": ["example"], "o": ["Example"]}
    kari, per = f"uid=kari,ou=people,{SUFFIX}", f"uid=per,ou=people,{SUFFIX}"
    server.load(
        {
            SUFFIX: top,
            f"ou=people,{SUFFIX}": {"objectClass": ["organizationalUnit"], "ou": ["people"]},
            GROUPS: {"objectClass": ["organizationalUnit"], "ou": ["groups"]},
            kari: _person("kari"),
            per: _person("per"),
            f"uid=star,ou=people,{SUFFIX}": _person("star"),
            ENTRY: {"objectClass": ["groupOfNames"], "cn": ["abcd entry"], "member": [kari]},
            ADMINS: {"objectClass": ["groupOfNames"], "cn": ["admins"], "member": [kari]},
        }
    )
    (folder / "password").write_text(PASSWORD + "\n")
    with disposable(server):
        yield server


def settings(directory: Slapd, **more: Any) -> dict[str, Any]:
    """As the file says it."""
    return {
        "name": "hospital",
        "url": directory.tls_url,
        "ca": str(directory.folder / "certificate.pem"),
        "bind_dn": ADMIN,
        "password_file": str(directory.folder / "password"),
        "base": f"ou=people,{SUFFIX}",
        "group_attribute": "",
        "group_base": GROUPS,
        "grants": [
            {"group": "CN=ABCD Entry, OU=groups, dc=example,dc=org", "project": "ABCD-study", "roles": ["data_entry"]},
            {"group": ADMINS, "system": ["operator"]},
        ],
        **more,
    }


@pytest.fixture
async def api(directory: Slapd, database: Database, tmp_path: Path) -> AsyncIterator[Api]:
    file = tmp_path / "sign-in.yaml"
    file.write_text(yaml.safe_dump({"ldap": [settings(directory)]}))
    async with running(database, tmp_path / "store", sign_in=file) as api:
        await api.project()
        yield api


async def sign_in(api: Api, login: str = "kari", password: str = SECRET) -> Any:
    return await api.by("", "POST", "/session", {"login": login, "password": password, "bearer": True})


def regroup(directory: Slapd, group: str, members: list[str]) -> None:
    """Who is in a group from now on."""
    import ldap3

    connection = ldap3.Connection(ldap3.Server(directory.url), ADMIN, PASSWORD, auto_bind=True)
    names = [f"uid={each},ou=people,{SUFFIX}" for each in members]
    assert connection.modify(group, {"member": [(ldap3.MODIFY_REPLACE, names)]}), connection.result
    connection.unbind()


async def test_a_first_sign_in_makes_the_account_and_each_one_refreshes_it(api: Api, directory: Slapd) -> None:
    said = (await sign_in(api, "Kari")).json()
    assert (said["login"], said["name"], said["system_roles"]) == ("kari", "Kari", ["operator"])
    assert said["projects"] == [{"project": "ABCD-study", "roles": ["data_entry"], "sites": []}]
    shown = (await api.get("/accounts/kari")).json()
    assert (shown["origin"], shown["mail"], shown["mapped_roles"]) == ("ldap", "kari@example.org", ["operator"])
    assert kind(await api.put("/accounts/kari/password", {"password": "a horse that flies home"})) == (
        "password-elsewhere"
    )
    await api.put("/projects/ABCD-study/members/kari", {"roles": ["controller"]})
    regroup(directory, ADMINS, ["star"])
    regroup(directory, ENTRY, ["star"])
    try:
        now = (await sign_in(api)).json()
        assert (now["system_roles"], now["projects"][0]["roles"]) == ([], ["controller"]), "a person gave that one"
        assert (await api.delete("/projects/ABCD-study/members/kari")).status_code == 204
        assert kind(await sign_in(api)) == "no-role"
        assert kind(await api.by(now["token"], "GET", "/session")) == "not-signed-in"
        assert kind(await sign_in(api, "per")) == "no-role"
        assert kind(await api.get("/accounts/per")) == "unknown-account"
    finally:
        regroup(directory, ADMINS, ["kari"])
        regroup(directory, ENTRY, ["kari"])
    assert (await sign_in(api)).status_code == 200
    await api.patch("/accounts/kari", {"disabled": True})
    assert kind(await sign_in(api)) == "wrong-credentials"


async def test_whoever_is_not_there_or_wrong_is_answered_the_same(api: Api) -> None:
    for login, password in (("kari", "wrong"), ("nobody", SECRET), ("k*", SECRET), ("*)(uid=kari", SECRET)):
        assert kind(await sign_in(api, login, password)) == "wrong-credentials"
    assert kind(await sign_in(api, "kari", "")) == "invalid-request"


async def test_a_local_account_is_not_a_directorys(api: Api) -> None:
    await api.add(*person("star", memberships={"ABCD-study": (ProjectRole.OWNER,)}))
    assert kind(await sign_in(api, "star")) == "wrong-credentials"
    async with api.context.database.session() as session:
        session.add(Account(login="kari", origin="ldap", subject="another:kari"))
    assert kind(await sign_in(api)) == "login-taken"


def test_an_empty_password_is_never_tried(directory: Slapd) -> None:
    import ldap3

    nobody = ldap3.Connection(ldap3.Server(directory.url), f"uid=kari,ou=people,{SUFFIX}", "x", auto_bind=False)
    nobody.open()
    nobody.password = ""
    assert authenticate(Ldap(**settings(directory)), "kari", "") is None
    assert authenticate(Ldap(**settings(directory)), "", SECRET) is None


@pytest.mark.parametrize(
    "more",
    [
        {"url": "plain"},
        {"url": "plain", "starttls": True},
        {"group_base": "", "group_attribute": "memberOf"},
        {"filter": "(&(objectClass=inetOrgPerson)(|(uid={login})(mail={login})))"},
    ],
)
def test_ways_to_ask(directory: Slapd, more: dict[str, Any]) -> None:
    if "url" in more:
        more = more | {"url": directory.url}
    found = authenticate(Ldap(**settings(directory, **more)), "kari", SECRET)
    assert found is not None
    assert {each.casefold() for each in found.groups} == {ENTRY, ADMINS}
    assert found.subject.startswith("hospital:")
    assert len(found.subject) == len("hospital:") + 36


@pytest.mark.parametrize(
    "more",
    [
        {"ca": None},
        {"url": "ldaps://127.0.0.1:{port}"},
        {"url": "ldap://127.0.0.1:9"},
        {"password_file": "wrong"},
        {"password_file": "none"},
        {"base": "ou=elsewhere,dc=example,dc=com"},
    ],
)
def test_a_directory_that_cannot_be_asked(directory: Slapd, tmp_path: Path, more: dict[str, Any]) -> None:
    (tmp_path / "wrong").write_text("wrong")
    values = settings(directory) | more
    values["url"] = values["url"].format(port=directory.tls_port)
    if "password_file" in more:
        values["password_file"] = tmp_path / more["password_file"]
    if "base" in more:
        assert authenticate(Ldap(**values), "kari", SECRET) is None
        return
    with pytest.raises(LdapUnavailable):
        authenticate(Ldap(**values), "kari", SECRET)


async def test_several_are_asked_in_their_order(directory: Slapd, sqlite: Database, tmp_path: Path) -> None:
    away = settings(directory) | {"name": "away", "url": "ldap://127.0.0.1:9"}
    file = tmp_path / "sign-in.yaml"
    file.write_text(yaml.safe_dump({"local": False, "ldap": [away, settings(directory)]}))
    async with running(sqlite, tmp_path / "store", sign_in=file) as api:
        assert (await sign_in(api)).status_code == 200
        answer = await sign_in(api, "kari", "wrong")
        assert (answer.status_code, kind(answer)) == (503, "directory-unavailable")


async def test_rights_are_looked_up_anew_while_a_token_lives(api: Api, directory: Slapd) -> None:
    session = (await sign_in(api)).json()["token"]
    made = (await api.by(session, "POST", "/tokens", {"scopes": ["read", "operate"]})).json()["token"]
    door = read(api.context.settings.data.parent / "sign-in.yaml")
    await refresh_all(api.context, door)
    assert (await api.by(made, "GET", "/dead")).status_code == 200
    regroup(directory, ADMINS, ["star"])
    try:
        away = door.model_copy(update={"ldap": (Ldap(**settings(directory, password_file=__file__)),)})
        await refresh_all(api.context, away)
        assert (await api.by(made, "GET", "/dead")).status_code == 200, "who cannot be looked up keeps what they have"
        await refresh_all(api.context, door)
        assert kind(await api.by(made, "GET", "/dead")) == "forbidden"
        assert (await api.by(made, "GET", "/projects")).json()["total"] == 1
        regroup(directory, ENTRY, ["star"])
        await refresh_all(api.context, door)
        assert kind(await api.by(made, "GET", "/projects")) == "not-signed-in"
    finally:
        regroup(directory, ADMINS, ["kari"])
        regroup(directory, ENTRY, ["kari"])


async def test_who_has_left_is_out_whatever_people_have_given(api: Api, directory: Slapd) -> None:
    import ldap3

    regroup(directory, ENTRY, ["per"])
    entry = f"uid=per,ou=people,{SUFFIX}"
    connection = ldap3.Connection(ldap3.Server(directory.url), ADMIN, PASSWORD, auto_bind=True)
    try:
        session = (await sign_in(api, "per")).json()["token"]
        made = (await api.by(session, "POST", "/tokens", {"scopes": ["read"]})).json()["token"]
        await api.put("/projects/ABCD-study/members/per", {"roles": ["controller"]})
        assert connection.delete(entry), connection.result
        await refresh_all(api.context, read(api.context.settings.data.parent / "sign-in.yaml"))
        for credential in (session, made):
            assert kind(await api.by(credential, "GET", "/projects")) == "not-signed-in"
        assert kind(await sign_in(api, "per")) == "wrong-credentials"
    finally:
        kept = {name: value for name, value in _person("per").items() if name != "objectClass"}
        connection.add(entry, ["inetOrgPerson"], kept)
        connection.unbind()
        regroup(directory, ENTRY, ["kari"])


@pytest.mark.parametrize("more", [{}, {"id_attribute": "employeeNumber"}])
async def test_who_is_renamed_stays_signed_in_and_whoever_is_called_so_then_is_not_them(
    directory: Slapd, sqlite: Database, tmp_path: Path, more: dict[str, str]
) -> None:
    """By the id alone, of the directory's own making or a number of the house."""
    import ldap3

    file = tmp_path / "sign-in.yaml"
    file.write_text(yaml.safe_dump({"ldap": [settings(directory, **more)]}))
    connection = ldap3.Connection(ldap3.Server(directory.url), ADMIN, PASSWORD, auto_bind=True)
    people = f"ou=people,{SUFFIX}"
    own = {name: value for name, value in _person("berit").items() if name != "objectClass"}
    assert connection.add(f"uid=berit,{people}", ["inetOrgPerson"], own | {"employeeNumber": "4711"}), connection.result
    regroup(directory, ENTRY, ["berit"])
    try:
        async with running(sqlite, tmp_path / "store", sign_in=file) as api:
            await api.project()
            session = (await sign_in(api, "berit")).json()["token"]
            made = (await api.by(session, "POST", "/tokens", {"scopes": ["read"]})).json()["token"]
            assert connection.modify_dn(f"uid=berit,{people}", "uid=berit.olsen"), connection.result
            regroup(directory, ENTRY, ["berit.olsen"])
            await refresh_all(api.context, read(file))
            for credential in (session, made):
                assert (await api.by(credential, "GET", "/projects")).json()["total"] == 1
            assert (await sign_in(api, "berit.olsen")).json()["login"] == "berit"
            assert connection.add(f"uid=berit,{people}", ["inetOrgPerson"], own | {"employeeNumber": "12"})
            regroup(directory, ENTRY, ["berit.olsen", "berit"])
            assert kind(await sign_in(api, "berit")) == "login-taken"
            await refresh_all(api.context, read(file))
            assert (await api.by(made, "GET", "/projects")).json()["total"] == 1
            assert connection.delete(f"uid=berit.olsen,{people}")
            await refresh_all(api.context, read(file))
            assert kind(await api.by(made, "GET", "/projects")) == "not-signed-in", "the one who is left is another"
    finally:
        regroup(directory, ENTRY, ["kari"])
        for name in ("berit", "berit.olsen"):
            connection.delete(f"uid={name},{people}")
        connection.unbind()


def test_an_id_of_bytes_is_looked_for_as_bytes() -> None:
    """As Active Directory has it: kept in hex, and matched octet by octet (RFC 4515 §3)."""
    values = {"name": "ad", "url": "ldaps://ad.example.org", "base": "dc=example", "id_attribute": "objectGUID"}
    directory = Ldap(**values, filter="(&(objectClass=user)(sAMAccountName={login}))")
    mine = "(&(objectClass=user)(sAMAccountName=*))"
    assert who_is(directory, "ad:f0*1") == f"(&{mine}(|(objectGUID=f0\\2a1)))"
    assert who_is(directory, "ad:f00a") == f"(&{mine}(|(objectGUID=f00a)(objectGUID=\\f0\\0a)))"
