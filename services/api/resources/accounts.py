"""Accounts: who there is, made and changed by administrators; an account is disabled, never removed."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field, SecretStr

from services.api.actor import SystemRole
from services.api.answers import Change, Page, Shape, example
from services.api.etags import EDITED, SHOWN, Edit, Shown, tag_of
from services.api.lists import part
from services.api.needs import Ctx, Limit, Line, Login, Offset
from services.api.people.accounts import get_account, keep_an_administrator, replace_password, settle
from services.api.people.signing_in import Door
from services.api.problems import Problem, documented
from services.api.resources.session import Wanted, checked
from shared.database import insert_new
from shared.log import logger
from shared.tables import Account
from shared.tables.base import now

router = APIRouter(tags=["people"])
log = logger("api")

Mail = Annotated[str, Field(max_length=254, pattern=r"^$|^[^@\s\x00-\x1f]+@[^@\s\x00-\x1f]+$")]
EXAMPLE = {"login": "k.olsen", "name": "Kari Olsen", "mail": "k.olsen@example.org", "system_roles": ["operator"]}


class NewAccount(Shape):
    """An account to be made."""

    model_config = example(**EXAMPLE, password="six words nobody else would think of")  # noqa: S106  an example
    login: Login
    name: Line = ""
    mail: Mail = ""
    system_roles: list[SystemRole] = Field(default=[], max_length=3)
    password: Wanted | None = Field(default=None, description="null: none until somebody sets it")


class AccountChange(Change):
    """What is to be different; what is not named stays."""

    model_config = example(disabled=True)
    name: Line = ""
    mail: Mail = ""
    system_roles: list[SystemRole] = Field(default=[], max_length=3)
    disabled: bool = Field(default=False, description="cannot sign in; sessions and tokens end")


class EditedAccount(Shape):
    """The part of an account that people edit."""

    login: str
    name: str
    mail: str
    system_roles: list[SystemRole]
    disabled: bool


class NewPassword(Shape):
    """A password that an administrator gives."""

    model_config = example(password="six words nobody else would think of")  # noqa: S106  an example
    password: Wanted


class AccountItem(Shape):
    """An account."""

    model_config = example(
        **EXAMPLE,
        mapped_roles=[],
        origin="local",
        disabled=False,
        created_at="2026-01-01T08:00:00Z",
        signed_in_at="2026-01-02T08:00:00Z",
    )
    login: str
    name: str
    mail: str
    origin: str = Field(description="local, ldap or oidc: who checks the password")
    system_roles: list[SystemRole]
    mapped_roles: list[SystemRole] = Field(description="by the groups of a directory, at the last sign-in")
    disabled: bool
    created_at: datetime
    signed_in_at: datetime | None


@router.get("/accounts", summary="Accounts by login")
async def list_accounts(
    context: Ctx,
    disabled: Annotated[bool | None, Query(description="only those that are, or are not")] = None,
    limit: Limit = 100,
    offset: Offset = 0,
) -> Page[AccountItem]:
    """All of them."""
    where = [] if disabled is None else [Account.disabled == disabled]
    async with context.database.reading() as session:
        rows, total = await part(session, Account, where, [Account.login], limit, offset)
        return Page(items=[_item(row) for row in rows], total=total)


@router.post(
    "/accounts", summary="Make an account", status_code=201, responses=documented("account-exists", "invalid-request")
)
async def make_account(context: Ctx, request: Request, wish: NewAccount, response: Response) -> AccountItem:
    """A local one: those of a directory make themselves at their first sign-in."""
    values = _stored(wish.model_dump(exclude={"password"})) | {"mapped_roles": [], "origin": "local", "disabled": False}
    values |= {"created_at": now(), "password": None, "subject": None, "signed_in_at": None}
    if wish.password is not None:
        values["password"] = await _hashed(request, wish.password, wish.login, wish.name)
    async with context.database.session() as session:
        if not await insert_new(session, Account, [values]):
            raise Problem("account-exists")
    log.info("account made")
    response.headers["Location"] = f"/api/v1/accounts/{wish.login}"
    return _item(Account(**values))


@router.get("/accounts/{login}", summary="One account", responses=documented("unknown-account") | SHOWN)
async def show_account(context: Ctx, login: Login, shown: Shown) -> AccountItem:
    """The same as in the list."""
    async with context.database.reading() as session:
        row = await get_account(session, login)
    return shown(_item(row), _edited(row))


@router.patch(
    "/accounts/{login}",
    summary="Change an account",
    responses=documented("unknown-account", "last-administrator", "invalid-request", *EDITED),
)
async def change_account(context: Ctx, login: Login, wish: AccountChange, edit: Edit) -> AccountItem:
    """Whoever is disabled, or has no role left, is out at once."""
    async with context.database.session() as session:
        account = await get_account(session, login, edited=True)
        edit.check(_edited(account))
        for field, value in _stored(wish.given()).items():
            setattr(account, field, value)
        await settle(session, account)
        await keep_an_administrator(session)
        log.info("account changed")
        return edit.made(_item(account), tag_of(_edited(account)))


@router.put(
    "/accounts/{login}/password",
    summary="Give somebody a password",
    status_code=204,
    responses=documented("unknown-account", "password-elsewhere", "invalid-request"),
)
async def set_account_password(context: Ctx, request: Request, login: Login, wish: NewPassword) -> None:
    """Their sessions and tokens end."""
    async with context.database.reading() as session:
        before = await get_account(session, login)
    if before.origin != "local":
        raise Problem("password-elsewhere")
    hashed = await _hashed(request, wish.password, before.login, before.name)
    async with context.database.session() as session:
        await replace_password(session, await get_account(session, login), hashed)
    log.info("password set")


async def _hashed(request: Request, password: SecretStr, *about: str) -> str:
    door: Door = request.app.state.door
    return await door.passwords.hash(checked(password.get_secret_value(), "password", *about))


def _stored(values: dict[str, Any]) -> dict[str, Any]:
    """As the table has it."""
    if "system_roles" in values:
        values["system_roles"] = sorted({role.value for role in values["system_roles"]})
    if "mail" in values:
        values["mail"] = values["mail"].casefold()
    return values


def _edited(row: Account) -> EditedAccount:
    return EditedAccount.model_validate(row, from_attributes=True)


def _item(row: Account) -> AccountItem:
    return AccountItem.model_validate(row, from_attributes=True)
