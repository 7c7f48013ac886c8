"""What to do about an index that cannot be reached, by what the connection ended with."""

from __future__ import annotations

import re
from typing import Tuple

__all__ = ["remedy_of"]

# Words of TLS, name and connection errors, as uv (rustls, reqwest, hyper) and the system print them.
# The first match counts; {setting} is the variable that names the index.
_CAUSES: Tuple[Tuple[str, str], ...] = (
    (
        r"UnknownIssuer|unknown ?issuer|self[- ]signed|CaUsedAsEndEntity|unable to get (?:local )?issuer"
        r"|certificate verify failed|BadSignature|InvalidPurpose|invalid peer certificate: Other",
        "The certificate is of a CA that the controller does not know: add the CA's "
        "certificate to the controller's "
        "system store (and set UV_SYSTEM_CERTS=true), or set SSL_CERT_FILE to a file that has it.",
    ),
    (
        r"certificate (?:has )?expired|: Expired|NotValidYet|not valid yet",
        "The certificate is not valid today: check the controller's clock, then let the "
        "index renew its certificate.",
    ),
    (
        r"NotValidForName|not valid for|hostname mismatch|doesn't match",
        "The certificate is for another name: use a name that it is for in {setting}.",
    ),
    (
        r"\b407\b|proxy auth",
        "The proxy wants a user: set HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT, or except "
        "the index in NO_PROXY.",
    ),
    (
        r"dns error|failed to lookup|name or service not known|name resolution"
        r"|nodename nor servname|no such host",
        "The controller cannot resolve the name: correct it in {setting}, or check the name "
        "servers and HTTPS_PROXY.",
    ),
    (
        r"connection refused|\b(?:ECONNREFUSED)\b",
        "Nothing listens there: check host and port in {setting}, and the proxy (HTTPS_PROXY, NO_PROXY).",
    ),
    (
        r"timed? ?out|deadline|unreachable|no route",
        "No response: check the way there (firewall, HTTPS_PROXY), raise UV_HTTP_TIMEOUT, or "
        "set {setting} to a mirror.",
    ),
    (
        r"\b40[13]\b|unauthorized|forbidden",
        "The index wants a user, or another one: set whisperx_plan_index_username and "
        "whisperx_plan_index_password.",
    ),
    (
        r"\b(?:429)\b|too many requests",
        "The index limits requests: try again later, or set {setting} to a mirror.",
    ),
    (
        r"\b404\b|not found",
        "The server has no index under this address: correct the path in {setting} (often …/simple).",
    ),
    (
        r"\b5\d\d\b|internal server error|bad gateway|service unavailable",
        "The server fails: try again later, or set {setting} to a mirror.",
    ),
)
_GENERAL = "Check the address and the network, or set {setting} to a mirror."


def remedy_of(text: str, setting: str) -> str:
    """Return the next step for what ``text`` says of a connection; ``setting``: the variable of the index."""
    found = (step for pattern, step in _CAUSES if re.search(pattern, text, re.IGNORECASE))
    return next(found, _GENERAL).format(setting=setting)
