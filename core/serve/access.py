"""Who may make requests, and who a request counts as."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import socket
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from .errors import NO_RETRY, ApiError

if TYPE_CHECKING:
    from starlette.datastructures import Headers
    from starlette.types import Scope

    from .settings import ServerSettings

OPEN = ("/", "/health", "/static/")
"""Addresses that need no key; the last one with all below it."""


def is_loopback(host: str) -> bool:
    """Whether a host name or address means this machine only. One that does not exist is not."""
    try:
        found = {str(item[4][0]) for item in socket.getaddrinfo(host or "0.0.0.0", None)}
    except OSError:
        return False
    return all(ipaddress.ip_address(address.partition("%")[0]).is_loopback for address in found)


def checked_user(scope: Scope, headers: Headers, settings: ServerSettings) -> str:
    """The user that a request counts as: its key, as a digest, or the address of the client.

    Raises ``ApiError`` for a missing or wrong key. Without keys, pages of other sites must not use the server through
    the browser of its user: requests that they send, or that come under another name than the server's, are refused.
    """
    if settings.api_keys:
        path = scope["path"]
        return _user_of_key(headers, settings.api_keys, needed=path not in OPEN and not path.startswith(OPEN[-1]))
    host = headers.get("host", "")
    if settings.loopback and host and not _is_local(host):
        hint = "start it with --api-key to use it under another name"
        raise ApiError(403, f"this server answers requests to localhost only ({hint})", code="wrong_host")
    origin = headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != host:
        raise ApiError(403, "this server answers no requests of pages from other sites", code="wrong_origin")
    return str((scope.get("client") or ("unknown",))[0])


def _user_of_key(headers: Headers, keys: tuple[str, ...], needed: bool) -> str:
    scheme, _, given = headers.get("authorization", "").partition(" ")
    digest = hashlib.sha256(given.strip().encode("utf-8", "surrogateescape")).digest()
    # All keys are compared, and digests rather than texts, so that the time tells nothing about a key.
    known = [hmac.compare_digest(digest, hashlib.sha256(key.encode()).digest()) for key in keys]
    if scheme.lower() == "bearer" and any(known):
        return f"key {digest.hex()[:16]}"
    if not needed:
        return "anyone"
    what = "the API key is not valid" if given else "the API key is missing: send 'Authorization: Bearer KEY'"
    headers_of_error = {**NO_RETRY, "www-authenticate": "Bearer"}
    raise ApiError(401, what, code="invalid_api_key", headers=headers_of_error)


def _is_local(host: str) -> bool:
    name = urlsplit(f"//{host}").hostname or ""
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost" or name.endswith(".localhost")
