"""The DICOMweb client against Orthanc, and against servers that answer what no Orthanc answers."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from services.sender.clients import Unavailable
from services.sender.clients.dicomweb import DicomWebClient
from shared.destinations import DicomWebDestination, parse_destination
from shared.destinations.echo import EchoFailed, echo
from shared.scu.statuses import CANNOT_UNDERSTAND, SOP_CLASS_NOT_SUPPORTED
from shared.store import Store
from tests.components.fixtures import disposable, need
from tests.components.orthanc import Orthanc
from tests.components.process import accepts
from tests.unit.sender.builders import LOSSLESS, LOSSY, PLAIN, Part


def config(url: str, **more: object) -> DicomWebDestination:
    result = parse_destination("dicomweb", {"url": url, "timeout": 20, **more})
    assert isinstance(result, DicomWebDestination)
    return result


async def send(client: DicomWebClient, part: Part) -> dict[str, int]:
    return {answer.sop_instance_uid: answer.status async for batch in client.send(part.outgoing()) for answer in batch}


async def test_orthanc_takes_all_and_confirms_it(store: Store, orthanc: Orthanc, tmp_path: Path) -> None:
    part = Part(store).add(*PLAIN, *LOSSLESS, *LOSSY).ct(30, size=256)
    client = DicomWebClient(config(orthanc.dicomweb_url), request_bytes=1_000_000)
    await echo("x", config(orthanc.dicomweb_url), tmp_path)
    found = await client.count(part.study, part.series)
    assert found is not None
    assert found.confirms(part.uids) == 0
    assert await send(client, part) == dict.fromkeys(part.uids, 0)
    found = await client.count(part.study, part.series)
    assert found is not None
    assert found.instances == part.uids
    assert orthanc.instances() == sorted(part.uids)


async def test_what_orthanc_cannot_read_is_not_called_a_success(store: Store, orthanc: Orthanc) -> None:
    part = Part(store).ct(3)
    broken = part.outgoing()[1]
    broken.file.write_bytes(b"nothing that anybody could read")
    answers = await send(DicomWebClient(config(orthanc.dicomweb_url)), part)
    assert answers.keys() == part.uids
    assert answers[broken.sop_instance_uid] != 0
    good = part.uids - {broken.sop_instance_uid}
    assert {answers[uid] for uid in good} == {0}
    assert set(orthanc.instances()) == good


async def test_basic_authentication(store: Store, tmp_path: Path) -> None:
    need("orthanc")
    extra = {"AuthenticationEnabled": True, "RegisteredUsers": {"fiona": "secret"}}
    password = tmp_path / "password"
    password.write_text("secret\n")
    with disposable(Guarded(tmp_path / "orthanc", extra=extra)) as guarded:
        with pytest.raises(Unavailable, match="HTTP 401"):
            await send(DicomWebClient(config(guarded.dicomweb_url)), Part(store).ct(1))
        with pytest.raises(EchoFailed, match="HTTP 401"):
            await echo("x", config(guarded.dicomweb_url), tmp_path)
        part = Part(store).ct(2)
        ours = config(guarded.dicomweb_url, username="fiona", password_file=password)
        assert await send(DicomWebClient(ours), part) == dict.fromkeys(part.uids, 0)


class Guarded(Orthanc):
    """Orthanc that wants a password, from us too."""

    def ready(self) -> bool:
        return accepts(self.http_port)


async def test_nobody_there(store: Store, orthanc: Orthanc) -> None:
    orthanc.stop()
    client = DicomWebClient(config(orthanc.dicomweb_url))
    try:
        with pytest.raises(Unavailable, match="ConnectError"):
            await send(client, Part(store).ct(1))
        with pytest.raises(Unavailable, match="ConnectError"):
            await client.count("1.2", "1.3")
    finally:
        orthanc.start()


Script = Callable[[str, str, int], tuple[int, object]]
"""(method, path, instances in the body) -> (status, JSON)."""


@contextmanager
def server(script: Script) -> Iterator[str]:
    """A DICOMweb server that answers as told; its root."""

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, content = script(self.command, self.path, body.count(b"Content-Type: application/dicom\r"))
            encoded = b"" if content is None else json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/dicom+json")
            self.send_header("Content-Length", str(len(encoded)))
            self.end_headers()
            self.wfile.write(encoded)

        do_GET = do_POST = do_DELETE = answer

        def log_message(self, format: str, *args: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{http.server_address[1]}/root"
        finally:
            http.shutdown()
            thread.join()


@pytest.mark.parametrize("status", [401, 403, 404, 408, 429, 500, 503])
async def test_a_server_that_is_not_well_is_unavailable(store: Store, status: int) -> None:
    with server(lambda *_: (status, None)) as url, pytest.raises(Unavailable, match=str(status)):
        await send(DicomWebClient(config(url)), Part(store).ct(2))


@pytest.mark.parametrize(
    ("status", "refusal"), [(400, CANNOT_UNDERSTAND), (413, CANNOT_UNDERSTAND), (415, SOP_CLASS_NOT_SUPPORTED)]
)
async def test_a_request_that_fails_as_a_whole_is_divided(store: Store, status: int, refusal: int) -> None:
    part = Part(store).ct(7)
    sizes = []

    def script(method: str, path: str, instances: int) -> tuple[int, object]:
        sizes.append(instances)
        return (200, None) if instances == 1 and len(sizes) > 6 else (status, None)

    with server(script) as url:
        answers = await send(DicomWebClient(config(url)), part)
    assert answers.keys() == part.uids
    assert set(answers.values()) == {0, refusal}
    assert sizes[0] == 7
    assert min(sizes) == 1


async def test_a_bearer_token(store: Store, tmp_path: Path) -> None:
    seen = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(self.headers["Authorization"])
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None: ...

    token = tmp_path / "token"
    token.write_text("abc\n")
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        answering = asyncio.to_thread(http.handle_request)
        task = asyncio.create_task(answering)
        await echo("x", config(f"http://127.0.0.1:{http.server_address[1]}", token_file=token), tmp_path)
        await task
    assert seen == ["Bearer abc"]


async def test_pages_are_read_to_the_end() -> None:
    uids = [f"1.2.{number}" for number in range(2500)]

    def script(method: str, path: str, instances: int) -> tuple[int, object]:
        offset = int(path.rpartition("offset=")[2])
        return 200, [{"00080018": {"vr": "UI", "Value": [uid]}} for uid in uids[offset : offset + 1000]]

    with server(script) as url:
        found = await DicomWebClient(config(url)).count("1.2", "1.3")
    assert found is not None
    assert found.instances == frozenset(uids)


async def test_a_server_without_queries_cannot_be_asked() -> None:
    with server(lambda *_: (404, None)) as url:
        assert await DicomWebClient(config(url)).count("1.2", "1.3") is None


async def test_a_series_that_is_not_there_is_not_found() -> None:
    with server(lambda _, path, __: (404, None) if "series" in path else (200, [])) as url:
        found = await DicomWebClient(config(url)).count("1.2", "1.3")
    assert found is not None
    assert found.number == 0
