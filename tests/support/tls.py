"""Certificates for servers on loopback."""

from __future__ import annotations

import ssl

import pytest
import trustme


def tls_for(authority, name="127.0.0.1", **options):
    """A server's context, with a certificate for `name`; counts the handshakes begun."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name, **options).configure_cert(context)
    context.handshakes = []
    context.sni_callback = lambda *arguments: context.handshakes.append(arguments)
    return context


@pytest.fixture
def authority(tmp_path, monkeypatch):
    """An authority that is trusted."""
    authority = trustme.CA()
    bundle = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(str(bundle))
    monkeypatch.setenv("AWS_CA_BUNDLE", str(bundle))
    return authority
