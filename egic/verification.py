"""`egic compress --verify`: a file is decoded once more before it is written.

In another process, which computes in another way: what decodes there too does not owe
it to this machine's habits.
"""

import functools
import pathlib
from collections.abc import Callable
from typing import TYPE_CHECKING

from egic import configurations, isolation
from egic.configurations import Configuration
from egic.remote_codec import PROGRAM, RemoteCodec
from hific import bitstream
from hific.errors import CodecError, DecodeMismatchError, LimitExceededError

if TYPE_CHECKING:
    import numpy as np

    from hific.codec import Codec
    from hific.tile_encoding import Analysed


class Verifier:
    """Decodes files in a process that lives on for the next one."""

    def __init__(
        self,
        model: pathlib.Path,
        configuration: Configuration | None = None,
        program: str = PROGRAM,
    ):
        """Creates the verifier; the process is started for the first file.

        Args:
            model: A bundle.
            configuration: How it computes; None is `configurations.second`.
            program: See `RemoteCodec`.
        """
        self._model = model
        self._configuration = configuration or configurations.second()
        self._program = program
        self._codec: RemoteCodec | None = None

    def check(self, data: bytes) -> None:
        """Decodes a file, whose latents have to be those the encoder made it of.

        Raises:
            DecodeMismatchError: They are others, or nothing that can be decoded.
            CodecError: The other process could not say; LimitExceededError where it
                wanted for memory, or took longer than --isolated grants.
        """
        packet = bitstream.unpack(data)
        seconds = isolation.budget_of(packet.height, packet.width).wall_seconds
        if self._codec is None:
            self._codec = RemoteCodec(
                self._model,
                self._configuration.environment,
                self._configuration.mode,
                program=self._program,
            )
        try:
            # Compares with the encoder's latents, which the file names.
            self._codec.digest(data, seconds)
        except CodecError as error:
            self.close()  # The next file is not to suffer from what happened to it.
            if type(error) in (CodecError, LimitExceededError):
                raise
            raise DecodeMismatchError(
                "What was coded here does not decode in a second configuration, so "
                f"nothing was written ({type(error).__name__}: {error})"
            ) from error

    def close(self) -> None:
        """Ends the process."""
        if self._codec is not None:
            self._codec.close()
            self._codec = None


class VerifiedCodec:
    """A codec that returns no file that does not decode elsewhere too."""

    def __init__(self, codec: "Codec", verifier: Verifier):
        self._codec = codec
        self._verifier = verifier

    def compress(self, image: "np.ndarray") -> bytes:
        """See `hific.codec.Codec.compress`, and `Verifier.check`."""
        return self.encode_latents(self.analyse(image))

    def analyse(self, image: "np.ndarray", *args) -> "Analysed":
        """See `hific.codec.Codec.analyse`."""
        return self._codec.analyse(image, *args)

    def encode_latents(self, analysed: "Analysed", *args) -> bytes:
        """See `hific.codec.Codec.encode_latents`, and `Verifier.check`."""
        data = self._codec.encode_latents(analysed, *args)
        self._verifier.check(data)
        return data


def verified(
    codec: Callable[[], "Codec"], verifier: Verifier
) -> Callable[[], VerifiedCodec]:
    """What loads a codec, with a verifier beside it."""
    return functools.cache(lambda: VerifiedCodec(codec(), verifier))
