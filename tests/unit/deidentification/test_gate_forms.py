"""The gate knows a value in the forms people and devices write it in, and leaves common words alone."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deidentification.dataset.encoding import EXPLICIT_LE, element
from deidentification.errors import RELEASABLE, CannotDeidentify
from deidentification.gate import gate
from deidentification.gate.identity import IDENTIFYING, SEQUENCES, Kind
from deidentification.standard.dictionary import DICTIONARY

NAME, ID, BIRTH, STUDY_DATE = 0x00100010, 0x00100020, 0x00100030, 0x00080020
STATION, INSTITUTION, ADDRESS, PHONE, STUDY = 0x00081010, 0x00080080, 0x00101040, 0x00102154, 0x0020000D
LATIN, UTF_8 = b"ISO_IR 100", b"ISO_IR 192"
DESCRIPTION = 0x0008103E


def rule(
    identity: Iterable[tuple[int, bytes]],
    written: bytes,
    *,
    tag: int = DESCRIPTION,
    vr: bytes = b"LO",
    charset: bytes = LATIN,
    inserted: tuple[bytes, ...] = (),
    dates: tuple[bytes, ...] = (),
    kept: frozenset[int] = frozenset(),
    released: frozenset[str] = frozenset(),
) -> str:
    """The rule that refuses a header holding `written`, or nothing."""
    wanted = gate.needles(identity, inserted, dates, charset, kept)
    header = bytes(132) + element(tag, vr, written, EXPLICIT_LE)
    try:
        gate.verify(header, 132, EXPLICIT_LE, {}, wanted, released)
    except CannotDeidentify as refusal:
        return refusal.rule
    return ""


@pytest.mark.parametrize(
    "written",
    [
        "x nordmann", "NORDMANN^KARI", "Kari Anne", "KNordmann", "nordmannk", "KARINORDMANN", "nordmann_kari",
        "Anne.Nordmann", "NordmannKariAnne", "(Kari)", "1.2 NORDMANN=x",
    ],
)  # fmt: skip
def test_a_name_in_its_parts_and_orders(written: str) -> None:
    assert rule([(NAME, b"Nordmann^Kari^Anne")], written.encode()) == "gate-name"


@pytest.mark.parametrize("written", ["CTNordmann", "nordmanns", "Nordmann2"])
def test_a_long_name_inside_an_unknown_word(written: str) -> None:
    assert rule([(NAME, b"Nordmann^Kari")], written.encode()) == "gate-name"


def test_a_long_name_inside_a_word_of_the_field() -> None:
    assert rule([(NAME, b"Ectasial^Kari")], b"lymphangiectasia") == ""
    assert rule([(NAME, b"Angiogra^Kari")], b"angiography") == ""
    assert rule([(NAME, b"Angiogra^Kari")], b"angiografo") == "gate-name"


@pytest.mark.parametrize("written", ["Karina", "Anneli", "annex", "kan", "Norman"])
def test_no_part_of_another_word(written: str) -> None:
    assert rule([(NAME, b"Nordmann^Kari^Anne")], written.encode()) == ""


@pytest.mark.parametrize("codec", ["latin-1", "utf-8", "utf-16-le", "utf-16-be", "cp850"])
@pytest.mark.parametrize("spelled", ["Ødegård", "ØDEGÅRD", "ødegård", "Odegard", "Oedegaard", "ØDEGåRD"])
def test_a_name_with_signs_in_any_spelling_and_encoding(spelled: str, codec: str) -> None:
    if spelled == "ØDEGåRD" and codec.startswith("utf-16"):
        spelled = "ØDEGÅRD"
    assert rule([(NAME, "Ødegård^Ås".encode("latin-1"))], spelled.encode(codec)) == "gate-name"


@pytest.mark.parametrize(
    ("name", "declared", "codec", "written"),
    [
        ("Müller^Jörg", LATIN, "latin-1", b"MUELLER"),
        ("Müller^Jörg", UTF_8, "utf-8", b"Muller"),
        ("山田^太郎", UTF_8, "utf-8", "山田".encode("shift_jis")),
        ("山田^太郎", b"GB18030", "gb18030", "山田太郎".encode()),
        ("山田^太郎", b"GB18030", "gb18030", "太郎".encode("euc_jp")),
        ("Yamada^Tarou=山田^太郎", UTF_8, "utf-8", b"\x1b$B;3ED\x1b(B"),
        ("Люкceмбypг", b"ISO_IR 144", "iso8859_5", "люкceмбypг".encode("cp1251")),
        ("Διονυσιος", b"ISO_IR 126", "iso8859_7", "ΔΙΟΝΥΣΙΟΣ".encode("utf-16-le")),
        ("김희중", UTF_8, "utf-8", "김희중".encode("euc_kr")),
    ],
)
def test_names_of_the_world(name: str, declared: bytes, codec: str, written: bytes) -> None:
    assert rule([(NAME, name.encode(codec))], written, charset=declared) == "gate-name"


def test_a_name_declared_with_escapes_is_read() -> None:
    name = b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B"
    declared = b"\\ISO 2022 IR 87"
    assert rule([(NAME, name)], "山田".encode(), charset=declared) == "gate-name"
    assert rule([(NAME, name)], "太郎".encode("gb18030"), charset=declared) == "gate-name"


@pytest.mark.parametrize(
    ("name", "written", "expected"),
    [
        ("Head^Roger", "Head", ""),
        ("Head^Roger", "Head R", ""),
        ("Head^Roger", "head roger", "gate-name"),
        ("Head^Bo", "BO HEAD", "gate-name"),
        ("Head^Bo", "Head, B", "gate-name"),
        ("Head^Bo", "B. Head", "gate-name"),
        ("Li^An", "Li, An", "gate-name"),
        ("Li^An", "AN^LI", "gate-name"),
        ("Li^An", "AN", ""),
        ("Aas^Bo", "B.Aas", "gate-name"),
        ("Radiologisk^Avdeling", "Radiologisk", ""),
        ("Thorax^Test", "Thorax test", ""),
        ("Thorax^Head", "Thorax head", "gate-name"),
    ],
)
def test_a_short_or_common_name_counts_beside_the_rest_of_the_name(name: str, written: str, expected: str) -> None:
    assert rule([(NAME, name.encode())], written.encode()) == expected


@pytest.mark.parametrize("tag", sorted(tag for tag, vrs in DICTIONARY.items() if vrs[0] == b"PN" and tag >> 16 != 0x14))
def test_every_name_of_every_attribute_counts(tag: int) -> None:
    assert IDENTIFYING.get(tag) is Kind.NAME or tag >> 16 == 0x4010


@pytest.mark.parametrize(
    ("tag", "value", "written", "expected"),
    [
        (ID, "01017012345", "010170 12345", "gate-id"),
        (ID, "010170-12345", "01017012345", "gate-id"),
        (ID, "0012345678", "12345678", "gate-id"),
        (ID, "NPR 99-88-77", "npr998877", "gate-id"),
        (ID, "12345", "12345", ""),
        (ID, "000000", "000000", ""),
        (ID, "A1234567890", "1234567890", "gate-id"),
        (0x00080050, "ACC20240311077", "acc20240311077", "gate-id"),
        (0x00380010, "ADM4711", "adm4711", "gate-id"),
        (0x00402017, "F-2024-77", "F202477", "gate-id"),
        (STATION, "CT0815", "ct0815", "gate-id"),
        (STATION, "RONTGEN", "RONTGEN", ""),
        (0x00181000, "SN771234", "SN771234", "gate-id"),
        (INSTITUTION, "Sykehuset i Fjorden", "fjorden", "gate-text"),
        (INSTITUTION, "Radiologisk avdeling", "Radiologisk avdeling", ""),
        (INSTITUTION, "Siemens Thorax Hospital", "Thorax Hospital", ""),
        (ADDRESS, "Fjordveien 1, 5003 Moss", "5003 Moss", "gate-text"),
        (ADDRESS, "Fjordveien 1, 5003 Moss", "FJORDVEIEN", "gate-text"),
        (PHONE, "+47 55 97 50 00", "55975000", "gate-text"),
        (PHONE, "+47 55 97 50 00", "559 75 000", "gate-text"),
        (PHONE, "+47 55 97 50 00", "+4755975000", "gate-text"),
        (PHONE, "(555) 123-4567", "555.123.4567", "gate-text"),
        (PHONE, "kari@fjorden.no", "KARI@FJORDEN.NO", "gate-text"),
        (PHONE, "55 97 50 00", "55 97 50 01", ""),
        (STUDY, "1.2.826.0.1.99.7", "see 1.2.826.0.1.99.7", "gate-uid"),
        (STUDY, "1.2.826.0.1.99.7", "1.2.826.0.1.99.77", ""),
        (STUDY, "1.2.840.10008.1.4.1.1", "1.2.840.10008.1.4.1.1", ""),
    ],
)
def test_ids_places_phones_and_uids(tag: int, value: str, written: str, expected: str) -> None:
    assert rule([(tag, value.encode())], written.encode()) == expected


@pytest.mark.parametrize(
    "written",
    ["1970-02-03", "03.02.1970", "3.2.1970", "02/03/1970", "03/02/1970", "03.02.70", "19700203", "03021970",
     "03-FEB-1970", "3 feb 1970", "3. februar 1970", "February 3, 1970", "3 Februar 1970", "19700203101500",
     "PPS19700203"],
)  # fmt: skip
@pytest.mark.parametrize(
    ("tag", "value"), [(BIRTH, b"19700203"), (STUDY_DATE, b"1970.02.03"), (0x0008002A, b"19700203101500.5+0100")]
)
def test_a_date_in_its_usual_forms(tag: int, value: bytes, written: str) -> None:
    assert rule([(tag, value)], written.encode()) == "gate-date"


@pytest.mark.parametrize(
    ("written", "tag", "vr"),
    [
        ("100501", 0x00080030, b"TM"),
        ("100501.000000", 0x00080032, b"TM"),
        ("700203", DESCRIPTION, b"LO"),
        ("19700203", 0x00080106, b"DT"),
        ("120240311", DESCRIPTION, b"LO"),
    ],
)
def test_times_and_versions_are_no_dates(written: str, tag: int, vr: bytes) -> None:
    identity = [(BIRTH, b"19700203"), (STUDY_DATE, b"20100501"), (0x00080021, b"20240311")]
    assert rule(identity, written.encode(), tag=tag, vr=vr) == ""


def test_a_moved_date_may_equal_a_date_of_the_source() -> None:
    identity = [(BIRTH, b"20230311")]
    assert rule(identity, b"20230311", dates=(b"20230311101500",), tag=STUDY_DATE, vr=b"DA") == ""
    assert rule(identity, b"20230311", dates=(b"20230312",), tag=STUDY_DATE, vr=b"DA") == "gate-date"


def test_the_new_identity_and_what_is_kept_on_purpose_are_no_hits() -> None:
    assert rule([(NAME, b"NORSTUDY")], b"NORSTUDY", inserted=(b"NORSTUDY",)) == ""
    assert rule([(NAME, b"NORD^A")], b"NORD", inserted=(b"NORDIC",)) == "gate-name"
    identity = [(INSTITUTION, b"Fjordsykehuset"), (0x00081040, b"Fjordsykehuset")]
    assert rule(identity, b"Fjordsykehuset", kept=frozenset((INSTITUTION,))) == ""
    assert rule([(STUDY, b"1.2.826.0.1.9")], b"1.2.826.0.1.9", kept=frozenset((STUDY,))) == ""
    assert rule([(STUDY_DATE, b"20240311")], b"20240311", kept=frozenset((STUDY_DATE,))) == ""


@pytest.mark.parametrize(
    ("tag", "vr", "written", "expected"),
    [
        (0x00181151, b"IS", b"123456", ""),
        (0x00080030, b"TM", b"123456", ""),
        (DESCRIPTION, b"LO", b"123456", "gate-id"),
        (0x00189345, b"FD", b"\x00123456\x00", ""),
    ],
)
def test_numbers_are_not_ids(tag: int, vr: bytes, written: bytes, expected: str) -> None:
    assert rule([(ID, b"123456")], written, tag=tag, vr=vr) == expected


def test_a_long_id_counts_in_numbers_too() -> None:
    assert rule([(ID, b"12345678")], b"12345678", tag=0x00181151, vr=b"IS") == "gate-id"


def test_a_station_may_be_called_after_its_model() -> None:
    assert rule([(STATION, b"LIGHTSPEED16")], b"LightSpeed16", tag=0x00081090) == ""
    assert rule([(STATION, b"LIGHTSPEED16")], b"LightSpeed16") == "gate-id"


@pytest.mark.parametrize(
    ("tag", "value", "waived"),
    [(NAME, b"Nordmann", "gate-name"), (ID, b"ACC4711", "gate-id"), (BIRTH, b"19700203", "gate-date"),
     (STUDY, b"1.2.826.0.1", "gate-uid"), (INSTITUTION, b"Fjordsykehuset", "gate-text")],
)  # fmt: skip
def test_a_reviewer_waives_one_rule(tag: int, value: bytes, waived: str) -> None:
    assert waived in RELEASABLE
    assert rule([(tag, value)], value) == waived
    assert rule([(tag, value)], value, released=frozenset((waived,))) == ""
    assert rule([(tag, value)], value, released=RELEASABLE - {waived}) == waived


def test_the_refusal_says_where_and_never_what() -> None:
    wanted = gate.needles([(NAME, b"Nordmann^Kari")], (), (), LATIN)
    header = bytes(132) + element(0x00081030, b"LO", b"of Nordmann", EXPLICIT_LE)
    with pytest.raises(CannotDeidentify) as refusal:
        gate.verify(header, 132, EXPLICIT_LE, {}, wanted)
    assert str(refusal.value).endswith("at (0008,1030) [gate-name] at (0010,0010)")
    assert "ordmann" not in str(refusal.value)


def test_the_preamble_and_the_meta_information_are_searched() -> None:
    wanted = gate.needles([(NAME, b"Nordmann^Kari")], (), (), LATIN)
    preamble = b"of nordmann".ljust(128, b"\0") + b"DICM"
    with pytest.raises(CannotDeidentify, match="gate-name"):
        gate.verify(preamble + element(0x00080060, b"CS", b"CT", EXPLICIT_LE), 132, EXPLICIT_LE, {}, wanted)


def test_sequences_of_identity_are_read_and_name_no_kind() -> None:
    assert all(IDENTIFYING[tag] is None and DICTIONARY[tag] == (b"SQ",) for tag in SEQUENCES)
    assert all(tag in DICTIONARY for tag in IDENTIFYING)


LETTERS = st.text(st.sampled_from("bcdfghjklmnpqrstvwxzåæøäöüéñ"), min_size=4, max_size=12)


@given(LETTERS, LETTERS, st.sampled_from("^ ,_.-="), st.booleans(), st.sampled_from(["latin-1", "utf-8"]))
def test_any_name_is_found_in_any_order_and_case(family: str, given: str, joint: str, upper: bool, codec: str) -> None:
    written = f"x {given}{joint}{family} y"
    written = written.upper() if upper else written
    assert rule([(NAME, f"{family}^{given}".encode("latin-1"))], written.encode(codec)) == "gate-name"


@pytest.mark.parametrize(
    "written",
    ["1950:03:12", "12_03_1950", "12. 03. 1950", "12. 3. 1950", "1950-3-12", "1950.3.12", "12MAR50", "12-Mar-50",
     "12th March 1950", "March 12th, 1950", "12-03-50", "3/12/50", "12/3/50", "12/3-50", "12.3-50", "12/3'50",
     "12/3 1950", "12,03,1950", "12. mars 50"],
)  # fmt: skip
@pytest.mark.parametrize("tag", [BIRTH, STUDY_DATE])
def test_a_date_in_parts_and_with_a_short_year(tag: int, written: str) -> None:
    assert rule([(tag, b"19500312")], f"x {written}".encode()) == "gate-date"
    assert rule([(tag, b"19500311")], f"x {written}".encode()) == ""


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("00734512", "0073-4512"), ("00734512", "734 512"), ("00734512", "73 45 12"), ("00734512", "7345-12"),
        ("ACC998877", "ACC-998877"), ("ACC998877", "acc 998877"), ("NPR 99 88 77", "NPR/998877"),
        ("123456789", "123-456-789"),
    ],
)  # fmt: skip
def test_an_id_in_parts(value: str, written: str) -> None:
    assert rule([(ID, value.encode())], written.encode()) == "gate-id"


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("O'Neil^Pat", "ONeil"), ("Van Dijk^Jan", "VANDIJK"), ("Hansen^Per-Ola", "PEROLA"), ("Lie^Bo", "Lie/Bo"),
        ("Lie^Bo", "Bo A Lie"), ("Lie^Bo", "BO A. LIE"), ("Lie^Bo", "Bo;Lie"), ("Lie^Bo", "Lie+Bo"),
    ],
)  # fmt: skip
def test_a_name_written_together_and_around_an_initial(name: str, written: str) -> None:
    assert rule([(NAME, name.encode())], written.encode()) == "gate-name"


SERIAL = 0x00181000


@pytest.mark.parametrize(
    ("tag", "value", "expected"),
    [(NAME, b"Nordmann^Ola", "gate-name"), (ID, b"00734512", "gate-id"), (BIRTH, b"19500312", "gate-date"),
     (PHONE, b"55975000", "gate-text")],
)  # fmt: skip
def test_a_kept_value_excuses_nobody(tag: int, value: bytes, expected: str) -> None:
    """Neither where another attribute repeats the value nor in the kept attribute itself."""
    kept = frozenset((SERIAL,))
    word = value.partition(b"^")[0]
    for serial in (word, b"%s PC 7" % word):
        assert rule([(tag, value), (SERIAL, serial)], b"SIEMENS " + word, kept=kept) == expected
        assert rule([(tag, value), (SERIAL, serial)], serial, tag=SERIAL, kept=kept) == expected


def test_a_kept_value_excuses_its_own_attribute_and_its_kind() -> None:
    kept = frozenset((SERIAL, STUDY_DATE))
    assert rule([(SERIAL, b"SN4711X"), (STATION, b"SN4711X")], b"SN4711X", kept=kept) == ""
    assert rule([(STUDY_DATE, b"20240311"), (0x00080021, b"20240311")], b"11.03.2024", kept=kept) == ""


def test_a_newborns_study_date_may_be_kept() -> None:
    identity = [(BIRTH, b"20240311"), (STUDY_DATE, b"20240311")]
    kept = frozenset((STUDY_DATE,))
    assert rule(identity, b"20240311", tag=STUDY_DATE, vr=b"DA", kept=kept) == ""
    assert rule(identity, b"born 20240311", kept=kept) == "gate-date"
