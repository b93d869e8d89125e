"""A file that only a passphrase opens: AES-256-GCM or SM4-GCM in pieces of a megabyte, each tied to its place and end.

A piece that is missing, moved, changed or left out at the end is noticed. The key is made of the passphrase by scrypt.
The file's beginning names its cipher.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

from cryptography.exceptions import InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from features.language import UserError

SALT, PREFIX, TAG = 16, 7, 16
PIECE = 1 << 20
SHORTEST = 12  # characters of a passphrase


class SM4GCM:
    """SM4 (GB/T 32907) in Galois/counter mode (RFC 8998); the library has no class of its own for it."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def encrypt(self, nonce: bytes, data: bytes, associated_data: bytes) -> bytes:
        """Encrypt a piece."""
        encryptor = Cipher(algorithms.SM4(self._key), modes.GCM(nonce)).encryptor()
        encryptor.authenticate_additional_data(associated_data)
        return encryptor.update(data) + encryptor.finalize() + encryptor.tag

    def decrypt(self, nonce: bytes, data: bytes, associated_data: bytes) -> bytes:
        """Decrypt a piece. Raises InvalidTag where it is not as it was encrypted."""
        content, tag = data[:-TAG], data[-TAG:]
        decryptor = Cipher(algorithms.SM4(self._key), modes.GCM(nonce, tag)).decryptor()
        decryptor.authenticate_additional_data(associated_data)
        return decryptor.update(content) + decryptor.finalize()


class Sealing(NamedTuple):
    """A cipher: how a file sealed with it begins, the length of its key in bytes, and what makes it of a key."""

    beginning: bytes
    key_length: int
    cipher: type[AESGCM] | type[SM4GCM]


AES, SM4 = "aes-256-gcm", "sm4-gcm"
CIPHERS = {
    AES: Sealing(b"XIANYING SEALED 1\n", 32, AESGCM),
    SM4: Sealing(b"XIANYING SEALED 2\n", 16, SM4GCM),
}
_LENGTH = len(CIPHERS[AES].beginning)


def sealed(path: Path) -> bool:
    """Tell whether a file was sealed."""
    return _cipher_of(path) is not None


def _cipher_of(path: Path) -> Sealing | None:
    with path.open("rb") as file:
        beginning = file.read(_LENGTH)
    return next((cipher for cipher in CIPHERS.values() if cipher.beginning == beginning), None)


class _Pieces:
    """The cipher of one file, and the nonce of each of its pieces."""

    def __init__(self, how: Sealing, passphrase: str, salt: bytes, prefix: bytes) -> None:
        key = Scrypt(salt=salt, length=how.key_length, n=1 << 15, r=8, p=1).derive(passphrase.encode())
        self._cipher = how.cipher(key)
        self._beginning, self._prefix, self._number = how.beginning, prefix, 0

    def encrypt(self, content: bytes, last: bool) -> bytes:
        """Encrypt the next piece."""
        return self._cipher.encrypt(self._next_nonce(last), content, self._beginning)

    def decrypt(self, piece: bytes, last: bool) -> bytes:
        """Decrypt the next piece. Raises InvalidTag or ValueError."""
        return self._cipher.decrypt(self._next_nonce(last), piece, self._beginning)

    def _next_nonce(self, last: bool) -> bytes:
        """Number the pieces; the last one is marked."""
        self._number += 1
        return self._prefix + self._number.to_bytes(4, "big") + bytes([last])


class _Sealer:
    """What a tar archive is written into."""

    def __init__(self, file: BinaryIO, how: Sealing, passphrase: str) -> None:
        salt, prefix = os.urandom(SALT), os.urandom(PREFIX)
        file.write(how.beginning + salt + prefix)
        self._file, self._pieces, self._waiting = file, _Pieces(how, passphrase, salt, prefix), bytearray()

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
        self._file.write(self._pieces.encrypt(content, last))


@contextmanager
def sealing(file: BinaryIO, passphrase: str | None, cipher: str = AES) -> Iterator[BinaryIO]:
    """Seal what is written inside the block; without a passphrase it is written as it is.

    ``cipher``: a key of CIPHERS. Raises UserError where this machine's OpenSSL lacks it.
    """
    if passphrase is None:
        yield file
        return
    if cipher == SM4:
        _need_sm4()
    sealer = _Sealer(file, CIPHERS[cipher], passphrase)
    yield sealer  # type: ignore[misc]
    sealer.end()


def _need_sm4() -> None:
    try:
        Cipher(algorithms.SM4(bytes(16)), modes.GCM(bytes(12))).encryptor()
    except UnsupportedAlgorithm as error:
        raise UserError(
            "这台机器的 OpenSSL 不带 SM4：请去掉 --cipher，或换用带 SM4 的 cryptography",
            "OpenSSL on this machine lacks SM4: leave out --cipher, or install a cryptography that has it",
        ) from error


def open_sealed(source: Path, target: Path, passphrase: str) -> None:
    """Write a sealed file's content. Raises UserError for another passphrase and for a file that is not whole."""
    how = _cipher_of(source)
    assert how is not None  # asked before by ``sealed``
    if how.cipher is SM4GCM:
        _need_sm4()
    left = source.stat().st_size - _LENGTH - SALT - PREFIX
    with source.open("rb") as file, target.open("wb") as content:
        file.seek(_LENGTH)
        pieces = _Pieces(how, passphrase, file.read(SALT), file.read(PREFIX))
        while left >= 0:
            piece = file.read(PIECE + TAG)
            left -= PIECE + TAG
            try:
                content.write(pieces.decrypt(piece, last=left <= 0))
            except (InvalidTag, ValueError) as error:
                raise UserError(
                    f"{source}：口令不对，或文件已损坏",
                    f"{source}: another passphrase, or a damaged file",
                ) from error
            if left <= 0:
                return
    raise UserError(f"{source}：文件已损坏，不完整", f"{source}: damaged, not whole")
