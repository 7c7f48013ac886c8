"""The next step follows from what a connection ended with: as uv, OpenSSL and the resolver print it."""

from __future__ import annotations

import pytest

from module_utils.whisperx_common.connection_causes import remedy_of
from module_utils.whisperx_lock.complaint import complaint
from module_utils.whisperx_lock.sources import Sources


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("invalid peer certificate: UnknownIssuer", "SSL_CERT_FILE"),
        ("invalid peer certificate: Other(OtherError(CaUsedAsEndEntity))", "SSL_CERT_FILE"),
        ("certificate verify failed: unable to get local issuer certificate (_ssl.c:992)", "SSL_CERT_FILE"),
        ("certificate verify failed: self-signed certificate in certificate chain", "SSL_CERT_FILE"),
        ("invalid peer certificate: Expired", "clock"),
        ("invalid peer certificate: certificate expired: verification time 1 (UNIX)", "clock"),
        ("invalid peer certificate: NotValidForName", "another name"),
        ('certificate not valid for name "index.example.org"', "another name"),
        ("tunnel error: 407 Proxy Authentication Required", "HTTPS_PROXY=http://USER"),
        ("dns error: failed to lookup address information: Name or service not known", "resolve the name"),
        ("[Errno -3] Temporary failure in name resolution", "resolve the name"),
        ("Connection refused (os error 111)", "Nothing listens"),
        ("operation timed out", "UV_HTTP_TIMEOUT"),
        ("Network is unreachable (os error 101)", "firewall"),
        ("HTTP status client error (401 Unauthorized) for url (https://x/)", "whisperx_plan_index_username"),
        ("HTTP status client error (404 Not Found) for url (https://x/)", "/simple"),
        ("HTTP status client error (429 Too Many Requests) for url (https://x/)", "limits requests"),
        ("HTTP status server error (503 Service Unavailable) for url (https://x/)", "server fails"),
        ("peer closed connection without sending TLS close_notify", "whisperx_plan_index_url to a mirror"),
    ],
)
def test_each_cause_has_its_step(text: str, told: str) -> None:
    found = remedy_of(text, "whisperx_plan_index_url")
    assert told in found and "{" not in found
    stderr = f"error: Failed to fetch: `https://index.example.org/simple/tiny/`\n  cause: {text}\n"
    problem = complaint(stderr, Sources())
    assert (problem.rule, problem.remedy) == ("lock.index", found)
