"""The file in a request: the body itself, or the first file of a form. Never on a disk: it names patients."""

from fastapi import Request
from python_multipart.exceptions import FormParserError
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from services.api.problems import Problem

FORM = "multipart/form-data"
PLAIN = ("text/csv", "text/plain", "text/tab-separated-values", "application/csv", "application/vnd.ms-excel")
"""What browsers and programs call such a file."""


class _InMemory(MultiPartParser):
    """As large as the guard lets a body be, and no temporary file."""

    spool_max_size = 2**40


async def file_of(request: Request) -> bytes:
    """Its bytes; a problem when there is no file, or it is of a type that no list has."""
    said = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if said in PLAIN:
        return await request.body()
    if said != FORM:
        raise Problem("unsupported-media-type", f"a coupling list comes as text/csv or {FORM}")
    try:
        form = await _InMemory(request.headers, request.stream(), max_files=1, max_fields=10).parse()
    except (MultiPartException, FormParserError) as error:
        raise Problem("malformed-request", "the form cannot be read, or holds more than one file") from error
    try:
        files = [part for _, part in form.multi_items() if isinstance(part, UploadFile)]
        if not files:
            raise Problem("malformed-request", "the form holds no file")
        return await files[0].read()
    finally:
        await form.close()
