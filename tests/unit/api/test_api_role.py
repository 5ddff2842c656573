"""The reviewer's role: one token, at least so long, and nobody has it when there is none."""

import io
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from services.api.role import Role
from services.api.settings import ApiSettings
from shared.database import Database
from shared.escrow import unseal
from shared.log import configure
from shared.tables import Project
from tests.unit.api.support import TOKEN, Api, kind, running

PATH = "/projects/ABCD-study/key"
BODY = {"passphrase": "a long passphrase"}


@pytest.mark.parametrize("token", ["", "fifteen letters", "sixteen letters\u00e9", "sixteen letters\n"])
def test_tokens_that_are_refused(token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIONA_API_REVIEWER_TOKEN", token)
    with pytest.raises(ValidationError, match="at least 16 characters"):
        ApiSettings()


def test_a_token_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "token"
    file.write_text(TOKEN + "\n")
    monkeypatch.setenv("FIONA_API_REVIEWER_TOKEN_FILE", str(file))
    settings = ApiSettings()
    assert Role(settings.reviewer_token).proven(TOKEN)
    assert TOKEN not in repr(settings)


def test_only_the_whole_token_proves_it() -> None:
    role = Role(SecretStr(TOKEN))
    assert [role.proven(said) for said in (None, "", TOKEN[:-1], TOKEN + "x", TOKEN.upper(), "\u00e9", TOKEN)] == [
        *[False] * 6,
        True,
    ]
    assert not Role(None).proven("")


@pytest.fixture
async def api(sqlite: Database, tmp_path: Path) -> AsyncIterator[Api]:
    async with running(sqlite, tmp_path / "store", reviewer_token=TOKEN) as api:
        await api.project()
        yield api


async def test_what_is_for_the_role(api: Api) -> None:
    assert kind(await api.post(PATH, BODY)) == "reviewer-only"
    assert (await api.post(PATH, BODY)).status_code == 403
    assert kind(await api.reviewing("POST", PATH, BODY, token="another token, as long")) == "reviewer-only"
    assert kind(await api.post(PATH, BODY, authorization=f"Basic {TOKEN}")) == "reviewer-only"
    sealed = await api.reviewing("POST", PATH, BODY)
    assert sealed.status_code == 200
    async with api.context.database.reading() as session:
        row = await session.get_one(Project, "ABCD-study")
    key = api.context.vault.decrypt_bytes(row.encrypted_key)
    assert unseal(sealed.text, BODY["passphrase"]) == ("ABCD-study", key)


async def test_a_wrong_token_is_said_even_where_none_is_needed(api: Api) -> None:
    assert (await api.get("/reviews")).status_code == 200
    assert (await api.reviewing("GET", "/reviews")).status_code == 200
    assert kind(await api.reviewing("GET", "/reviews", token="x")) == "reviewer-only"


async def test_without_a_token_nobody_has_the_role(sqlite: Database, tmp_path: Path) -> None:
    async with running(sqlite, tmp_path / "store") as api:
        await api.project()
        answer = await api.reviewing("POST", PATH, BODY, token="")
        assert kind(answer) == "reviewer-only"
        answer = await api.post(PATH, BODY)
        assert "no reviewer's token is set" in answer.json()["detail"]


async def test_tokens_and_passphrases_are_not_logged(api: Api) -> None:
    stream = io.StringIO()
    configure(stream=stream)
    await api.reviewing("POST", PATH, BODY)
    await api.reviewing("POST", PATH, BODY, token="another token, as long")
    await api.reviewing("POST", PATH, {"passphrase": "short"})
    said = stream.getvalue()
    assert "project key sealed for escrow" in said
    assert [word for word in (TOKEN, "another token", "a long passphrase", "short") if word in said] == []
