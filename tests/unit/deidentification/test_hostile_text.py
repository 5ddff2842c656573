"""Text in every character set and every form: what identifies is gone, wherever else it stands."""

from itertools import product

import pytest
from pydicom.charset import python_encoding

from tests.unit.deidentification.builders import Bench, before_pixels, ct, encoded, raw
from tests.unit.deidentification.hostile import SECRET, sequence, verdict

NAME = raw(0x00100010, b"PN", b"Nordmann^Kari ")
CHARACTER_SET = raw(0x00080005, b"CS", b"ISO_IR 100")
# Where a copy hides: short texts that no row of the table lists, at the top, in a code and in a frame.
MEANING = 0x00080104


def padded(value: bytes, pad: bytes = b" ") -> bytes:
    """To an even length."""
    return value + pad * (len(value) % 2)


def person(name: bytes, terms: bytes | None, *copies: bytes) -> bytes:
    """A CT of somebody with that name in that character set, and copies of text elsewhere."""
    content = encoded(ct(Manufacturer=None))
    content = content.replace(NAME, raw(0x00100010, b"PN", padded(name)))
    content = content.replace(CHARACTER_SET, b"" if terms is None else raw(0x00080005, b"CS", padded(terms)))
    places = b"".join(
        sequence(0x00082218, raw(0x00080100, b"SH", b"T1") + raw(MEANING, b"LO", padded(copy)[:250]))
        + sequence(0x52009230, sequence(0x00209111, raw(0x00181061, b"LO", padded(copy)[:250])))
        for copy in copies
    )
    return before_pixels(content, places)


# DICOM's defined terms -> a name as it stands, and a part of it that must not be found again.
NAMES = {
    "ISO_IR 100": ("Åkesdøttir^Ænna", "Åkesdøttir"),
    "ISO_IR 101": ("Wałęsówna^Łucja", "Wałęsówna"),
    "ISO_IR 109": ("Ĉapelisto^Ĝoja", "Ĉapelisto"),
    "ISO_IR 110": ("Kalniņšova^Ēriks", "Kalniņšova"),
    "ISO_IR 126": ("Διονυσιου^Ελενη", "Διονυσιου"),
    "ISO_IR 127": ("قباني^لنزار", "قباني"),
    "ISO_IR 138": ("שרונסקי^דבורה", "שרונסקי"),
    "ISO_IR 144": ("Люксембургова^Зина", "Люксембургова"),
    "ISO_IR 148": ("Yılmazoğlu^Şule", "Yılmazoğlu"),
    "ISO_IR 166": ("สมชายวงศ์^ใจดี", "สมชายวงศ์"),
    "ISO_IR 13": ("ﾔﾏﾀﾞｻﾞﾜ^ﾀﾛｳ", "ﾔﾏﾀﾞｻﾞﾜ"),
    "\\ISO 2022 IR 87": ("Yamadazawa^Tarou=山田沢^太郎=やまだざわ^たろう", "山田沢"),
    "\\ISO 2022 IR 149": ("Honggilsan^Gildong=洪吉山^吉洞=홍길산^길동", "홍길산"),
    "\\ISO 2022 IR 58": ("Zhangsan^Xiaodong=张三丰^小东", "张三丰"),
    "ISO_IR 192": ("Wangxiaodong^Xiao=王小東方^小東=", "王小東方"),
    "GB18030": ("Wangxiaodong^Xiao=王小东方^小东=", "王小东方"),
    "GBK": ("Wangxiaodong^Xiao=王小东方^小东=", "王小东方"),
}


def spelled(text: str, terms: str) -> bytes:
    """Text in a DICOM character set, with its escape sequences."""
    from pydicom.charset import convert_encodings, encode_string

    if terms == "ISO_IR 13":
        return text.encode("shift-jis")
    encodings = convert_encodings(terms.split("\\"))
    return b"=".join(encode_string(part, encodings) for part in text.split("="))


@pytest.mark.parametrize("terms", NAMES)
def test_a_part_of_the_name_in_the_same_character_set(bench: Bench, terms: str) -> None:
    name, part = NAMES[terms]
    copy = spelled(part, terms)
    verdict(bench, person(spelled(name, terms), terms.encode(), b"CT of " + copy), copy)


@pytest.mark.parametrize(("terms", "codec"), [*product(NAMES, ("utf-8", "utf-16-le", "utf-16-be"))])
def test_a_part_of_the_name_in_unicode(bench: Bench, terms: str, codec: str) -> None:
    name, part = NAMES[terms]
    copy = part.encode(codec)
    verdict(bench, person(spelled(name, terms), terms.encode(), copy), copy)


@pytest.mark.parametrize("terms", NAMES)
def test_the_latin_spelling_of_a_name(bench: Bench, terms: str) -> None:
    """The first component group of a name tells as much as the second."""
    name, _ = NAMES[terms]
    family = name.split("^")[0]
    copy = family.upper().encode("utf-8")
    verdict(bench, person(spelled(name, terms), terms.encode(), copy), copy)


@pytest.mark.parametrize(
    ("name", "terms", "copy"),
    [
        ("Åkesdøttir^Ænna".encode(), b"ISO_IR 100", "Åkesdøttir".encode()),
        ("Åkesdøttir^Ænna".encode(), None, "Åkesdøttir".encode()),
        ("Åkesdøttir^Ænna".encode(), None, "Åkesdøttir".encode("latin-1")),
        ("Åkesdøttir^Ænna".encode("latin-1"), None, "Åkesdøttir".encode()),
        ("Åkesdøttir^Ænna".encode("latin-1"), b"ISO_IR 192", "Åkesdøttir".encode("latin-1")),
        ("山田沢^太郎".encode("shift-jis"), None, "山田沢".encode("shift-jis")),
        ("山田沢^太郎".encode("euc-jp"), b"\\ISO 2022 IR 87", "山田沢".encode("euc-jp")),
        ("王小东方^小东".encode("gb18030"), b"ISO_IR 192", "王小东方".encode("gb18030")),
        # The second byte of these is a backslash, a caret or a letter that changes with case.
        ("表構造^太郎".encode("shift-jis"), b"ISO_IR 13", "表構造".encode("shift-jis")),
        ("誠齰瀅^太郎".encode("gb18030"), b"GB18030", "誠齰瀅".encode("gb18030")),
        ("Ångstrøm^Åse".encode(), b"NO SUCH SET", "Ångstrøm".encode()),
        (b"Zqkanari^Anna", b"\xff\xff", b"ZQKANARI"),
    ],
)
def test_a_name_that_lies_about_its_character_set(bench: Bench, name: bytes, terms: bytes | None, copy: bytes) -> None:
    verdict(bench, person(name, terms, copy), copy)


@pytest.mark.parametrize(
    "copy",
    [
        b"Zqkanari Anna Lise",
        b"ANNA LISE ZQKANARI",
        b"Zqkanari, A. L.",
        b"zqkanari_anna",
        b"AnnaZqkanari",
        b"zqkanarianna",
        b"ANNALISEZQKANARI",
        b"Dr.Zqkanari/CT",
        b"CT-Zqkanari-thorax",
        b"Zqkanari's CT",
        b"CTZqkanari",
    ],
)
def test_the_name_in_another_order_and_case(bench: Bench, copy: bytes) -> None:
    verdict(bench, person(b"Zqkanari^Anna^Lise", b"ISO_IR 100", copy), b"Zqkanari")


@pytest.mark.parametrize(
    "copy",
    [
        *(b"19700203", b"1970-02-03", b"1970.02.03", b"1970/02/03", b"03.02.1970", b"3.2.1970", b"02/03/1970"),
        *(b"03-02-1970", b"2/3/1970", b"03 Feb 1970", b"Feb 3, 1970", b"03FEB1970", b"3. februar 1970"),
        b"February 3 1970",
    ],
)
def test_the_birth_date_in_another_format(bench: Bench, copy: bytes) -> None:
    content = person(b"Zqkanari^Anna", b"ISO_IR 100", b"born " + copy)
    verdict(bench, content, b"born " + copy)


@pytest.mark.parametrize("copy", [b"20240311", b"2024-03-11", b"11.03.2024", b"CT 03/11/2024", b"20240311101010"])
def test_the_date_of_the_study_elsewhere(bench: Bench, copy: bytes) -> None:
    verdict(bench, person(b"Zqkanari^Anna", b"ISO_IR 100", copy), copy)


# Attribute that says who or where it was -> its VR. The table takes each away; those of ECHOED stand elsewhere, too.
WHO = {
    0x00100020: b"LO", 0x00101000: b"LO", 0x00101001: b"PN", 0x00101005: b"PN", 0x00101040: b"LO", 0x00102154: b"SH",
    0x00101090: b"LO", 0x00104000: b"LT", 0x00080050: b"SH", 0x00080080: b"LO", 0x00080081: b"ST", 0x00080090: b"PN",
    0x00080094: b"SH", 0x00080092: b"ST", 0x00081010: b"SH", 0x00081040: b"LO", 0x00081048: b"PN", 0x00081050: b"PN",
    0x00081060: b"PN", 0x00081070: b"PN", 0x00181000: b"LO", 0x00181002: b"UI", 0x00321032: b"PN", 0x00380010: b"LO",
    0x00380300: b"LO", 0x00380400: b"LO", 0x00400006: b"PN", 0x00400241: b"AE", 0x00400253: b"SH", 0x00401001: b"SH",
    0x00402016: b"LO", 0x00402017: b"LO", 0x00401010: b"PN", 0x0040A123: b"PN", 0x00080054: b"AE", 0x00400001: b"AE",
    0x00200010: b"SH", 0x00101081: b"LO", 0x00102299: b"LO", 0x00102297: b"PN", 0x00080201: b"SH", 0x00400513: b"SH",
}  # fmt: skip
ECHOED = (
    0x00100020, 0x00101000, 0x00101001, 0x00101005, 0x00101040, 0x00102154, 0x00101090, 0x00080050, 0x00080080,
    0x00080090, 0x00080094, 0x00081040, 0x00081048, 0x00081050, 0x00081060, 0x00081070, 0x00181000, 0x00181002,
    0x00321032, 0x00380010, 0x00400006, 0x00400253, 0x00401001, 0x00402016, 0x00402017, 0x00401010, 0x0040A123,
    0x00200010, 0x00102297,
)  # fmt: skip


def told(tag: int) -> tuple[bytes, bytes]:
    """A value for the attribute, and its element."""
    vr = WHO[tag]
    text = b"1.2.826.0.19700203.55" if vr == b"UI" else b"ZQKANARI77"
    return text, raw(tag, vr, padded(text, b"\0" if vr == b"UI" else b" "))


@pytest.mark.parametrize("tag", WHO, ids=lambda tag: f"{tag:08X}")
def test_who_or_where_it_was(bench: Bench, tag: int) -> None:
    text, element = told(tag)
    assert verdict(bench, before_pixels(encoded(ct()), element), text)
    assert verdict(bench, before_pixels(encoded(ct()), sequence(0x00081140, element)), text)


@pytest.mark.parametrize("tag", ECHOED, ids=lambda tag: f"{tag:08X}")
def test_an_echo_of_who_or_where_it_was(bench: Bench, tag: int) -> None:
    """The same value stands in a short text that would stay."""
    text, element = told(tag)
    echo = sequence(0x00082218, raw(MEANING, b"LO", padded(b"at " + text)))
    verdict(bench, before_pixels(encoded(ct()), element + echo), text)
    verdict(bench, before_pixels(encoded(ct()), sequence(0x00400275, element) + echo), text)


NUMBERS = {
    b"DS": b"1\\%s\\2", b"IS": b"1\\%s\\2", b"AS": b"%s", b"CS": b"HEAD\\%s!\\FOOT", b"TM": b"%s",
    b"UI": b"1.2\\%s\\1.3",
}  # fmt: skip
STRINGS = {
    0x00180050: b"DS", 0x00200037: b"DS", 0x00281050: b"DS", 0x00201002: b"IS", 0x00200013: b"IS", 0x00101010: b"AS",
    0x00080008: b"CS", 0x00180020: b"CS", 0x00080060: b"CS", 0x00080032: b"TM", 0x00181201: b"TM", 0x00081155: b"UI",
    0x00080058: b"UI",
}  # fmt: skip


@pytest.mark.parametrize("tag", STRINGS, ids=lambda tag: f"{tag:08X}")
@pytest.mark.parametrize("text", [SECRET, b"030270 12345", b"19700203"])
def test_text_among_the_values_of_a_string_with_a_shape(bench: Bench, tag: int, text: bytes) -> None:
    vr = STRINGS[tag]
    value = padded(NUMBERS[vr] % text)
    content = before_pixels(encoded(ct(PatientName=b"Zqkanari^Anna", ImageType=None)), raw(tag, vr, value))
    verdict(bench, content, text)
    verdict(bench, before_pixels(encoded(ct()), sequence(0x00081140, raw(tag, vr, value))), text)


def test_every_character_set_of_the_standard_is_tried() -> None:
    tried = {part for terms in NAMES for part in terms.split("\\") if part}
    names = {term.removeprefix("ISO_IR ").removeprefix("ISO 2022 IR ") for term in python_encoding if term}
    # 6 is ASCII, 159 the supplement of 87 and 203 Latin-9, of 100.
    assert names - {term.removeprefix("ISO_IR ").removeprefix("ISO 2022 IR ") for term in tried} <= {
        "6",
        "159",
        "203",
        "ISO 2022 GBK",
        "ISO 2022 58",
    }
