"""LDAP: search for the person as a service account, then bind as who was found; ldap3, in a thread."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import ldap3
from ldap3.core.exceptions import LDAPException
from ldap3.utils.conv import escape_filter_chars

from services.api.people.elsewhere import DN, LOGIN, Ldap
from services.api.people.vouched import Vouched
from shared.log import logger

log = logger("api")
NOTHING = "1.1"
"""RFC 4511 §4.5.1.8: no attributes."""


class LdapUnavailable(Exception):
    """The directory cannot be asked; the text is free of what was asked."""


class _Checked(ldap3.Tls):  # type: ignore[misc]
    """TLS as the standard library does it: certificate and name are checked in the handshake."""

    def wrap_socket(self, connection: Any, do_handshake: bool = False) -> None:
        context = ssl.create_default_context(cafile=self.ca_certs_file)
        connection.socket = context.wrap_socket(connection.socket, server_hostname=connection.server.host)


def authenticate(directory: Ldap, login: str, password: str) -> Vouched | None:
    """The person with this password; None when it is nobody. Blocks. LdapUnavailable.

    An empty password is never tried: a directory takes a bind without one for nobody's, and succeeds (RFC 4513 §5.1.2).
    """
    if not login or not password:
        return None
    with _asking(directory) as connection:
        entry = _entry(connection, directory, _called(directory, login))
        if entry is None or not _binds(directory, entry["dn"], password):
            return None
        return _vouched(connection, directory, entry, login)


def look_up(directory: Ldap, login: str, subject: str) -> Vouched | None:
    """The person as they stand in it now, without a password; None when they are there no more. Blocks.

    By the login first, which costs a directory least; whoever is called otherwise by now is found by the id.
    """
    with _asking(directory) as connection:
        for words in (_called(directory, login), who_is(directory, subject)):
            entry = _entry(connection, directory, words)
            person = _vouched(connection, directory, entry, login) if entry else None
            if person is not None and person.subject == subject:
                return person
    return None


def _called(directory: Ldap, login: str) -> str:
    """A filter that finds whoever signs in so."""
    return directory.filter.replace(LOGIN, escape_filter_chars(login))


def who_is(directory: Ldap, subject: str) -> str:
    """A filter that finds who has this id, whatever they are called, as far as the settings' own lets them in."""
    identity = subject.removeprefix(f"{directory.name}:")
    values = [escape_filter_chars(identity)]
    with suppress(ValueError):
        values.append("".join(f"\\{byte:02x}" for byte in bytes.fromhex(identity)))
    same = "".join(f"({directory.id_attribute}={value})" for value in values)
    return f"(&{directory.filter.replace(LOGIN, '*')}(|{same}))"


@contextmanager
def _asking(directory: Ldap) -> Iterator[Any]:
    """A connection of the service account."""
    try:
        password = directory.password_file.read_text("utf-8").rstrip("\r\n") if directory.password_file else None
        with _connected(directory, directory.bind_dn or None, password) as connection:
            if not connection.bind():
                raise LdapUnavailable("it refuses the account that searches")
            yield connection
    except (LDAPException, OSError) as error:
        raise LdapUnavailable(type(error).__name__) from None


def _binds(directory: Ldap, who: str, password: str) -> bool:
    with _connected(directory, who, password) as connection:
        return bool(connection.bind())


@contextmanager
def _connected(directory: Ldap, who: str | None, password: str | None) -> Iterator[Any]:
    """A connection that nobody has bound yet; closed at the end of the block."""
    ca = str(directory.ca) if directory.ca else None
    server = ldap3.Server(
        directory.url.rstrip("/"),
        use_ssl=directory.ssl,
        tls=_Checked(validate=ssl.CERT_REQUIRED, ca_certs_file=ca),
        get_info=ldap3.NONE,
        connect_timeout=directory.timeout,
    )
    connection = ldap3.Connection(
        server,
        user=who,
        password=password,
        authentication=ldap3.SIMPLE if who else ldap3.ANONYMOUS,
        receive_timeout=directory.timeout,
        auto_referrals=False,
        raise_exceptions=False,
        read_only=True,
    )
    try:
        connection.open()
        if directory.starttls and not directory.ssl:
            connection.start_tls()
        yield connection
    finally:
        connection.unbind()
        if connection.socket is not None:
            connection.socket.close()


def _entry(connection: Any, directory: Ldap, words: str) -> dict[str, Any] | None:
    """The one entry; two are as good as none."""
    wanted = ("login", "name", "mail", "id", "group")
    attributes = [name for each in wanted if (name := getattr(directory, f"{each}_attribute"))]
    found = _search(connection, directory.base, words, attributes, 2)
    if len(found) > 1:
        log.warning("a login is ambiguous", destination=directory.name)
    return found[0] if len(found) == 1 else None


def _search(connection: Any, base: str, words: str, attributes: list[str], most: int = 0) -> list[dict[str, Any]]:
    connection.search(base, words, ldap3.SUBTREE, attributes=attributes, size_limit=most)
    if connection.result["description"] not in ("success", "sizeLimitExceeded", "noSuchObject"):
        raise LdapUnavailable(f"it answers {connection.result['description']}")
    return [each for each in connection.response or () if each["type"] == "searchResEntry"]


def _vouched(connection: Any, directory: Ldap, entry: dict[str, Any], login: str) -> Vouched:
    told = {name.casefold(): value for name, value in entry["raw_attributes"].items()}

    def all_of(attribute: str) -> list[str]:
        return [value.decode("utf-8", "replace") for value in told.get(attribute.casefold(), ())]

    def first(attribute: str, instead: str = "") -> str:
        return next(iter(all_of(attribute)), instead)

    groups = {*all_of(directory.group_attribute)} if directory.group_attribute else set()
    if directory.group_base:
        words = directory.group_filter.replace(DN, escape_filter_chars(entry["dn"]))
        words = words.replace(LOGIN, escape_filter_chars(first(directory.login_attribute, login)))
        groups |= {each["dn"] for each in _search(connection, directory.group_base, words, [NOTHING])}
    identity = told.get(directory.id_attribute.casefold()) or [entry["dn"].casefold().encode()]
    return Vouched(
        origin="ldap",
        subject=f"{directory.name}:{_readable(identity[0])}",
        login=first(directory.login_attribute, login).strip().casefold(),
        name=first(directory.name_attribute),
        mail=first(directory.mail_attribute),
        groups=frozenset(groups),
    )


def _readable(identity: bytes) -> str:
    """Active Directory's objectGUID is bytes."""
    try:
        text = identity.decode()
    except UnicodeDecodeError:
        return identity.hex()
    return text if text.isprintable() else identity.hex()
