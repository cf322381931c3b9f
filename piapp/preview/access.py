"""Who may look: token, cookie and Host header. Pure; what is done about it is `piapp.preview.gate`'s."""

from __future__ import annotations

import hmac
from ipaddress import ip_address
from urllib.parse import urlsplit

LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")


class Access:
    """Decides by what a request carries.

    Args:
        bind: The address that is listened on.
        token: What opens the page; None where everybody on this machine may look.
    """

    def __init__(self, bind: str, token: str | None) -> None:
        self._token = token
        # A browser can be made to ask a loopback address under a foreign name (DNS rebinding), and would pass on what
        # it gets. With a token that name has no cookie.
        open_to_this_machine = token is None and ip_address(bind).is_loopback
        self._hosts = {*LOCAL_NAMES, bind} if open_to_this_machine else None
        # The same after a restart, so that a tablet on the wall comes back by itself; another token signs it out.
        self._session = hmac.new((token or "").encode(), b"piapp live page", "sha256").hexdigest()

    @property
    def needs_token(self) -> bool:
        """Whether a token is asked for."""
        return self._token is not None

    @property
    def session(self) -> str:
        """The cookie's value for who has shown the token; says nothing about the token."""
        return self._session

    def knows_host(self, host: str) -> bool:
        """Whether the Host header may name this server."""
        return self._hosts is None or host_name(host) in self._hosts

    def is_token(self, text: str) -> bool:
        """Whether this is the token; takes the same time however much of it is right."""
        return self._token is not None and hmac.compare_digest(text.encode(), self._token.encode())

    def is_session(self, cookie: str) -> bool:
        """Whether this is the cookie's value of who has shown the token."""
        return hmac.compare_digest(cookie.encode(), self._session.encode())


def host_name(host: str) -> str | None:
    """The name in a Host header, without port; None when there is none."""
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None


def same_origin(host: str, origin: str | None, fetch_site: str | None) -> bool:
    """Whether a request that changes something comes from this page, or from no page at all.

    Args:
        host: The Host header.
        origin: The Origin header, None without one.
        fetch_site: The Sec-Fetch-Site header, None without one.
    """
    if fetch_site not in (None, "same-origin", "none"):
        return False
    return origin is None or (bool(host) and origin.lower() in (f"http://{host.lower()}", f"https://{host.lower()}"))
