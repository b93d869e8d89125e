"""A file that only a passphrase opens: AES-256-GCM in pieces of a megabyte, each tied to its place and to the end.

A piece that is missing, moved, changed or left out at the end is noticed. The key is made of the passphrase by scrypt.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from features.language import UserError, say

BEGINNING = b"XIANYING SEALED 1\n"
SALT, PREFIX, TAG = 16, 7, 16
PIECE = 1 << 20
SHORTEST = 12  # characters of a passphrase


def sealed(path: Path) -> bool:
    """Tell whether a file was sealed."""
    with path.open("rb") as file:
        return file.read(len(BEGINNING)) == BEGINNING


class _Pieces:
    """The cipher of one file, and the nonce of each of its pieces."""

    def __init__(self, passphrase: str, salt: bytes, prefix: bytes) -> None:
        key = Scrypt(salt=salt, length=32, n=1 << 15, r=8, p=1).derive(passphrase.encode())
        self.cipher, self._prefix, self._number = AESGCM(key), prefix, 0

    def next_nonce(self, last: bool) -> bytes:
        """Number the pieces; the last one is marked."""
        self._number += 1
        return self._prefix + self._number.to_bytes(4, "big") + bytes([last])


class _Sealer:
    """What a tar archive is written into."""

    def __init__(self, file: BinaryIO, passphrase: str) -> None:
        salt, prefix = os.urandom(SALT), os.urandom(PREFIX)
        file.write(BEGINNING + salt + prefix)
        self._file, self._pieces, self._waiting = file, _Pieces(passphrase, salt, prefix), bytearray()

    def write(self, content: bytes) -> int:
        """Take content of any length."""
        self._waiting += content
        while len(self._waiting) > PIECE:
            self._put(bytes(self._waiting[:PIECE]), last=False)
            del self._waiting[:PIECE]
        return len(content)

    def flush(self) -> None:
        """Keep what is not a whole piece yet."""

    def end(self) -> None:
        """Write the last piece."""
        self._put(bytes(self._waiting), last=True)

    def _put(self, content: bytes, last: bool) -> None:
        self._file.write(self._pieces.cipher.encrypt(self._pieces.next_nonce(last), content, BEGINNING))


@contextmanager
def sealing(file: BinaryIO, passphrase: str | None) -> Iterator[BinaryIO]:
    """Seal what is written inside the block; without a passphrase it is written as it is."""
    if passphrase is None:
        yield file
        return
    sealer = _Sealer(file, passphrase)
    yield sealer  # type: ignore[misc]
    sealer.end()


def open_sealed(source: Path, target: Path, passphrase: str) -> None:
    """Write a sealed file's content. Raises UserError for another passphrase and for a file that is not whole."""
    left = source.stat().st_size - len(BEGINNING) - SALT - PREFIX
    with source.open("rb") as file, target.open("wb") as content:
        file.seek(len(BEGINNING))
        pieces = _Pieces(passphrase, file.read(SALT), file.read(PREFIX))
        while left >= 0:
            piece = file.read(PIECE + TAG)
            left -= PIECE + TAG
            try:
                content.write(pieces.cipher.decrypt(pieces.next_nonce(left <= 0), piece, BEGINNING))
            except (InvalidTag, ValueError) as error:
                raise UserError(
                    say(
                        f"{source}：口令不对，或文件已损坏",
                        f"{source}: another passphrase, or a damaged file",
                    )
                ) from error
            if left <= 0:
                return
    raise UserError(say(f"{source}：文件已损坏，不完整", f"{source}: damaged, not whole"))
