"""What a project may want differently, what it may not, and what its wishes become."""

import re
import time

import pytest

from deidentification.dataset.carriers import CARRIERS
from deidentification.profiles import Profile, ProfileError, problems, read_profile
from deidentification.profiles.compiled import compiled
from deidentification.profiles.model import Clean, Empty, Groups, Hash, Keep, Override, Remove, Replace
from deidentification.profiles.overrides import problem
from deidentification.profiles.patterns import LONGEST_VALUE, captured
from deidentification.profiles.patterns import problem as pattern_problem
from deidentification.profiles.protected import PROTECTED
from deidentification.profiles.rules import Act
from deidentification.standard.dictionary import TAGS
from deidentification.standard.reviewed import INSTANCE_UIDS
from deidentification.standard.tables import Option

Wish = Keep | Remove | Empty | Clean | Replace | Hash | Groups


def refusal(keyword: str, action: Wish) -> str | None:
    """Why the override may not be."""
    return problem(Override(tag=TAGS[keyword], action=action))


@pytest.mark.parametrize(
    ("keyword", "action", "act"),
    [
        ("StudyDescription", Keep(), Act.KEEP),
        ("StudyDescription", Clean(), Act.CLEAN),
        ("StudyDate", Keep(), Act.VERSION),
        ("StudyTime", Keep(), Act.TIME),
        ("PatientAge", Keep(), Act.AGE),
        ("PatientAge", Clean(), Act.AGE),
        ("RequestAttributesSequence", Keep(), Act.WALK),
        ("RequestAttributesSequence", Clean(), Act.WALK),
        ("RequestAttributesSequence", Remove(), Act.DROP),
        ("StationAETitle", Clean(), Act.HASH),
        ("OperatorsName", Hash(), Act.HASH),
        ("OperatorsName", Replace(value="{participant}"), Act.LITERAL),
        ("PatientBirthDate", Replace(value="19000101"), Act.LITERAL),
        ("PatientWeight", Replace(value="70"), Act.LITERAL),
        ("DeviceUID", Empty(), Act.EMPTY),
        ("DeviceUID", Remove(), Act.DROP),
        ("PatientID", None, Act.DUMMY),
    ],
)
def test_what_a_wish_becomes(keyword: str, action: Wish | None, act: Act) -> None:
    tag = TAGS[keyword]
    attributes = () if action is None else (Override(tag=tag, action=action),)
    found = compiled(Profile(name="x", attributes=attributes))
    assert found.rules[tag].act is act
    assert found.nested[tag].act is act
    assert (found.rules[tag].source == "profile") is (action is not None)


def test_one_date_does_not_move_alone() -> None:
    attributes = (Override(tag=TAGS["PatientBirthDate"], action=Clean()),)
    moving = Profile(name="x", options=frozenset((Option.MODIFIED_DATES,)), attributes=attributes)
    assert compiled(moving).rules[TAGS["PatientBirthDate"]].act is Act.DATE
    for options in (frozenset[Option](), frozenset((Option.FULL_DATES,))):
        found = problems(Profile(name="x", options=options, attributes=attributes))
        assert [entry.where for entry in found] == ["attributes.PatientBirthDate"]


def test_at_the_top_level_only() -> None:
    tag = TAGS["StudyDescription"]
    profile = Profile(name="x", attributes=(Override(tag=tag, action=Keep(), nested=False),))
    for sop_class in (b"", b"1.2.840.10008.5.1.4.1.1.2"):
        found = compiled(profile, sop_class)
        assert (found.rules[tag].act, found.nested[tag].act) == (Act.KEEP, Act.DROP)


def test_arguments_reach_the_rule() -> None:
    profile = read_profile(
        "name: x\nattributes: {StudyID: {hash: StudyInstanceUID}, StationName: {replace: '{project}'},"
        " ProtocolName: {regex: '^(T[12])'}, BodyPartExamined: clean}"
    )
    rules = compiled(profile).rules
    assert rules[TAGS["StudyID"]].argument == TAGS["StudyInstanceUID"]
    assert rules[TAGS["StationName"]].argument == "{project}"
    pattern, part = rules[TAGS["ProtocolName"]].argument, rules[TAGS["BodyPartExamined"]]
    assert isinstance(pattern, re.Pattern)
    assert captured(pattern, "T1 Doe") == "T1"
    assert captured(pattern, "Doe T1") is None
    assert isinstance(part.argument, re.Pattern)
    assert [captured(part.argument, text) for text in ("HEAD", " CHEST ", "HEAD OF DOE", "")] == [
        "HEAD",
        "CHEST",
        None,
        None,
    ]
    assert part.default == "BODYPART"


@pytest.mark.parametrize("tag", sorted(PROTECTED), ids=lambda tag: f"{tag:08X}")
@pytest.mark.parametrize("action", [Keep(), Remove(), Empty(), Clean(), Replace(value="x"), Hash()], ids=str)
def test_what_the_promises_hang_on_is_not_touched(tag: int, action: Wish) -> None:
    assert "may not be overridden" in str(problem(Override(tag=tag, action=action)))


def test_carriers_and_instance_uids_are_protected() -> None:
    assert CARRIERS.keys() | INSTANCE_UIDS <= PROTECTED.keys()


@pytest.mark.parametrize("tag", [0x00020016, 0x00041130, 0x00091001, 0x04000500, 0x50002500, 0x60003000, 0x7FE00010])
def test_groups_that_are_not_touched(tag: int) -> None:
    assert "may not be overridden" in str(problem(Override(tag=tag, action=Keep())))


@pytest.mark.parametrize(
    ("keyword", "action", "reason"),
    [
        ("OtherPatientNames", Keep(), "a person's name is not kept"),
        ("OtherPatientIDs", Keep(), "directly"),
        ("PatientAddress", Keep(), "directly"),
        ("ICCProfile", Keep(), None),
        ("MakerNote", Keep(), "opaque"),
        ("OperatorsName", Clean(), "no way to clean a person's name"),
        ("PatientWeight", Clean(), "no way to clean a value of VR DS"),
        ("OperatorsName", Groups(pattern="(.)"), "reads text"),
        ("StudyDescription", Groups(pattern="x"), "captures nothing"),
        ("StudyDescription", Groups(pattern="(a+)+"), "can take forever"),
        ("StudyDate", Hash(), "a hash is text"),
        ("PatientWeight", Hash(), "a hash is text"),
        ("StudyID", Hash(of=0x00100020), "only a study, series or instance UID"),
        ("FrameOfReferenceUID", Keep(), "everywhere or nowhere"),
        ("DeviceUID", Replace(value="1.2"), "everywhere or nowhere"),
        ("RequestAttributesSequence", Replace(value="x"), "a sequence cannot be replaced"),
        ("PatientBirthDate", Replace(value="1900-1-1"), "not a value of VR DA"),
        ("PatientBirthDate", Replace(value="19001301"), "not a value of VR DA"),
        ("PatientBirthDate", Replace(value="{event}"), "fits text only"),
        ("StudyTime", Replace(value="noon"), "not a value of VR TM"),
        ("PatientAge", Replace(value="90"), "not a value of VR AS"),
        ("PatientWeight", Replace(value="heavy"), "not a value of VR DS"),
        ("StationName", Replace(value="x" * 17), "longer than the 16"),
        ("StationName", Replace(value="x" * 15 + "{event}"), None),
        ("StationName", Replace(value="x" * 16 + "{event}"), "longer than the 16"),
        ("StudyDescription", Replace(value="{patient}"), "only {project}"),
        ("StudyDescription", Replace(value="{project.key}"), "only {project}"),
        ("StudyDescription", Replace(value="{project!r}"), "only {project}"),
        ("StudyDescription", Replace(value="{project:>99999999}"), "only {project}"),
        ("StudyDescription", Replace(value="{0}"), "only {project}"),
        ("StudyDescription", Replace(value="{"), "braces"),
        ("StudyDescription", Replace(value=""), "written as `empty`"),
        ("StudyDescription", Replace(value="a\\b"), "printable ASCII"),
        ("StudyDescription", Replace(value="blåbær"), "printable ASCII"),
        ("StudyDescription", Replace(value="a\nb"), "printable ASCII"),
        ("StudyDescription", Replace(value="{{{project}}}"), None),
    ],
)
def test_what_fits_and_what_does_not(keyword: str, action: Wish, reason: str | None) -> None:
    found = refusal(keyword, action)
    assert found is None if reason is None else reason in str(found)


def test_a_profile_that_cannot_be_applied_is_not_compiled() -> None:
    profile = Profile(name="x", attributes=(Override(tag=TAGS["PatientName"], action=Keep()),))
    assert [entry.where for entry in problems(profile)] == ["attributes.PatientName"]
    with pytest.raises(ProfileError, match="new identity"):
        compiled(profile)


@pytest.mark.parametrize(
    "pattern",
    [
        r"(a+)+$", r"(a|ab)*c", r"(x*)*", r"(?:a?){60}a{60}", r"(?=(a+))+", r"(a)\1", r"(a)(?(1)b|c)", ".*.*.*.*!",
        "(?:.*,){11}P", "(", "a" * 501, r"(\w+\s?)*!",
    ],
)  # fmt: skip
def test_expressions_that_could_run_forever_are_refused(pattern: str) -> None:
    assert pattern_problem(pattern)


@pytest.mark.parametrize(
    "pattern",
    [
        "phantom|scout", r"^(\d{4})_(\d+)", r"^([A-Z]{2}_)+$", r"^(.*)_(.*)_(.*)$", r"(?:ab?)?c", r"^(?!.*phantom)",
        r"[^_]+_([^_]+)_", ".*?.*?.*?!", r".{0,12}.{0,12}.{0,12}.{0,12}.{0,12}!",
    ],
)  # fmt: skip
def test_sound_expressions_pass_and_end(pattern: str) -> None:
    assert pattern_problem(pattern) is None
    started = time.process_time()
    for value in ("a" * 10_000, "ab" * 5_000, "a_" * 5_000, "1" * 10_000):
        captured(re.compile(pattern), value)
    assert time.process_time() - started < 20


def test_only_the_beginning_of_a_value_is_read() -> None:
    pattern = re.compile("(x)")
    assert captured(pattern, " " * (LONGEST_VALUE - 1) + "x") == "x"
    assert captured(pattern, " " * LONGEST_VALUE + "x") is None


def test_captured_groups_are_joined() -> None:
    assert captured(re.compile(r"(\d{2})-?(z)?-(\w{1,9})"), "a 12-bc") == "12 bc"


def test_private_elements_by_creator() -> None:
    profile = read_profile(
        "name: x\nprivate: [{creator: A B, group: '0019', element: '1f', vr: FD}, {creator: C, group: 01F1}]"
    )
    found = compiled(profile)
    assert found.own_private == {(0x0019, 0x1F, b"A B"): b"FD", (0x01F1, -1, b"C"): b""}
    assert found.private == {}


def test_identifying_values_that_stay_are_known() -> None:
    kept = read_profile("name: x\nattributes: {AccessionNumber: keep}")
    assert TAGS["AccessionNumber"] in compiled(kept).kept_identifying
    assert compiled(Profile(name="x")).kept_identifying == frozenset()
    uids = compiled(Profile(name="x", options=frozenset((Option.UIDS,))))
    assert uids.kept_identifying >= INSTANCE_UIDS
    assert uids.keeps_uids
