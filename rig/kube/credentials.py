"""What a cluster needs to be trusted: a CA, the server's certificate, the tokens' key and the users' tokens."""

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import trustme

ADMIN = "admin"
_ADMINS = "system:masters"  # the group that RBAC never refuses


@dataclass(frozen=True, slots=True)
class Credentials:
    """Made for one run and written to one folder.

    Attributes:
        ca_pem: the certificate to trust.
        tokens: by user name.
        flags: those of kube-apiserver that are about them.
    """

    ca_pem: str
    tokens: Mapping[str, str]
    flags: Sequence[str]


def make(folder: Path, users: Sequence[str]) -> Credentials:
    """Make credentials for ``users``, who may do nothing yet, and for the administrator."""
    ca = trustme.CA()
    server = ca.issue_cert("127.0.0.1", "localhost")
    server.cert_chain_pems[0].write_to_path(folder / "server.crt")
    server.private_key_pem.write_to_path(folder / "server.key")
    ca.cert_pem.write_to_path(folder / "ca.crt")
    ca.issue_cert("service-accounts.invalid").private_key_pem.write_to_path(folder / "accounts.key")
    tokens = {name: secrets.token_urlsafe(24) for name in (ADMIN, *users)}
    rows = [f'{token},{name},{name},"{_ADMINS if name == ADMIN else ""}"' for name, token in tokens.items()]
    (folder / "tokens.csv").write_text("\n".join(rows) + "\n")
    flags = (
        f"--tls-cert-file={folder / 'server.crt'}",
        f"--tls-private-key-file={folder / 'server.key'}",
        f"--client-ca-file={folder / 'ca.crt'}",
        f"--token-auth-file={folder / 'tokens.csv'}",
        f"--service-account-signing-key-file={folder / 'accounts.key'}",
        f"--service-account-key-file={folder / 'accounts.key'}",
    )
    return Credentials(ca.cert_pem.bytes().decode(), tokens, flags)


def kubeconfig(url: str, ca_file: Path, token: str) -> str:
    """A kubeconfig for one user (JSON, which is YAML)."""
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "rig", "cluster": {"server": url, "certificate-authority": str(ca_file)}}],
        "users": [{"name": "user", "user": {"token": token}}],
        "contexts": [{"name": "rig", "context": {"cluster": "rig", "user": "user", "namespace": "default"}}],
        "current-context": "rig",
    }
    return json.dumps(config, indent=2)
