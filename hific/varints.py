"""Whole numbers in as few bytes as they need: seven bits a byte, lowest first.

The highest bit of a byte says that more follow. Only the shortest form is valid.
"""

from hific.errors import CorruptError


def write(value: int) -> bytes:
    """Returns the bytes of a number from 0."""
    out = bytearray()
    while value > 0x7F:
        out.append(0x80 | value & 0x7F)
        value >>= 7
    out.append(value)
    return bytes(out)


def read(data: bytes, start: int, max_bytes: int, name: str) -> tuple[int, int]:
    """Reads the number that begins at an offset.

    Args:
        data: Bytes.
        start: The offset.
        max_bytes: Longer ones are refused.
        name: What the number is, for messages.

    Returns:
        (value, offset of what follows).

    Raises:
        CorruptError: It takes more bytes than `max_bytes`, or than it needs.
        EOFError: The bytes end within it.
    """
    value = 0
    for i in range(max_bytes):
        if start + i >= len(data):
            raise EOFError
        byte = data[start + i]
        value |= (byte & 0x7F) << 7 * i
        if byte < 0x80:
            if byte == 0 and i > 0:
                raise CorruptError(
                    f"The {name} {value} takes {i + 1} bytes where fewer hold it; no "
                    "encoder writes that. The file was damaged or made by hand."
                )
            return value, start + i + 1
    raise CorruptError(
        f"The {name} takes more than {max_bytes} bytes; no encoder writes that. The "
        "file was damaged or made by hand."
    )
