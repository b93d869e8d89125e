"""The workspace's secret, the key of hashes of household ids that are kept outside the records.

It is kept in ``secret.key``, which only its owner may read. No artefact and, unless somebody asks for it, no backup
contains it.
"""

import hmac
import secrets
from contextlib import suppress
from pathlib import Path

from features.atomic import open_atomically
from features.language import UserError

SECRET = "secret.key"
_BYTES = 32


def workspace_secret(workspace: Path) -> bytes:
    """Return the secret: 32 bytes; made at the first use. Raises UserError where the file holds something else."""
    path = workspace / SECRET
    if not path.is_file():
        _make(path)
    try:
        secret = bytes.fromhex(path.read_text("ascii"))
    except ValueError:
        secret = b""
    if len(secret) == _BYTES:
        return secret
    raise UserError(
        f"{path}：内容损坏；请从另存处放回原来的文件",
        f"{path}: damaged; put the file back from where a copy is kept",
    )


def _make(path: Path) -> None:
    """Write a new secret, unless another process was faster."""
    with suppress(FileExistsError), open_atomically(path) as file:
        if path.exists():
            raise FileExistsError(path)
        file.write(secrets.token_hex(_BYTES).encode())


def keyed_hash(secret: bytes, use: str, text: str) -> str:
    """Return the HMAC-SHA256 of a text as 64 hexadecimal digits.

    ``secret``: of the workspace. ``use``: what the hash is for, so that hashes of different files cannot be compared.
    """
    return hmac.digest(secret, f"{use}\n{text}".encode(), "sha256").hex()
