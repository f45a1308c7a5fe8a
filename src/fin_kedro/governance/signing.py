"""Who signs the ledger: Ed25519 keys, what exactly is signed, and whose signatures count.

A signature covers DSSE's pre-authentication encoding (https://github.com/secure-systems-lab/dsse)
of an entry's canonical JSON, so no bytes of another kind or another entry can pass for it.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

PAYLOAD_TYPE = "application/vnd.fin-kedro.ledger-entry+json"
KEY_VARIABLE = "FIN_KEDRO_SIGNING_KEY"
KEY_FILE = "conf/local/signing_key.pem"
SIGNERS_FILE = "conf/base/signers.yml"
KEY_ID = 16  # hexadecimal digits of a fingerprint that name its key


class SigningError(RuntimeError):
    """There is no key to sign with, or the list of trusted signers cannot be read."""


def payload(*, number: int, at: str, event: str, previous: str, digest: str) -> bytes:
    """What of an entry is signed; ``event``: its text as it is stored, ``digest``: its hash."""
    entry = {"number": number, "at": at, "event": event, "previous": previous, "hash": digest}
    body = json.dumps(entry, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    return b"DSSEv1 %d %s %d %s" % (len(PAYLOAD_TYPE), PAYLOAD_TYPE.encode(), len(body), body)


@dataclass(frozen=True)
class Signer:
    """Who holds a private key, known by the public one (32 bytes)."""

    public: bytes

    @cached_property
    def fingerprint(self) -> str:
        """Hash (sha256, hex) of the public key."""
        return hashlib.sha256(self.public).hexdigest()

    @property
    def key(self) -> str:
        """The key's id: the beginning of its fingerprint."""
        return self.fingerprint[:KEY_ID]

    @property
    def text(self) -> str:
        """The public key in base64, as ledgers and signers.yml have it."""
        return base64.b64encode(self.public).decode()

    @classmethod
    def read(cls, text: str) -> Signer:
        """The signer of a public key in base64; ValueError when it is none."""
        public = base64.b64decode(text, validate=True)
        if len(public) != 32:
            raise ValueError(f"a public key has 32 bytes, not {len(public)}")
        return cls(public)

    def has_signed(self, signed: bytes, signature: str) -> bool:
        """Whether ``signature`` (base64) is this signer's, of these bytes."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        try:
            found = base64.b64decode(signature, validate=True)
            Ed25519PublicKey.from_public_bytes(self.public).verify(found, signed)
        except (InvalidSignature, ValueError):
            return False
        return True


@dataclass(frozen=True)
class SigningKey:
    """A private key, and who it makes the signer."""

    private: Ed25519PrivateKey
    signer: Signer

    def sign(self, content: bytes) -> str:
        """The signature of some bytes, in base64."""
        return base64.b64encode(self.private.sign(content)).decode()


# The key


def key_path(ledger: Path) -> Path:
    """Where the key lies that signs into a ledger: FIN_KEDRO_SIGNING_KEY, else conf/local.

    The project is the one that the ledger lies in, else that of the working folder.
    """
    named = os.environ.get(KEY_VARIABLE)
    if named:
        return Path(named)
    project = project_of(ledger)
    if project is None:
        raise SigningError(
            f"no key to sign entries of {ledger}: it lies in no project, nor does the working "
            f"folder. Name a file in {KEY_VARIABLE}; it is made when it is not there."
        )
    return project / KEY_FILE


def project_of(ledger: Path) -> Path | None:
    """The Kedro project that a ledger lies in, else that of the working folder; None for none."""
    places = (ledger.resolve(), Path.cwd() / "here")
    folders = (folder for place in places for folder in place.parents)
    return next((f for f in folders if _is_project(f)), None)


def _is_project(folder: Path) -> bool:
    return (folder / "conf").is_dir() and (folder / "pyproject.toml").is_file()


def signing_key(path: Path) -> SigningKey:
    """The private key at ``path``, which is made when there is none (mode 0600)."""
    try:
        return _read(_content(path))
    except OSError as error:
        raise SigningError(
            f"the key that signs the ledger cannot be read or made at {path}: {error}. Nothing "
            f"was recorded. Let this user write there, or name another file in {KEY_VARIABLE}."
        ) from error
    except (ValueError, TypeError) as error:
        raise SigningError(
            f"{path} holds no Ed25519 private key in PEM without a passphrase ({error}). Nothing "
            "was recorded. Restore the file, or move it away: another key is made, and entries say "
            "that another one signed."
        ) from error


def _content(path: Path) -> bytes:
    with suppress(FileNotFoundError):
        return path.read_bytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    # made whole before it has its name: whoever finds a key there finds all of it, and of two who
    # make one at a time the first wins
    if _made_without_a_name(path):
        return path.read_bytes()
    handle, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(_new_key())
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(draft, path)
    finally:
        os.unlink(draft)
    return path.read_bytes()


def _made_without_a_name(path: Path) -> bool:
    """Make the key in a file that has no name until it is whole: a kill leaves no second copy.

    False where the system cannot do that; then nothing was made.
    """
    unnamed = getattr(os, "O_TMPFILE", None)
    if unnamed is None:
        return False
    try:
        handle = os.open(path.parent, unnamed | os.O_WRONLY, 0o600)
    except OSError:  # this file system has no such files, or may not be written: said by the rest
        return False
    with os.fdopen(handle, "wb") as file:
        file.write(_new_key())
        file.flush()
        os.fsync(file.fileno())
        try:
            os.link(f"/proc/self/fd/{file.fileno()}", path, follow_symlinks=True)
        except FileExistsError:
            return True
        except OSError:
            return False
    return True


def _new_key() -> bytes:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


@lru_cache(maxsize=4)
def _read(pem: bytes) -> SigningKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    private = load_pem_private_key(pem, password=None)
    if not isinstance(private, Ed25519PrivateKey):
        raise ValueError(f"it holds a key of another kind: {type(private).__name__}")
    return SigningKey(private, Signer(private.public_key().public_bytes_raw()))


# Whose signatures count


@dataclass(frozen=True)
class Trusted:
    """The keys that a project's signers.yml lists, by name; without the file any key will do.

    ``unsigned``: so many of the first entries may be without a signature, as they were before
    entries were signed; ``unsigned_head`` is the hash (sha256, hex) of the last of them.
    """

    signers: Mapping[str, Signer] | None = None
    unsigned: int = 0
    unsigned_head: str | None = None

    def name_of(self, key: str) -> str | None:
        """The listed name of a key's id; None for one that is not listed."""
        listed = (self.signers or {}).items()
        return next((name for name, signer in listed if signer.key == key), None)

    def accepts(self, signer: Signer) -> bool:
        """Whether entries may be signed by this key."""
        return self.signers is None or signer in self.signers.values()


def trusted_signers(ledger: Path) -> Trusted:
    """What conf/base/signers.yml says of the project that a ledger belongs to."""
    project = project_of(ledger)
    path = project / SIGNERS_FILE if project else None
    if path is None or not path.is_file():
        return Trusted()
    import yaml

    try:
        return _listed(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError, AttributeError, yaml.YAMLError) as error:
        raise SigningError(
            f"{path} cannot be read: {error}. It holds `signers`, a public key in base64 by name "
            "(`kedro seal signers` prints keys), and may hold `unsigned`, how many of the first "
            "entries are older than signing, with `unsigned_head`, the hash of the last of them."
        ) from error


def _listed(content: Any) -> Trusted:
    unknown = sorted(set(content) - {"signers", "unsigned", "unsigned_head"})
    if unknown:
        raise ValueError(f"unknown: {', '.join(map(str, unknown))}")
    listed = content.get("signers")
    if listed is None and "unsigned" not in content:
        raise ValueError("it lists no signers")
    signers = {str(name): Signer.read(text) for name, text in (listed or {}).items()}
    head = content.get("unsigned_head")
    return Trusted(
        None if listed is None else signers,
        int(content.get("unsigned") or 0),
        str(head) if head else None,
    )
