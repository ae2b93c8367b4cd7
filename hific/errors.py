"""What can go wrong while coding, as one family of exceptions.

`CodecError` catches all of them. Any other exception that leaves `compress` or
`decompress` is a defect of this software, but for `UnsupportedAlphaError`. Importing
this module needs no TensorFlow.
"""


class CodecError(Exception):
    """Base of everything coding may raise.

    Attributes:
        exit_code: What the command line returns for it; documented in
            docs/commands.md and never reused for another meaning.
    """

    exit_code = 10


class NotThisFormatError(CodecError):
    """The bytes are no compressed file of this format: the magic number differs."""

    exit_code = 11


class TruncatedError(CodecError):
    """The file ends before its header says it does."""

    exit_code = 12


class CorruptError(CodecError):
    """A checksum fails, or a field holds what no encoder writes."""

    exit_code = 13


class UnsupportedVersionError(CodecError):
    """The file was written by a format version or with a feature unknown here."""

    exit_code = 14


class UnknownModelError(CodecError):
    """The file was made with another model than the one it is to be decoded with."""

    exit_code = 15


class LimitExceededError(CodecError):
    """The file or picture is larger than the limits in force, or than memory allows."""

    exit_code = 16


class DecodeMismatchError(CodecError):
    """The file is intact, but this machine does not reproduce its latents.

    Raised instead of showing a wrong picture: the scale indexes and symbols decoded
    here do not have the fingerprint that the encoder stored.
    """

    exit_code = 17


class InvalidImageError(CodecError):
    """The input is no picture this codec accepts."""

    exit_code = 18


class NonFiniteError(CodecError):
    """A latent, a probability parameter or the output is NaN or infinite."""

    exit_code = 19


class ModelLoadError(CodecError):
    """The model bundle is incomplete, damaged or of an unknown kind."""

    exit_code = 20


class ProgramError(CodecError):
    """A program that a comparison runs cannot be started, failed, or took too long.

    The text has its command line and the end of what it said.
    """

    exit_code = 21


class UnsupportedAlphaError(ValueError):
    """An alpha that is none, or that the model does not have.

    Not from 0 to 1, a map of another size than the picture, or other than 1 for a model
    without an output-residual head.

    No `CodecError`: file and model are right, the question is not. The command line
    treats it as wrong usage.
    """
