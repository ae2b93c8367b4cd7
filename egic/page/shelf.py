"""Pictures and files that the browser is about to ask for, in memory.

Nothing of them touches the disk, and what has not been shown for long goes first.
"""

import collections
import hashlib
import threading
from typing import NamedTuple


class Kept(NamedTuple):
    """What is handed out.

    Attributes:
        data: The bytes.
        media_type: As browsers call it.
    """

    data: bytes
    media_type: str


class Shelf:
    """Bytes by a name that follows from them. Safe between threads."""

    def __init__(self, capacity: int = 2**28):
        """Creates an empty shelf.

        Args:
            capacity: Bytes in all; one thing alone may have more.
        """
        self._capacity = capacity
        self._held: collections.OrderedDict[str, Kept] = collections.OrderedDict()
        self._size = 0
        self._lock = threading.Lock()

    def put(self, data: bytes, media_type: str) -> str:
        """Keeps something, as the newest, and returns its name."""
        name = hashlib.sha256(media_type.encode() + b"\0" + data).hexdigest()[:32]
        with self._lock:
            if name not in self._held:
                self._held[name] = Kept(data, media_type)
                self._size += len(data)
            self._held.move_to_end(name)
            while self._size > self._capacity and len(self._held) > 1:
                _, oldest = self._held.popitem(last=False)
                self._size -= len(oldest.data)
        return name

    def get(self, name: str) -> Kept | None:
        """What has that name, or None where it is gone."""
        with self._lock:
            return self._held.get(name)
