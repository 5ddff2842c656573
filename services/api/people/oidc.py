"""OpenID Connect: authorization code with PKCE; what the provider says is believed when its signature, and every claim
that ties it to this sign-in, has been checked (OpenID Connect Core 1.0 §3.1.3.7)."""

import json
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from contextlib import suppress
from dataclasses import asdict, dataclass
from hashlib import sha256
from time import time
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import httpx
from cryptography.exceptions import InvalidTag
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from services.api.people.elsewhere import Oidc
from services.api.people.vouched import Vouched
from services.api.settings import is_loopback
from shared.crypto import Vault

SECONDS: Final = 600
"""How long somebody may take at the provider."""

ALGORITHMS: Final = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
"""Signatures; nothing without one, and nothing by a shared secret."""

LEEWAY: Final = 60
"""Seconds that clocks may differ."""

LATER: Final = (408, 425, 429)
"""It has not looked at what was asked."""


class OidcUnavailable(Exception):
    """The provider cannot be asked, or its answers are none."""


class OidcRefused(Exception):
    """What it says is not to be believed, or it says no; the text is free of what it said."""


@dataclass(frozen=True)
class Journey:
    """A sign-in under way: sealed into a cookie, so that only the browser that has begun it ends it."""

    provider: str
    state: str
    nonce: str
    verifier: str
    until: float
    port: int = 0
    """Of a terminal that waits for the browser; 0: there is none."""
    challenge: str = ""
    """Of the terminal's verifier."""

    @classmethod
    def begin(cls, provider: str, port: int = 0, challenge: str = "") -> "Journey":
        """A new one."""
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        return cls(provider, state, nonce, verifier, time() + SECONDS, port, challenge)

    def sealed(self, vault: Vault) -> str:
        """As a cookie's value."""
        return urlsafe_b64encode(vault.encrypt(json.dumps(asdict(self)))).decode()

    @classmethod
    def opened(cls, vault: Vault, cookie: str, provider: str, state: str) -> "Journey":
        """The one that a browser comes back from; OidcRefused when it is another, or none."""
        try:
            journey = cls(**json.loads(vault.decrypt(urlsafe_b64decode(cookie))))
        except (InvalidTag, ValueError, TypeError):
            raise OidcRefused("no sign-in is under way") from None
        if journey.until < time():
            raise OidcRefused("it took too long")
        if not secrets.compare_digest(journey.state.encode(), state.encode()) or journey.provider != provider:
            raise OidcRefused("another sign-in is under way")
        return journey


class Client:
    """What is asked of one provider."""

    def __init__(self, provider: Oidc, callback: str, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._provider = provider
        self._callback = callback
        self._transport = transport
        self._known: dict[str, Any] | None = None

    async def way(self, journey: Journey) -> str:
        """Where the browser goes."""
        asked = {
            "response_type": "code",
            "client_id": self._provider.client_id,
            "redirect_uri": self._callback,
            "scope": " ".join(self._provider.scopes),
            "state": journey.state,
            "nonce": journey.nonce,
            "code_challenge": challenge(journey.verifier),
            "code_challenge_method": "S256",
        }
        endpoint = str((await self._configuration())["authorization_endpoint"])
        return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(asked)}"

    async def person(self, journey: Journey, code: str, issuer: str | None) -> tuple[Vouched, str]:
        """Who has signed in there, and what the provider can be asked again by (empty: nothing).

        `issuer`: what came back with the code (RFC 9207), if anything did.
        """
        if issuer is not None and issuer != self._provider.issuer:
            raise OidcRefused("the code is another provider's")
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._callback,
            "code_verifier": journey.verifier,
        }
        answer = await self._token(form)
        claims = await self._claims(str(answer.get("id_token", "")), {"essential": True, "value": journey.nonce})
        return vouched(self._provider, await self._all_of(claims, answer)), str(answer.get("refresh_token") or "")

    async def again(self, refresh: str, subject: str) -> tuple[Vouched | None, str]:
        """What it says now of whoever has signed in, and by what it is asked the next time (§12).

        None: that the person is still there, and nothing of their groups. OidcRefused when it does not vouch any more.
        """
        answer = await self._token({"grant_type": "refresh_token", "refresh_token": refresh})
        said = answer.get("id_token")
        claims = await self._claims(str(said), {}) if said else {"sub": subject}
        if claims["sub"] != subject:
            raise OidcRefused("it speaks of somebody else")
        known = await self._all_of(claims, answer)
        silent = not said and self._provider.groups_claim.partition(".")[0] not in known
        return None if silent else vouched(self._provider, known), str(answer.get("refresh_token") or refresh)

    async def _all_of(self, claims: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
        return claims | await self._more(claims, str(answer.get("access_token", "")))

    async def _configuration(self) -> dict[str, Any]:
        """Its discovery document (OpenID Connect Discovery 1.0 §4), read once."""
        if self._known is None:
            found = await self._ask("GET", f"{self._provider.issuer.rstrip('/')}/.well-known/openid-configuration")
            if found.get("issuer") != self._provider.issuer:
                raise OidcRefused("its discovery document is another issuer's")
            for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
                _over_tls(str(found.get(name, "")))
            self._known = found
        return self._known

    async def _token(self, form: dict[str, str]) -> dict[str, Any]:
        form = {**form, "client_id": self._provider.client_id}
        auth = None
        if self._provider.client_secret_file is not None:
            secret = self._provider.client_secret_file.read_text("utf-8").strip()
            methods = (await self._configuration()).get(
                "token_endpoint_auth_methods_supported", ["client_secret_basic"]
            )
            if "client_secret_basic" in methods:
                auth = httpx.BasicAuth(self._provider.client_id, secret)
            else:
                form["client_secret"] = secret
        return await self._ask("POST", str((await self._configuration())["token_endpoint"]), data=form, auth=auth)

    async def _claims(self, id_token: str, nonce: Any) -> dict[str, Any]:
        keys = _understood(await self._ask("GET", str((await self._configuration())["jwks_uri"])))
        registry = jwt.JWTClaimsRegistry(
            leeway=LEEWAY,
            iss={"essential": True, "value": self._provider.issuer},
            aud={"essential": True, "value": self._provider.client_id},
            nonce=nonce,
            sub={"essential": True},
            exp={"essential": True},
            iat={"essential": True},
        )
        try:
            claims = dict(jwt.decode(id_token, keys, algorithms=ALGORITHMS).claims)
            registry.validate(claims)
        except (JoseError, ValueError) as error:
            raise OidcRefused(f"its word is not good: {type(error).__name__}") from None
        if claims.get("azp", self._provider.client_id) != self._provider.client_id:
            raise OidcRefused("its word is for another client")
        return claims

    async def _more(self, claims: dict[str, Any], access_token: str) -> dict[str, Any]:
        """What the UserInfo endpoint adds, if there is one; of the same person only (§5.3.2)."""
        endpoint = (await self._configuration()).get("userinfo_endpoint")
        if not endpoint or not access_token:
            return {}
        _over_tls(str(endpoint))
        found = await self._ask("GET", str(endpoint), headers={"Authorization": f"Bearer {access_token}"})
        if found.get("sub") != claims["sub"]:
            raise OidcRefused("it speaks of somebody else")
        return {name: value for name, value in found.items() if name not in claims}

    async def _ask(self, method: str, url: str, **more: Any) -> dict[str, Any]:
        try:
            async with httpx.AsyncClient(timeout=self._provider.timeout, transport=self._transport) as http:
                answer = await http.request(method, url, **more)
            found = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise OidcUnavailable(type(error).__name__) from None
        if answer.status_code >= 500 or answer.status_code in LATER:
            raise OidcUnavailable(f"HTTP {answer.status_code}")
        if not answer.is_success or not isinstance(found, dict):
            raise OidcRefused(f"HTTP {answer.status_code}")
        return found


def _understood(said: dict[str, Any]) -> KeySet:
    """Its keys; one of a kind or a curve that is not known here is passed over (RFC 7517 §5)."""
    listed = said.get("keys")
    keys: list[Any] = []
    for each in listed if isinstance(listed, list) else ():
        with suppress(JoseError, ValueError, TypeError, LookupError, AttributeError):
            keys += KeySet.import_key_set({"keys": [each]}).keys
    return KeySet(keys)


def challenge(verifier: str) -> str:
    """RFC 7636 §4.2."""
    return urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def vouched(provider: Oidc, claims: dict[str, Any]) -> Vouched:
    """Who it is, by the claims that the settings name; without a login claim the subject is the login."""

    def text(name: str) -> str:
        value = claims.get(name)
        return value.strip() if isinstance(value, str) else ""

    groups: Any = claims
    for part in provider.groups_claim.split("."):
        groups = groups.get(part) if isinstance(groups, dict) else None
    listed = [groups] if isinstance(groups, str) else groups if isinstance(groups, list) else []
    subject = str(claims["sub"])
    if not subject.isprintable():
        raise OidcRefused("its name for somebody cannot be kept")
    return Vouched(
        origin="oidc",
        subject=f"{provider.name}:{subject}",
        login=(text(provider.login_claim) or subject).casefold(),
        name=text(provider.name_claim),
        mail=text(provider.mail_claim),
        groups=frozenset(each for each in listed if isinstance(each, str)),
    )


def _over_tls(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme != "https" and not is_loopback(parts.hostname or ""):
        raise OidcRefused("an address of it is not https")
