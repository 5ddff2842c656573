"""The original's section Authentication in our words."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from cli.failure import Failure
from cli.main import run
from cli.original_sign_in import convert
from services.api.people.elsewhere import read

ENTRY = {
    "enabled": 1, "connection": "ad.example.org:636", "certificate": "/etc/ad.pem", "username": "CN=fiona,DC=x",
    "password": "secret", "query": "(&(objectClass=user)(sAMAccountName=%s))", "dn": "DC=x",
}  # fmt: skip


def config(*directories: dict[str, Any], table: int = 1) -> dict[str, Any]:
    return {"Authentication": {"Table-based": {"enabled": table}, "LDAP": list(directories)}}


@pytest.mark.parametrize(
    ("query", "filter", "attribute"),
    [
        ("(&(objectClass=user)(sAMAccountName=%s))", "(&(objectClass=user)(sAMAccountName={login}))", "sAMAccountName"),
        ("uid=$username", "(uid={login})", "uid"),
        ("(mail={user})", "(mail={login})", "mail"),
        ("sAMAccountName=", "(sAMAccountName={login})", "sAMAccountName"),
        ("", "(uid={login})", "uid"),
    ],
)
def test_queries(query: str, filter: str, attribute: str) -> None:
    [made] = convert(config(ENTRY | {"query": query})).content["ldap"]
    assert (made["filter"], made["login_attribute"]) == (filter, attribute)


def test_one_directory_or_several_and_those_that_are_off() -> None:
    single = convert({"Authentication": {"LDAP": ENTRY | {"enabled": 0}}})
    assert single.content == {"local": True, "ldap": []}
    both = convert(config(ENTRY, ENTRY | {"connection": "ldap://two.example.org", "password": ""}, table=0))
    assert both.content["local"] is False
    assert [each["url"] for each in both.content["ldap"]] == ["ldaps://ad.example.org:636", "ldap://two.example.org"]
    assert both.content["ldap"][1]["starttls"] is True
    assert both.secrets == {"ldap-1.password": "secret"}
    assert "StartTLS" in both.remarks[0]


@pytest.mark.parametrize("wrong", [{}, config(ENTRY | {"dn": ""}), config(ENTRY | {"query": "(uid=kari)"})])
def test_what_cannot_be_understood(wrong: dict[str, Any]) -> None:
    with pytest.raises(Failure):
        convert(wrong)


def test_the_command_writes_what_the_api_reads(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, folder = tmp_path / "config.json", tmp_path / "etc"
    file.write_text(json.dumps(config(ENTRY)))
    assert run(["config", "sign-in", str(file), "--to", str(folder)]) == 0
    said = capsys.readouterr()
    assert said.out.strip() == f"FIONA_API_SIGN_IN={folder}/sign-in.yaml"
    assert "grants" in said.err
    assert "secret" not in said.out + said.err + (folder / "sign-in.yaml").read_text()
    [directory] = read(folder / "sign-in.yaml").ldap
    assert directory.password_file is not None
    assert directory.password_file.read_text() == "secret"
    assert directory.password_file.stat().st_mode & 0o777 == 0o600
    assert yaml.safe_load((folder / "sign-in.yaml").read_text())["local"] is True
    assert run(["config", "sign-in", str(file), "--to", str(folder)]) == 5
