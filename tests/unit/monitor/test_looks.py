"""What single looks make of disks, journals, certificates, clocks and heartbeats."""

import os
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from services.monitor.beating import durations, judge
from services.monitor.probes.certificates import Served, ends_at
from services.monitor.probes.clocks import skew_of
from services.monitor.probes.journal import Debt, Journal
from shared.tables import Heartbeat

NOW = datetime(2026, 1, 5, 10, tzinfo=UTC)


def beat(seconds_ago: float, outcome: str = "", **at: float) -> Heartbeat:
    sent = NOW - timedelta(seconds=seconds_ago)
    steps = {f"{name}_at": sent + timedelta(seconds=after) for name, after in at.items()}
    return Heartbeat(id="h", sent_at=sent, outcome=outcome, detail="why", **steps)


def test_a_heartbeat_that_arrives_is_timed_by_step() -> None:
    row = beat(100, "arrived", received=0.1, indexed=1, routed=1.5, anonymized=1.4, delivered=2)
    assert {step: round(took, 1) for step, took in durations(row).items()} == {
        "receive": 0.1, "index": 0.9, "route": 0.5, "anonymise": 0.0, "send": 0.6, "all": 2.0,
    }  # fmt: skip
    assert judge([row], 60, "", NOW).state == "ok"
    assert judge([row], 1, "", NOW).state == "warning"


def test_one_that_does_not_come_says_where_it_stands() -> None:
    late = beat(300, received=0.1, indexed=1)
    reading = judge([late, beat(600, "arrived", delivered=2)], 60, "", NOW)
    assert (reading.state, reading.detail) == ("failing", "sent 5 min ago, not seen after index")
    assert judge([beat(10), beat(600, "arrived", delivered=2)], 60, "", NOW).state == "ok"
    assert judge([beat(100, "arrived", delivered=2), late], 60, "", NOW).state == "ok", "a later one has come"
    assert judge([beat(100, "refused")], 60, "", NOW).detail == "refused: why"
    assert judge([], 60, "", NOW).state is None


def test_one_that_waits_behind_a_switch_is_not_late() -> None:
    reading = judge([beat(5000, received=0.1)], 60, "send", NOW)
    assert (reading.state, reading.detail) == ("ok", "waits: send is switched off")


def test_one_that_the_switch_has_refused_is_no_failure() -> None:
    """It was on its way in the moment in which somebody switched off."""
    refused = [beat(5, "refused"), beat(600, "arrived", delivered=2)]
    assert judge(refused, 60, "receive", NOW).state == "ok"
    assert judge(refused, 60, "send", NOW).state == "failing", "what refused it is another thing"


def test_what_a_journal_owes_and_for_how_long(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    assert journal.debt() == Debt()
    folder = tmp_path / "journal/receiver-1/association"
    folder.mkdir(parents=True)
    (folder / "association.json").write_text("{}")
    assert journal.debt() == Debt()
    owe(folder, 2, seconds_ago=100)
    owe(folder, 1, seconds_ago=500)
    (folder / "3.part").write_text("coming")
    found = journal.debt()
    assert found.instances == 2
    assert found.oldest == pytest.approx(500, abs=30)


def test_a_debt_by_a_clock_that_was_ahead_is_as_old_as_it_has_been_seen(tmp_path: Path) -> None:
    folder = tmp_path / "journal/receiver-1/association"
    folder.mkdir(parents=True)
    steady = [1000.0]
    journal = Journal(tmp_path / "journal", steady=lambda: steady[0])
    owe(folder, 1, seconds_ago=-7200)
    assert journal.debt() == Debt(1, 0.0)
    steady[0] += 400
    owe(folder, 2, seconds_ago=-7200)
    assert journal.debt() == Debt(2, 400.0)
    (folder / "00000001.5.owed").unlink()
    assert journal.debt() == Debt(1, 0.0), "another one is the oldest"


def owe(folder: Path, number: int, seconds_ago: float) -> None:
    owed = folder / f"{number:08d}.5.owed"
    owed.write_text("12345")
    os.utime(owed, (time.time() - seconds_ago,) * 2)


def test_a_certificate_file_and_what_is_none(tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    end = NOW + timedelta(days=9)
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, NOW - timedelta(days=1), end)
    pem = made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    (tmp_path / "cert.pem").write_bytes(pem)
    assert ends_at(tmp_path / "cert.pem", 1) == end
    (tmp_path / "none.pem").write_bytes(b"nothing")
    assert ends_at(tmp_path / "none.pem", 1) is None
    assert ends_at(Served("127.0.0.1", 9), 1) is None


@pytest.mark.parametrize(("off", "least", "most"), [(0, 0, 0), (100, 98, 101), (-100, -101, -98)])
def test_a_date_is_good_to_a_second(off: float, least: float, most: float) -> None:
    def answer(_: httpx.Request) -> httpx.Response:
        date = datetime.fromtimestamp(int(time.time() + off), UTC)
        return httpx.Response(404, headers={"Date": format_datetime(date, usegmt=True)})

    skew = skew_of(lambda: httpx.Client(transport=httpx.MockTransport(answer), base_url="http://x"))
    assert skew is not None
    assert least <= skew <= most
    silent = httpx.MockTransport(lambda _: httpx.Response(200))
    assert skew_of(lambda: httpx.Client(transport=silent, base_url="http://x")) is None
