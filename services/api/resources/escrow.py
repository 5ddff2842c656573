"""A project's key leaves for escrow: sealed with a passphrase, for those who manage it, and noted."""

import asyncio
import json

from fastapi import APIRouter
from pydantic import Field, SecretStr

from services.api.answers import Shape, example
from services.api.needs import Ctx, ProjectName
from services.api.problems import Problem, documented
from services.api.projects import get_project
from shared.escrow import LEAST, seal
from shared.log import logger

router = APIRouter(tags=["projects"])
log = logger("api")


class Passphrase(Shape):
    """What opens the file again."""

    model_config = example(passphrase="seven words that nobody else would put together")  # noqa: S106  an example
    passphrase: SecretStr = Field(min_length=LEAST, max_length=1000)


class SealedKey(Shape):
    """A project's key under a passphrase."""

    model_config = example(
        format="fiona project key 1",
        project="ABCD-study",
        fingerprint="0c6f1f0b6ad7e3d5a1d2c3b4a5968778",
        salt="c2FsdA==",
        nonce="bm9uY2U=",
        sealed="c2VhbGVk",
    )
    format: str
    project: str = Field(description="bound to it: additional data of AES-GCM")
    fingerprint: str = Field(description="by which the copy is compared with the key in use")
    salt: str = Field(description="base64; scrypt makes the sealing key of it and the passphrase")
    nonce: str = Field(description="base64")
    sealed: str = Field(description="base64")


@router.post(
    "/projects/{name}/key",
    summary="A project's key, sealed with a passphrase",
    responses=documented("unknown-project", "project-closed", "invalid-request"),
)
async def export_key(context: Ctx, name: ProjectName, wish: Passphrase) -> SealedKey:
    """With it, and the passphrase, the project's pseudonyms can be made without this gateway."""
    async with context.database.reading() as session:
        project = await get_project(session, name)
    if not (key := context.vault.decrypt_bytes(project.encrypted_key)):
        raise Problem("project-closed", "the project is deleted, and its key with it")
    sealed = await asyncio.to_thread(seal, name, key, wish.passphrase.get_secret_value())
    log.info("project key sealed for escrow", project=name)
    return SealedKey(**json.loads(sealed))
