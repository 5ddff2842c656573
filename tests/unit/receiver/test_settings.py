"""Settings and the decisions that hang on them."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from services.receiver.access import CALLED, CALLING, judge_titles, may_connect
from services.receiver.settings import ReceiverSettings
from services.receiver.tls import server_context

DOCUMENT = Path(__file__).parents[3] / "docs" / "services" / "receiver.md"


def test_lists_are_written_with_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIONA_RECEIVER_AE_TITLES", "FIONA, FIONA2")
    monkeypatch.setenv("FIONA_RECEIVER_NETWORKS", "10.0.0.0/8,fd00::/8")
    settings = ReceiverSettings()
    assert settings.ae_titles == ("FIONA", "FIONA2")
    assert [str(network) for network in settings.networks] == ["10.0.0.0/8", "fd00::/8"]


@pytest.mark.parametrize(
    ("variable", "value"),
    [("AE_TITLES", "A" * 17), ("NETWORKS", "10.0.0.1/8"), ("MAX_PDU", "100"), ("MAX_ASSOCIATIONS", "0")],
)
def test_nonsense_is_refused(monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    monkeypatch.setenv(f"FIONA_RECEIVER_{variable}", value)
    with pytest.raises(ValidationError):
        ReceiverSettings()


def test_every_setting_is_documented() -> None:
    text = DOCUMENT.read_text("utf-8")
    for name in ReceiverSettings.model_fields:
        assert f"| `FIONA_RECEIVER_{name.upper()}` |" in text


def test_networks() -> None:
    networks = ReceiverSettings(networks="10.0.0.0/8,fd00::/8").networks
    assert may_connect("10.1.2.3", networks)
    assert may_connect("::ffff:10.1.2.3", networks)
    assert may_connect("fd00::1%eth0", networks)
    assert not may_connect("192.168.1.1", networks)
    assert may_connect("192.168.1.1", ())


def test_titles() -> None:
    assert judge_titles("ANY", "ANY", (), ("FIONA",), False) is None
    assert judge_titles("CT1 ", "ANY", ("CT1",), ("FIONA",), False) is None
    assert judge_titles("CT2", "ANY", ("CT1",), ("FIONA",), False) == CALLING
    assert judge_titles("CT1", "ANY", (), ("FIONA",), True) == CALLED
    assert judge_titles("CT1", "FIONA ", (), ("FIONA",), True) is None


def test_a_ca_without_a_certificate_is_a_mistake() -> None:
    assert server_context(ReceiverSettings()) is None
    with pytest.raises(ValueError, match="CERTIFICATE"):
        server_context(ReceiverSettings(tls_ca=Path("ca.pem")))
