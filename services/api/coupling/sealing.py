"""What the database is to have of a row: what it is found by, hashed, and what names a person, encrypted."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from services.api.coupling.columns import IDENTIFIERS
from services.api.coupling.rows import Flaws, Row
from shared.crypto import Vault
from shared.registry.coupling import accession_key, patient_key


class Names(NamedTuple):
    """What a study is said to be, whatever it is found by; None: nothing is said."""

    accession_hash: str | None
    patient_hash: str | None
    issuer: str | None


@dataclass(frozen=True, slots=True)
class Keyed:
    """A row and its hashes; `key` is that of the most exact thing that it names."""

    row: Row
    key: str
    accession_hash: str | None
    patient_hash: str | None
    accession_number: bytes | None = None
    patient_id: bytes | None = None

    @property
    def says(self) -> tuple[str, str]:
        """Whose the study is."""
        return self.row.participant, self.row.event

    @property
    def names(self) -> Names:
        """Which study it is."""
        return Names(self.accession_hash, self.patient_hash, self.row.issuer)

    def contradicted(self, there: Names, vault: Vault) -> str | None:
        """The field in which an entry with the same key says otherwise; None: in none.

        A PatientID agrees with the same one of an issuer, where only one of the two says who has issued it.
        """
        if self.accession_hash and there.accession_hash not in (None, self.accession_hash):
            return "accession_number"
        if not self.row.patient_id or there.patient_hash in (None, self.patient_hash):
            return None
        same = patient_key(vault, self.row.patient_id, there.issuer) == there.patient_hash
        return None if same and not (self.row.issuer and there.issuer) else "patient_id"

    def adds(self, there: Names) -> dict[str, Any]:
        """What it says more than an entry that it does not contradict, by column."""
        more: dict[str, Any] = {}
        if self.accession_hash and not there.accession_hash:
            more |= {"accession_hash": self.accession_hash, "accession_number": self.accession_number}
        if (self.patient_hash and not there.patient_hash) or (self.row.issuer and not there.issuer):
            more |= {"patient_hash": self.patient_hash, "patient_id": self.patient_id, "issuer": self.row.issuer}
        return more


def keyed(row: Row, vault: Vault, seal: bool) -> Keyed:
    """With `seal` also encrypted."""
    number, patient = row.accession_number, row.patient_id
    accession = accession_key(vault, number) if number else None
    person = patient_key(vault, patient, row.issuer) if patient else None
    return Keyed(
        row=row,
        key=row.study_instance_uid or accession or person or "",
        accession_hash=accession,
        patient_hash=person,
        accession_number=vault.encrypt(number) if seal and number else None,
        patient_id=vault.encrypt(patient) if seal and patient else None,
    )


@dataclass
class Once:
    """The rows of a list by key, and the lines that said again what a line before them says."""

    by_key: dict[str, Keyed]
    repeated: list[int]


def once(rows: Iterable[Keyed], flaws: Flaws) -> Once:
    """Every study once: who says the same twice is taken, who contradicts a line before is not."""
    made = Once({}, [])
    for each in rows:
        before = made.by_key.setdefault(each.key, each)
        if before is each:
            continue
        if (before.says, before.names) == (each.says, each.names):
            made.repeated.append(each.row.line)
        else:
            column = next(name for name in IDENTIFIERS if getattr(each.row, name))
            flaws.add(each.row.line, column, f"line {before.row.line} says otherwise of it")
    return made
