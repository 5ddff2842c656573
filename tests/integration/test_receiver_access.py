"""Who is let in: titles, networks, TLS, and how many."""

import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY
from pydicom.data import get_testdata_file

from services.monitor.probes.certificates import Served, ends_at
from shared.dicom.filemeta import read_meta
from shared.switchable import Switch
from shared.switches import Switches
from tests.components.dcmtk import echoscu, storescu
from tests.components.raw_peer import ASSOCIATE_RJ, CT, EXPLICIT, RawPeer, associate, store
from tests.components.receiver import LocalReceiver

CT_SMALL = Path(str(get_testdata_file("CT_small.dcm")))


def rejection(receiver: LocalReceiver, calling: str = "RAW", called: str = "FIONA") -> tuple[int, ...] | None:
    """(result, source, reason) of an A-ASSOCIATE-RJ; None when accepted."""
    with RawPeer(receiver.port) as peer:
        peer.send(associate([(CT, [EXPLICIT])], calling, called))
        answer = peer.receive()
        return tuple(answer.body[1:]) if answer.kind == ASSOCIATE_RJ else None


def test_called_titles(tmp_path: Path) -> None:
    with LocalReceiver(tmp_path, ae_titles=("FIONA", "FIONA2"), require_called_aet=True) as receiver:
        assert rejection(receiver, called="FIONA2") is None
        assert rejection(receiver, called="FIONA") is None
        assert rejection(receiver, called="OTHER") == (1, 1, 7)


def test_calling_titles(tmp_path: Path) -> None:
    with LocalReceiver(tmp_path, calling_ae_titles=("CT1", "CT2")) as receiver:
        assert rejection(receiver, calling="CT2") is None
        assert rejection(receiver, calling="MR1") == (1, 1, 3)


@pytest.mark.parametrize(("networks", "welcome"), [("127.0.0.0/8", True), ("10.0.0.0/8,::1/128", False)])
def test_networks(tmp_path: Path, networks: str, welcome: bool) -> None:
    with LocalReceiver(tmp_path, networks=networks) as receiver:
        assert (echoscu(receiver.port).returncode == 0) is welcome


def test_more_associations_than_allowed_are_rejected_and_later_welcome(tmp_path: Path) -> None:
    with LocalReceiver(tmp_path, max_associations=2) as receiver:
        first, second = RawPeer.associated(receiver.port), RawPeer.associated(receiver.port)
        assert rejection(receiver) == (2, 3, 2)
        first.close()
        second.close()
        receiver.settled()
        assert rejection(receiver) is None


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """ca.pem, server.pem and client.pem with their .key, and a stranger's."""
    folder = tmp_path_factory.mktemp("keys")

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    key = ("-newkey", "rsa:2048", "-nodes")
    for own in ("ca", "stranger"):
        openssl("req", "-x509", *key, "-keyout", f"{own}.key", "-out", f"{own}.pem", "-subj", f"/CN={own}")
    for name in ("server", "client"):
        openssl("req", *key, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        signed = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2")
        openssl("x509", "-req", "-in", f"{name}.csr", *signed, "-out", f"{name}.pem")
    return folder


@pytest.fixture(params=[True, False], ids=["data path", "pynetdicom"])
def secure(request: pytest.FixtureRequest, tmp_path: Path, keys: Path) -> Iterator[Any]:
    """A function that starts a receiver with TLS."""
    open_ones: list[LocalReceiver] = []

    def start(**settings: Any) -> LocalReceiver:
        receiver = LocalReceiver(
            tmp_path,
            data_path=request.param,
            tls_certificate=keys / "server.pem",
            tls_key=keys / "server.key",
            acse_timeout=3,
            **settings,
        )
        open_ones.append(receiver)
        return receiver.__enter__()

    yield start
    for receiver in open_ones:
        receiver.__exit__()


def test_tls(secure: Any, keys: Path) -> None:
    receiver = secure()
    options = ("+tla", "+cf", keys / "ca.pem")
    done = storescu(receiver.port, CT_SMALL, CT_SMALL, options=("-R", *options))
    assert done.returncode == 0, done.stdout
    assert echoscu(receiver.port, options=options).returncode == 0
    assert len(receiver.settled()) == 1
    assert echoscu(receiver.port).returncode != 0


def test_when_its_certificate_ends_is_seen_from_outside(secure: Any, keys: Path) -> None:
    served = Served("127.0.0.1", secure().port)
    assert ends_at(served, 5) == ends_at(keys / "server.pem", 5) is not None


def test_a_large_object_over_tls(secure: Any) -> None:
    receiver = secure()
    content = CT_SMALL.read_bytes()
    meta = read_meta(content)
    dataset = content[meta.dataset :] + b"\xfc\xff\xfc\xffOB\0\0" + (8_000_000).to_bytes(4, "little") + bytes(8_000_000)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with RawPeer(receiver.port) as peer:
        peer.socket = context.wrap_socket(peer.socket)
        peer.send(associate([(CT, [EXPLICIT])], "RAW", "FIONA"))
        assert peer.receive().kind == 2
        peer.send(*store(CT, meta.sop_instance_uid, dataset, 100_000))
        assert peer.receive().status == 0
        peer.release()
    (instance,) = receiver.settled()
    assert (receiver.store.root / instance.path).read_bytes().endswith(dataset)


def test_mutual_tls(secure: Any, keys: Path) -> None:
    receiver = secure(tls_ca=keys / "ca.pem")
    ca = ("+cf", keys / "ca.pem")
    known = ("+tls", keys / "client.key", keys / "client.pem", *ca)
    unknown = ("+tls", keys / "stranger.key", keys / "stranger.pem", *ca)
    assert echoscu(receiver.port, options=("+tla", *ca)).returncode != 0
    assert echoscu(receiver.port, options=unknown).returncode != 0
    assert echoscu(receiver.port, options=known).returncode == 0


def rejected_for_tls() -> float:
    return REGISTRY.get_sample_value("fiona_receiver_rejected_total", {"why": "tls"}) or 0


def test_who_only_looks_whether_somebody_listens_is_not_counted_as_rejected(secure: Any) -> None:
    """A probe every ten seconds would be an alarm for ever."""
    receiver, before = secure(), rejected_for_tls()
    for _ in range(3):
        with RawPeer(receiver.port) as probe:
            probe.socket.shutdown(socket.SHUT_WR)
            assert probe.ends()
    assert rejected_for_tls() == before
    with RawPeer(receiver.port) as noisy:
        noisy.send(b"GET / HTTP/1.0\r\n\r\n")
        assert noisy.ends()
    assert rejected_for_tls() == before + 1


def test_a_handshake_that_never_comes_keeps_nobody_waiting(secure: Any, keys: Path) -> None:
    receiver = secure()
    with RawPeer(receiver.port) as silent, RawPeer(receiver.port) as noisy:
        noisy.send(b"GET / HTTP/1.0\r\n\r\n")
        assert echoscu(receiver.port, options=("+tla", "+cf", keys / "ca.pem")).returncode == 0
        assert silent.ends()
        assert noisy.ends()


@pytest.mark.parametrize("data_path", [True, False], ids=["data path", "pynetdicom"])
def test_what_is_switched_off_is_refused_until_it_is_on_again(tmp_path: Path, data_path: bool) -> None:
    """Associations for storage are rejected as transient, C-ECHO answers, and an open association gets 0xA700."""
    with LocalReceiver(tmp_path, data_path=data_path) as receiver:
        receiver.journal.switches = switches = Switches(receiver.store, fresh=0)
        content = CT_SMALL.read_bytes()
        meta = read_meta(content)
        with RawPeer.associated(receiver.port) as peer:
            switches.turn_off(Switch.RECEIVE, "the archive moves", "k.olsen")
            peer.send(*store(CT, meta.sop_instance_uid, content[meta.dataset :]))
            assert peer.receive().status == 0xA700
        assert rejection(receiver) == (2, 3, 1)
        done = storescu(receiver.port, CT_SMALL, options=("-R",))
        assert done.returncode != 0
        assert "Temporary Congestion" in done.stdout
        assert echoscu(receiver.port).returncode == 0
        assert receiver.settled() == []
        assert receiver.leftovers() == []
        switches.turn_on(Switch.RECEIVE)
        assert storescu(receiver.port, CT_SMALL, options=("-R",)).returncode == 0
        assert len(receiver.settled()) == 1
