"""The section Authentication of the original's config.json, as the file that FIONA_API_SIGN_IN names."""

import re
from dataclasses import dataclass
from typing import Any, Final

from cli.failure import Failure

LOGIN: Final = "{login}"
PLACEHOLDERS: Final = re.compile(r"%s|%u|\{\w+\}|\$\{?\w+\}?|:\w+|<\w+>")
"""How a query may have said where the login goes."""


@dataclass(frozen=True)
class Converted:
    """What goes into the file, which secrets go into files beside it, and what a person has to know."""

    content: dict[str, Any]
    secrets: dict[str, str]
    remarks: list[str]


def convert(config: dict[str, Any]) -> Converted:
    """Failure when there is no such section, or a directory cannot be understood."""
    section = config.get("Authentication")
    if not isinstance(section, dict):
        raise Failure("it has no section Authentication")
    listed = section.get("LDAP") or []
    directories = [each for each in (listed if isinstance(listed, list) else [listed]) if _enabled(each)]
    converted = [_directory(number, each) for number, each in enumerate(directories, 1)]
    content = {"local": _enabled(section.get("Table-based", {"enabled": 1})), "ldap": [each[0] for each in converted]}
    remarks = [remark for each in converted for remark in each[1]]
    if directories:
        remarks.append("say in `grants` which groups give which roles: until then nobody of a directory has any")
    secrets = {f"ldap-{number}.password": str(each.get("password", "")) for number, each in enumerate(directories, 1)}
    return Converted(content, {name: secret for name, secret in secrets.items() if secret}, remarks)


def _enabled(entry: Any) -> bool:
    return isinstance(entry, dict) and str(entry.get("enabled", 0)).lower() in ("1", "true", "yes")


def _directory(number: int, entry: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    name, remarks = f"ldap-{number}", []
    url = str(entry.get("connection", "")).strip().rstrip("/")
    if not url or not entry.get("dn"):
        raise Failure(f"{name}: `connection` and `dn` have to say something")
    made: dict[str, Any] = {"name": name, "url": url if "://" in url else f"ldaps://{url}", "base": str(entry["dn"])}
    if made["url"].startswith("ldap://"):
        made["starttls"] = True
        remarks.append(f"{name}: passwords went over plain LDAP; now StartTLS is asked for")
    if entry.get("certificate"):
        made["ca"] = str(entry["certificate"])
    if entry.get("username") and entry.get("password"):
        made |= {"bind_dn": str(entry["username"]), "password_file": f"{name}.password"}
    made["filter"] = _filter(name, str(entry.get("query", "")).strip())
    if found := re.search(rf"\(([A-Za-z][\w-]*)={re.escape(LOGIN)}\)", made["filter"]):
        made["login_attribute"] = found[1]
        if found[1].lower() == "samaccountname":
            made["id_attribute"] = "objectGUID"
    return made, remarks


def _filter(name: str, query: str) -> str:
    if not query:
        return f"(uid={LOGIN})"
    if re.fullmatch(r"[A-Za-z][\w-]*=?", query):
        return f"({query.rstrip('=')}={LOGIN})"
    said = PLACEHOLDERS.sub(LOGIN, query)
    if LOGIN not in said:
        raise Failure(f"{name}: it cannot be told where the login goes in `query`")
    return said if said.startswith("(") else f"({said})"
