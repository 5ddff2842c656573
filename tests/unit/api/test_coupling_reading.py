"""From a file to rows: whatever wrote it, the letters survive, and what a spreadsheet has spoilt is refused."""

import csv
import io
import unicodedata

import pytest

from services.api.coupling.cells import damage, guarded, value_of
from services.api.coupling.reading import NoList, read
from services.api.coupling.rows import Row
from shared.spreadsheet import FORMULA, MARK

LIST = "AccessionNumber{d}ProjectName{d}subjectid{d}eventname\r\n00123{d}ABCD-study{d}Bærum-Ø1{d}år 1\r\n"
ROW = Row(2, "Bærum-Ø1", "år 1", accession_number="00123", project="ABCD-study")


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize(
    ("encoding", "name"),
    [
        ("utf-8", "utf-8"),
        ("utf-8-sig", "utf-8"),
        ("utf-16", "utf-16"),
        ("utf-16-le", "utf-16-le"),
        ("utf-16-be", "utf-16-be"),
        ("windows-1252", "windows-1252"),
        ("latin-1", "windows-1252"),
    ],
)
def test_delimiter_and_encoding_are_found_out(delimiter: str, encoding: str, name: str) -> None:
    found = read(LIST.format(d=delimiter).encode(encoding))
    assert (found.rows, found.encoding, found.delimiter, found.flaws.total) == ([ROW], name, delimiter, 0)


def test_bytes_that_windows_does_not_know_are_latin_1() -> None:
    assert read(b"PatientID,subjectid\nP1,X\x81\n").encoding == "latin-1"


def test_letters_are_composed() -> None:
    assert read(unicodedata.normalize("NFD", LIST.format(d=";")).encode()).rows == [ROW]


@pytest.mark.parametrize(
    "header",
    [
        "accessionnumber,PROJECTNAME,SubjectID,EventName",
        "Accession No.,Project Name,subject_id,event-name",
        "Undersøkelse-ID,prosjekt,Deltaker,Hendelse",
        '"AccessionNumber","ProjectName","record_id","redcap_event_name"',
    ],
)
def test_columns_are_known_by_other_names(header: str) -> None:
    assert read(f"{header}\n00123,ABCD-study,Bærum-Ø1,år 1\n".encode()).rows == [ROW]


def test_what_surrounds_the_rows_does_not_matter() -> None:
    text = (
        'sep=;\n\nPatientID;IssuerOfPatientID;StudyInstanceUID;subjectid;Remark;\n;;;;;\n\u00a0P1 ;"HUS";;X1 ;Kari\n'
        '"1;2";;1.2.3;"X""2"\n\n'
    )
    found = read(text.encode())
    assert found.rows == [
        Row(5, "X1", "Unknown", patient_id="P1", issuer="HUS"),
        Row(6, 'X"2', "Unknown", patient_id="1;2", study_instance_uid="1.2.3"),
    ]
    assert (found.ignored, found.flaws.total) == ([5], 0)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "it is empty"),
        (b"\r\n \r\n", "it is empty"),
        (b"AccessionNumber,subjectid\n", "it has a header and nothing below it"),
        (b"010203 12345,X1\n", "its first line has to name subjectid and one of"),
        (b"AccessionNumber,Accession,subjectid\nA,B,C\n", "two columns of its header mean AccessionNumber"),
        (b"\xff\xfeA", "it begins like UTF and is not"),
        (b"PK\x03\x04\x14", "it is a workbook"),
        (b"subjectid,PatientID," + b"x" * 200_000 + b"\nX1,P1\n", "its first line has a value of more than 131,072"),
    ],
)
def test_what_is_no_list(content: bytes, why: str) -> None:
    with pytest.raises(NoList, match=why):
        read(content)


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ('="00123"', "00123"), (" \u00a0A 1\u200b", "A 1"), ("A\u00a01", "A 1"), ("'-12", "-12"), ("'12", "'12"),
        (" '=1+1 ", "=1+1"), ("'1.0", "1.0"), ("''-12", "'-12"),
    ],
)  # fmt: skip
def test_what_is_undone(cell: str, value: str) -> None:
    assert value_of(cell) == (value, None)


ODD = (
    "=1+1", "=A1", '="00123"', "+47", "-7", "@SUM(1)", "\tx", "'", "''", "'A", "'=1", "''+1", "'1.0", "1E+15", "12,0",
    "###", "#N/A", "Ærlig Åse", "A\u030a", "å;b,c|d", 'x"y', '"', "A\u00a01", "B\ufffdrum", "\u200bA\u200b", "0012",
)  # fmt: skip


@pytest.mark.parametrize("value", ODD)
def test_what_is_exported_is_harmless_and_read_as_it_was(value: str) -> None:
    made = io.StringIO()
    csv.writer(made).writerows([["PatientID", "subjectid"], [guarded(value), "X1"]])
    assert not guarded(value).startswith(FORMULA)
    found = read(f"{MARK}{made.getvalue()}".encode())
    assert (found.flaws.total, found.rows) == (0, [Row(2, "X1", "Unknown", patient_id=value)])


@pytest.mark.parametrize(
    ("cell", "why"),
    [
        ("1.23E+15", "power of ten"),
        ("1,23E+15", "power of ten"),
        ("123456.0", "decimals"),
        ("123456,00", "decimals"),
        ("########", "too narrow"),
        ("#N/A", "formula has failed"),
        ("#VERDI!", "formula has failed"),
        ("=A1+1", "a formula"),
        ("B\ufffdrum", "a letter was lost"),
        ("a\nb", "line break"),
    ],
)
def test_what_is_refused(cell: str, why: str) -> None:
    value, found = value_of(cell)
    assert why in str(found)
    assert found == damage(value)


def test_a_line_that_does_not_end_is_said() -> None:
    found = read(b"PatientID,subjectid\nP1,X1\n" + b"9" * 200_000 + b",X2\nP3,X3\n")
    assert [row.line for row in found.rows] == [2]
    assert [(each.line, "131,072 characters" in each.reason) for each in found.flaws.kept] == [(3, True)]


FILE = "AccessionNumber;subjectid;eventname;Comment\n{}".format


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        (FILE('A2;X2;e;\nA3;X3;e;"hard to see\nA4;X4;e;\nA5;X5;e;'), 3, ""),
        (FILE('A2;X2;e;\r\nA3;X3;e;"hard to see\r\nA4;X4;e;"seen"\r\nA5;X5;e;'), 3, ""),
        (FILE('A2;X2;e;\rA3;X3;e;"hard to see\rA4;X4;e;"not seen\rA5;X5;e;\r'), 3, ""),
        (FILE('A2;X2;e;\n;;;\nA4;X4;e;"hard to see\n'), 4, ""),
        (FILE('A2;X2;e;\nA3;X3;e;"hard to see'), 3, ""),
        (FILE('A2;X2;e;\nA3;X3;"e;'), 3, "event"),
        (FILE('A2;X2;e;\nA3;"X3;e;\n'), 3, "participant"),
        ('AccessionNumber;Comment;subjectid\nA2;"hard;X2\nA3;"seen";X3\nA4;;X4', 2, ""),
        pytest.param(FILE('A2;X2;e;\n;;;\nA4;X4;e;"hard to see\n' + "A;X;e;\n" * 30_000), 4, "", id="long"),
    ],
)
def test_a_quotation_mark_that_is_not_closed_takes_no_line_with_it(text: str, line: int, column: str) -> None:
    """Wherever it stands, in a column that is not read too: what follows it would not be missed."""
    flaws = read(text.encode()).flaws
    assert [(each.line, each.field) for each in flaws.kept] == [(line, column)]
    assert "is a quotation mark not closed?" in flaws.kept[0].reason


def test_a_header_takes_no_line_with_it() -> None:
    with pytest.raises(NoList, match="its first line has a value of more than one line"):
        read(b'AccessionNumber;subjectid;"Comment\nA2;X2;"seen"\nA3;X3;\n')
    found = read(b'subjectid;"Accession\nNumber"\nX3;A3\n')
    assert found.rows == [Row(3, "X3", "Unknown", accession_number="A3")]


def test_every_bad_line_is_said_and_none_is_quoted() -> None:
    text = 'PatientID,subjectid\n1.23E+15,X1\nP2,X2,X3,X4\nP3,X3\n"P4,X4\nP5,X5\n'
    found = read(text.encode())
    assert [row.line for row in found.rows] == [4]
    assert [(each.line, each.field) for each in found.flaws.kept] == [(2, "patient_id"), (3, ""), (5, "patient_id")]
    assert not any("P" in each.reason.replace("PatientID", "") for each in found.flaws.kept)
