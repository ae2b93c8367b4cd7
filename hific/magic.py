"""The first bytes of an `.egic` file, and what other first bytes tell.

People hand over the wrong file, or one that a transfer took for text, far more often
than one with a flipped bit; both can be named from the start of the file.
"""

from hific.errors import NotThisFormatError, TruncatedError

# A byte that is neither ASCII nor a start of UTF-8, and a line feed: transfers that
# take the file for text damage one of the two, and are recognised by it.
MAGIC = b"\x8eEG\n"

# Where text-mode transfers leave the magic number.
_DAMAGED_MAGIC = {
    b"\x8eEG\r\n": "line ends were rewritten (LF became CR LF)",
    b"\x8eEG\r": "line ends were rewritten (LF became CR)",
    b"\x0eEG\n": "the highest bit of every byte was stripped",
    b"\xc2\x8eEG\n": "it was re-encoded from Latin-1 to UTF-8",
    b"\xef\xbf\xbdEG\n": "it was decoded as UTF-8 text",
}

# (offset, bytes there, name) of formats often handed over by mistake.
_OTHER_FORMATS = (
    (0, b"\x89PNG", "a PNG picture"),
    (0, b"\xff\xd8\xff", "a JPEG picture"),
    (0, b"GIF8", "a GIF picture"),
    (8, b"WEBP", "a WebP picture"),
    (0, b"BM", "a BMP picture"),
    (0, b"II*\0", "a TIFF picture"),
    (0, b"MM\0*", "a TIFF picture"),
    (4, b"ftyp", "an AVIF or HEIC picture, or a film"),
    (0, b"\xff\x0a", "a JPEG XL picture"),
    (4, b"JXL ", "a JPEG XL picture"),
    (4, b"jP  ", "a JPEG 2000 picture"),
    (0, b"%PDF", "a PDF document"),
    (0, b"PK\x03\x04", "a ZIP archive; unpack it first"),
    (0, b"\x1f\x8b", "a gzip archive; unpack it first"),
    (0, b"version https://git-lfs", "a Git LFS pointer; run `git lfs pull`"),
    (0, b"<!DOCTYPE", "a web page; was a download link followed to its page?"),
    (0, b"<html", "a web page; was a download link followed to its page?"),
)


def check_magic(data: bytes) -> None:
    """Checks the first bytes of a file, and says what else it could be.

    Raises:
        TruncatedError: The file ends within the magic number.
        NotThisFormatError: The file starts with something else.
    """
    if data.startswith(MAGIC):
        return
    if not data:
        raise TruncatedError("The file is empty. Was a transfer or a disk cut short?")
    if MAGIC.startswith(data):
        raise TruncatedError(
            f"The file ends after {len(data)} of the {len(MAGIC)} bytes of its magic "
            "number. Was a transfer cut short?"
        )
    for damaged, how in _DAMAGED_MAGIC.items():
        if data.startswith(damaged):
            raise NotThisFormatError(
                f"The file starts with {damaged.hex(' ')} where {MAGIC.hex(' ')} "
                f"belongs: it was transferred as text, and {how}. Transfer it again "
                "in binary mode."
            )
    hint = ""
    for offset, signature, name in _OTHER_FORMATS:
        if data.startswith(signature, offset):
            hint = f" It looks like {name}."
            break
    raise NotThisFormatError(
        f"This is no .egic file: it starts with {data[:4].hex(' ')}, not with "
        f"{MAGIC.hex(' ')}.{hint}"
    )
