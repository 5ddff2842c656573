"""The file that says who else vouches for people, and what their groups give."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from services.api.actor import ProjectRole, SystemRole
from services.api.people.elsewhere import Elsewhere, Grant, SignInFileError, read
from services.api.people.oidc import OidcRefused, _over_tls, challenge, vouched
from services.api.people.vouched import Rights, rights

LDAP = {"name": "hospital", "url": "ldaps://ad.example.org", "base": "dc=example,dc=org"}
OIDC = {"name": "feide", "issuer": "https://login.example.org", "client_id": "fiona"}


def written(folder: Path, content: Any) -> Path:
    file = folder / "sign-in.yaml"
    file.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return file


def test_without_a_file_nobody_else_vouches(tmp_path: Path) -> None:
    assert read(None) == Elsewhere() == read(written(tmp_path, ""))


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("{", "ParserError"),
        ({"ldap": [LDAP | {"secret": "x"}]}, "ldap.0.secret: Extra"),
        ({"ldap": [LDAP | {"url": "ldap://ad.example.org"}]}, "starttls"),
        ({"ldap": [LDAP | {"filter": "(uid=kari)"}]}, "has no {login}"),
        ({"ldap": [LDAP | {"group_base": "ou=g", "group_filter": "(member=x)"}]}, "has no {dn}"),
        ({"ldap": [LDAP | {"bind_dn": "cn=x"}]}, "belong together"),
        ({"ldap": [LDAP | {"grants": [{"group": "g"}]}]}, "system, or project"),
        ({"ldap": [LDAP | {"grants": [{"group": "g", "project": "ABCD-study"}]}]}, "system, or project"),
        ({"ldap": [LDAP | {"grants": [{"group": "g", "system": ["owner"]}]}]}, "ldap.0.grants.0.system.0"),
        ({"ldap": [LDAP, LDAP]}, "same name"),
        ({"oidc": [OIDC | {"issuer": "http://login.example.org"}]}, "https"),
        ({"oidc": [OIDC | {"scopes": ["profile"]}]}, "openid"),
        ({"ldap": [LDAP], "oidc": [OIDC | {"name": "hospital"}]}, "same name"),
    ],
)
def test_what_is_wrong_with_a_file(tmp_path: Path, content: Any, why: str) -> None:
    with pytest.raises(SignInFileError, match=why):
        read(written(tmp_path, content))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SignInFileError, match="FileNotFoundError"):
        read(tmp_path / "none")


def test_what_groups_give_together() -> None:
    grants = (
        Grant(group="cn=A,dc=x", system=(SystemRole.OPERATOR,)),
        Grant(group="B", project="ABCD-study", roles=(ProjectRole.DATA_ENTRY,), sites=("Bergen",)),
        Grant(group="C", project="ABCD-study", roles=(ProjectRole.CONTROLLER,), sites=("Oslo",)),
        Grant(group="D", project="ABCD-study", roles=(ProjectRole.DATA_ENTRY,)),
        Grant(group="E", project="*", roles=(ProjectRole.OWNER,)),
    )
    both = frozenset({ProjectRole.DATA_ENTRY, ProjectRole.CONTROLLER})
    assert rights(grants, ["CN=a, DC=X", "b", "c"]) == Rights(
        frozenset({SystemRole.OPERATOR}), {"ABCD-study": (both, frozenset({"Bergen", "Oslo"}))}
    )
    assert rights(grants, ["b", "d"]).projects["ABCD-study"][1] == frozenset()
    assert rights(grants, ["other"]) == Rights(frozenset(), {})


def test_what_a_provider_says_of_a_person() -> None:
    provider = read_provider({"groups_claim": "realm_access.roles"})
    found = vouched(provider, {"sub": "77", "name": "Kari", "email": "k@x", "realm_access": {"roles": ["a", 1, "b"]}})
    assert (found.subject, found.login, found.groups) == ("feide:77", "77", frozenset({"a", "b"}))
    assert vouched(provider, {"sub": "77", "preferred_username": " Kari "}).login == "kari"
    assert vouched(provider, {"sub": "77", "realm_access": "x"}).groups == frozenset()


def read_provider(more: dict[str, Any]) -> Any:
    return Elsewhere.model_validate({"oidc": [OIDC | more]}).oidc[0]


def test_the_challenge_is_that_of_the_rfc() -> None:
    assert challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk") == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


def test_an_address_that_is_not_over_tls() -> None:
    _over_tls("http://127.0.0.1/x")
    with pytest.raises(OidcRefused):
        _over_tls("http://login.example.org/x")
