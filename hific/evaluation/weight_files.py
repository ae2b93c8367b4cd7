"""Where the weights of published metrics come from, and which file they are.

No weights are part of the project. Each is looked for where its own tool leaves it, or
fetched where an entry point is asked to.
"""

import hashlib
import os
import pathlib
import tempfile
import urllib.error
import urllib.request
from collections.abc import Sequence
from typing import NamedTuple

_TIMEOUT_SECONDS = 10


class WeightFile(NamedTuple):
    """A published file.

    Attributes:
        address: It is at; its name alone where the user makes it.
        sha256: Of it, or the first hexadecimal digits that its publisher states.
        places: Files that other tools keep it as, looked at in this order, and taken
            if they are the published one; "~" and environment variables are expanded.
    """

    address: str
    sha256: str = ""
    places: Sequence[str] = ()

    @property
    def name(self) -> str:
        """The file's name where it is published."""
        return self.address.rpartition("/")[2]

    def find(self, given: str | pathlib.Path | None = None) -> pathlib.Path | None:
        """Returns the file to read, or None where there is none.

        Args:
            given: By the user; None to look in our cache and in `places`.

        Raises:
            ValueError: The given file does not exist.
        """
        if given:
            path = pathlib.Path(given)
            if not path.is_file():
                raise ValueError(f"{path} is no file; it should be {self.address}.")
            return path
        ours = cache() / self.name
        if ours.is_file():
            return ours
        places = (
            pathlib.Path(os.path.expandvars(place)).expanduser()
            for place in self.places
        )
        # Anybody may have written to such a place as /tmp.
        return next(
            (p for p in places if p.is_file() and self.is_published(sha256_of(p))), None
        )

    def is_published(self, sha256: str) -> bool:
        """Returns whether a file of this SHA-256 is the published one."""
        return sha256.startswith(self.sha256)

    def fetch(self) -> pathlib.Path:
        """Downloads the file into our cache, and checks it.

        For entry points only, on request; nothing else touches the network.

        Raises:
            ValueError: No network, or another file than was published.
        """
        target = cache() / self.name
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent) as folder:
            partial = pathlib.Path(folder) / self.name
            _download(self.address, partial)
            found = sha256_of(partial)
            if not self.is_published(found):
                raise ValueError(
                    f"{self.address} has SHA-256 {found}, expected {self.sha256}: not "
                    "the published file, or damaged on the way."
                )
            partial.replace(target)
        return target


def cache() -> pathlib.Path:
    """Returns the folder of the user's cache that weights are kept in."""
    root = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    return pathlib.Path(root) / "hific"


def sha256_of(path: pathlib.Path) -> str:
    """Returns the SHA-256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _download(address: str, path: pathlib.Path) -> None:
    try:
        with (
            urllib.request.urlopen(address, timeout=_TIMEOUT_SECONDS) as response,
            path.open("wb") as file,
        ):
            while block := response.read(1 << 20):
                file.write(block)
    except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
        raise ValueError(f"{address} could not be fetched ({error}).") from error
