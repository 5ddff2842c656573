"""The audit message schema of PS3.15 A.5.1.1 as tables, and A.5.3's demands of each kind of message.

Written down from the Standard, independently of the code that makes messages.
"""

import re
from base64 import b64decode
from datetime import datetime
from typing import NamedTuple
from xml.etree.ElementTree import Element


class Rule(NamedTuple):
    """What an element may hold: attributes (a pattern each, `?` before it: may be absent), children in order."""

    attributes: dict[str, str]
    children: tuple[str, ...] = ()
    """Each with ?, * or + behind it; A|B: one of the two."""
    text: str | None = None


TOKEN = r"\S(.*\S)?"
CODED = {"csd-code": TOKEN, "codeSystemName": TOKEN, "displayName": "?" + TOKEN, "originalText": TOKEN}
BASE64 = r"[A-Za-z0-9+/]+={0,2}"
UID = r"[0-2](\.(0|[1-9][0-9]*))*"

SCHEMA = {
    "AuditMessage": Rule(
        {},
        (
            "EventIdentification", "ActiveParticipant+", "AuditSourceIdentification",
            "ParticipantObjectIdentification*",
        ),
    ),
    "EventIdentification": Rule(
        {"EventActionCode": "?[CRUDE]", "EventDateTime": ".*", "EventOutcomeIndicator": "0|4|8|12"},
        ("EventID", "EventTypeCode*", "EventOutcomeDescription?"),
    ),
    "AuditSourceIdentification": Rule(
        {"AuditEnterpriseSiteID": "?" + TOKEN, "AuditSourceID": TOKEN}, ("AuditSourceTypeCode*",)
    ),
    "AuditSourceTypeCode": Rule({"csd-code": "[1-9]"}),
    "ActiveParticipant": Rule(
        {
            "UserID": ".+", "AlternativeUserID": "?.+", "UserName": "?.+", "UserIsRequestor": "true|false",
            "NetworkAccessPointID": "?" + TOKEN, "NetworkAccessPointTypeCode": "?[1-5]",
        },
        ("RoleIDCode*", "MediaIdentifier?"),
    ),
    "MediaIdentifier": Rule({}, ("MediaType",)),
    "ParticipantObjectIdentification": Rule(
        {
            "ParticipantObjectID": TOKEN, "ParticipantObjectTypeCode": "?[1-4]",
            "ParticipantObjectTypeCodeRole": "?([1-9]|1[0-9]|2[0-6])",
            "ParticipantObjectDataLifeCycle": "?([1-9]|1[0-5])", "ParticipantObjectSensitivity": "?" + TOKEN,
        },
        (
            "ParticipantObjectIDTypeCode", "ParticipantObjectName|ParticipantObjectQuery",
            "ParticipantObjectDetail*", "ParticipantObjectDescription*",
        ),
    ),
    "ParticipantObjectName": Rule({}, text=TOKEN),
    "ParticipantObjectQuery": Rule({}, text=BASE64),
    "ParticipantObjectDetail": Rule({"type": TOKEN, "value": BASE64}),
    "ParticipantObjectDescription": Rule({}, ("SOPClass*", "Encrypted?", "Anonymized?")),
    "SOPClass": Rule({"UID": "?" + UID, "NumberOfInstances": "[0-9]+"}),
    "Anonymized": Rule({}, text="true|false"),
    "Encrypted": Rule({}, text="true|false"),
    **{
        name: Rule(CODED)
        for name in ("EventID", "EventTypeCode", "RoleIDCode", "MediaType", "ParticipantObjectIDTypeCode")
    },
}  # fmt: skip

SOURCE, DESTINATION, APPLICATION = "110153", "110152", "110150"
DESTINATION_MEDIA, SOURCE_MEDIA = "110154", "110155"
STUDY, PATIENT, LOG, ANY = ("110180", "2", "3"), ("2", "1", "1"), ("12", "2", "13"), ("", "", "")
"""ParticipantObjectIDTypeCode, TypeCode, TypeCodeRole."""


class Demand(NamedTuple):
    """A table of A.5.3: actions, types, roles that must be played, objects that must be named."""

    actions: str
    types: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    objects: tuple[tuple[str, str, str], ...] = ()


DEMANDS = {
    "110100": Demand("E", ("110120", "110121"), (APPLICATION,)),
    "110101": Demand("R", objects=(LOG,)),
    "110102": Demand("E", roles=(SOURCE, DESTINATION), objects=(STUDY, PATIENT)),
    "110103": Demand("CRUD", objects=(STUDY, PATIENT)),
    "110104": Demand("CRU", roles=(SOURCE, DESTINATION), objects=(STUDY, PATIENT)),
    "110105": Demand("D", objects=(STUDY, PATIENT)),
    "110106": Demand("R", roles=(SOURCE, DESTINATION_MEDIA), objects=(PATIENT,)),
    "110107": Demand("C", roles=(DESTINATION, SOURCE_MEDIA), objects=(PATIENT,)),
    "110110": Demand("CRUD", objects=(PATIENT,)),
    "110112": Demand("E", roles=(SOURCE, DESTINATION), objects=(("12", "2", "3"),)),
    "110113": Demand("E", tuple(str(code) for code in range(110126, 110142)), objects=(LOG,)),
    "110114": Demand("E", ("110122", "110123")),
}


def check(root: Element) -> None:
    """AssertionError names the element that is not as the Standard wants it."""
    assert root.tag == "AuditMessage"
    _element(root)
    _demanded(root)


def _element(element: Element) -> None:
    rule = SCHEMA[element.tag]
    for name, pattern in rule.attributes.items():
        value = element.get(name)
        assert value is not None or pattern.startswith("?"), f"{element.tag} lacks {name}"
        assert value is None or re.fullmatch(pattern.removeprefix("?"), value), f"{element.tag}/@{name} {value!r}"
    assert set(element.keys()) <= set(rule.attributes), f"{element.tag} has {set(element.keys())}"
    order = "".join(f"({'|'.join(f'{each} ' for each in re.split('[|]', name.rstrip('?*+')))}){_many(name)}"
                    for name in rule.children)  # fmt: skip
    assert re.fullmatch(order, "".join(f"{child.tag} " for child in element)), f"{element.tag}: its children"
    if rule.text is not None:
        assert re.fullmatch(rule.text, element.text or ""), element.tag
    for child in element:
        _element(child)


def _many(name: str) -> str:
    return name[-1] if name[-1] in "?*+" else ""


def _code(element: Element, child: str) -> str:
    found = element.find(child)
    return found.get("csd-code", "") if found is not None else ""


def _demanded(root: Element) -> None:
    event = root.find("EventIdentification")
    assert event is not None
    assert datetime.fromisoformat(event.get("EventDateTime", "")).tzinfo is not None
    demand = DEMANDS[_code(event, "EventID")]
    assert event.get("EventActionCode", "") in demand.actions
    if demand.types:
        assert _code(event, "EventTypeCode") in demand.types
    people = root.findall("ActiveParticipant")
    assert sum(person.get("UserIsRequestor") == "true" for person in people) <= 1
    roles = [_code(person, "RoleIDCode") for person in people]
    assert set(demand.roles) <= set(roles)
    for person in people:
        given = person.get("NetworkAccessPointID"), person.get("NetworkAccessPointTypeCode")
        assert (given[0] is None) == (given[1] is None)
    things = {
        (
            _code(thing, "ParticipantObjectIDTypeCode"),
            thing.get("ParticipantObjectTypeCode"),
            thing.get("ParticipantObjectTypeCodeRole"),
        )
        for thing in root.findall("ParticipantObjectIdentification")
    }
    assert set(demand.objects) <= things
    if _code(event, "EventID") == "110113":
        [detail] = root.findall(".//ParticipantObjectDetail[@type='Alert Description']")
        assert b64decode(detail.get("value", ""))
    if _code(event, "EventID") == "110114":
        assert people[0].get("NetworkAccessPointID")
