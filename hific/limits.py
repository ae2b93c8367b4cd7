"""What a compressed file may ask for, before memory is spent on it.

Needs only the standard library, so that a file can be refused where no TensorFlow is.
"""

import dataclasses

from hific import memory
from hific.errors import LimitExceededError


@dataclasses.dataclass(frozen=True)
class Limits:
    """What a file may ask for. They hold before memory is spent on its picture.

    Attributes:
        side: Pixels of width and of height. The format has no more than 65,535.
        pixels: Width times height.
        payload_bytes_per_pixel: The most a payload may have for each pixel of its
            picture, both sides rounded up to multiples of `padding`, as a codec pads
            them: 8 bytes are far above what any picture needs.
        padding: See above.
        file_bytes: The whole file.
        memory_bytes: Of the process that codes, at its peak; None for what the machine,
            its control groups and RLIMIT_AS have, see `hific.memory.available`.
    """

    side: int = 65_535
    pixels: int = 2**28
    payload_bytes_per_pixel: int = 8
    padding: int = 256
    file_bytes: int = 64 * 2**20
    memory_bytes: int | None = None

    def check(self, width: int, height: int, payload_bytes: int) -> None:
        """Raises LimitExceededError, naming the limit, if the picture is too large."""
        if max(width, height) > self.side:
            raise LimitExceededError(
                f"The picture is {width} x {height}; a side may have at most "
                f"{self.side:,} pixels."
            )
        if width * height > self.pixels:
            raise LimitExceededError(
                f"The picture has {width} x {height} = {width * height:,} pixels, "
                f"more than the {self.pixels:,} allowed."
            )
        padded = [-(-side // self.padding) * self.padding for side in (width, height)]
        bound = self.payload_bytes_per_pixel * padded[0] * padded[1]
        if payload_bytes > bound:
            raise LimitExceededError(
                f"The payload is said to have {payload_bytes:,} bytes, but a picture "
                f"of {width} x {height} may have at most {bound:,}."
            )

    def check_memory(
        self,
        width: int,
        height: int,
        whole: bool = False,
        stride: int = memory.STRIDE,
        model: memory.Footprint = memory.SMALLEST,
    ) -> None:
        """Raises LimitExceededError if coding the picture takes too much memory.

        Not part of `check`: a file may be looked at where it cannot be decoded.

        Args:
            width, height: Of the picture.
            whole, stride, model: See `hific.memory.needed`; as long as no model is
                loaded, what is refused is too large for any.
        """
        memory.check(height, width, self.memory_bytes, whole, stride, model)

    def check_file(self, file_bytes: int) -> None:
        """Raises LimitExceededError if the file is too large."""
        if file_bytes > self.file_bytes:
            raise LimitExceededError(
                f"The file has {file_bytes:,} bytes, more than the "
                f"{self.file_bytes:,} allowed."
            )


LIMITS = Limits()
