"""Image to bytes and back: the face every codec of this project shows."""

import functools
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import tensorflow as tf

from hific import bitstream
from hific.border import border
from hific.coding import Coded, EntropyCoder
from hific.engine_choice import Candidate, fitting
from hific.engines import Engine, engine_of
from hific.entropy import Prior
from hific.errors import (
    InvalidImageError,
    UnknownModelError,
)
from hific.heads import Head, Synthesis
from hific.memory import LARGEST, Footprint
from hific.model import Model
from hific.padding import window
from hific.rendering import Alpha, Rendering
from hific.tables import Tables
from hific.tile_decoding import LATENT_STRIDE, Part, decoded, joined, parts_of
from hific.tile_encoding import Analysed, Report, encoded, report_of
from hific.tiled_rendering import TiledRendering, show
from hific.tiles import GRID, Grid, Progress, Tile, halves


class CodecModel(tf.Module):
    """E, G and P of one system, and its head; knows nothing of files or losses.

    Attributes:
        analysis: E, image [B, H, W, 3] float32 in [0, 255] -> y [B, H/16, W/16, C]; H
            and W are multiples of 64.
        synthesis: G, y_hat [B, h, w, C] -> image [B, 16h, 16w, 3] on the [0, 255]
            scale, not clipped.
        prior: P.
        channels: C.
        head: The output-residual head, a second end of G, or None.
    """

    def __init__(
        self,
        analysis: Callable[[tf.Tensor], tf.Tensor],
        synthesis: Synthesis,
        prior: Prior,
        channels: int,
        head: Head | None = None,
    ):
        super().__init__()
        self.analysis = analysis
        self.synthesis = synthesis
        self.prior = prior
        self.channels = channels
        self.head = head

    def without_head(self) -> "CodecModel":
        """The same networks but for the head, as the run before it saved them."""
        return CodecModel(self.analysis, self.synthesis, self.prior, self.channels)


class Codec:
    """Compresses pictures with one trained model.

    `analyse` and `encode_latents` are the halves of `compress`, and `decode` and what
    it returns those of `decompress`: the networks' and the entropy coder's. Different
    pictures may be in them at once, each half in a thread of its own.

    Attributes:
        stride: Pictures are padded to multiples of this, by reflection.
        model_id: The 4 bytes by which files name the model.
        coder: Of the latents.
        grid: Where huge pictures are cut; see `hific.tiles`.
    """

    def __init__(
        self,
        model: Model,
        coding_prior: Prior,
        tables: Tables,
        model_id: bytes,
        stride: int = 64,
        engine: str | Engine = "tensorflow",
        grid: Grid = GRID,
        footprint: Footprint = LARGEST,
        spare: Sequence[Candidate] = (),
    ):
        """Creates the codec.

        Args:
            model: With trained weights.
            coding_prior: Its prior, computing in float64; see `hific.coding`.
            tables: Of the prior.
            model_id: Of the bundle that model and tables came from.
            stride: See above; 256 is what the released EGIC code pads to.
            engine: A key of `hific.engines.ENGINES`, or one made for this model.
            grid: Files have this one; tests cut small pictures with others.
            footprint: What the model takes of memory.
            spare: What else may execute E and G, of pictures for which `engine` lacks
                memory.
        """
        self.stride = stride
        self.model_id = model_id
        self.grid = grid
        if isinstance(engine, str):
            engine = engine_of(engine, model, model.channels)
        self._engine = engine
        self._candidates = (Candidate(engine, footprint), *spare)
        self.coder = EntropyCoder(coding_prior, tables, model.channels)
        self._least_bits = model.channels * tables.least_bits()
        self._rate = tf.function(
            lambda y: model.prior.rate(y),
            input_signature=[tf.TensorSpec((1, None, None, model.channels))],
            autograph=False,
        )

    @property
    def engine(self) -> str:
        """What executes E and G where there is memory: a key of `engines.ENGINES`."""
        return self._engine.name

    def compress(self, image: np.ndarray, progress: Progress | None = None) -> bytes:
        """Compresses an image, [H, W, 3] uint8.

        Args:
            image: The picture.
            progress: Called after each tile with how many are done, and how many there
                are; one where the picture is not cut.

        Raises:
            InvalidImageError: It is of another shape or type.
            LimitExceededError: It is larger than the format allows, or than this
                machine's memory.
            NonFiniteError: The networks gave NaN or infinity.
        """
        return self.encode_latents(self._analysis_of(image), progress)

    def compress_with_report(
        self, image: np.ndarray, progress: Progress | None = None
    ) -> tuple[bytes, Report]:
        """`compress`, and what it cost and lost."""
        reports: list[Report] = []
        data = self._file_of(
            self._analysis_of(image),
            progress,
            lambda coded: reports.append(report_of(self.coder, coded)),
        )
        return data, functools.reduce(Report.plus, reports)

    def analyse(self, image: np.ndarray, progress: Progress | None = None) -> Analysed:
        """The first half of `compress`: E, and nothing of the entropy coder.

        Args:
            image: [H, W, 3] uint8.
            progress: As in `compress`; of tiles that E has seen.

        Raises:
            InvalidImageError, LimitExceededError: See `compress`.
        """
        coming, tiles = self._analysis_of(image), []
        for y in coming.tiles:
            tiles.append(y)
            if progress is not None:
                progress(len(tiles), coming.number)
        return coming._replace(tiles=tiles)

    def encode_latents(
        self, analysed: Analysed, progress: Progress | None = None
    ) -> bytes:
        """The second half of `compress`: the file of what `analyse` returned.

        Raises:
            NonFiniteError, LimitExceededError: See `compress`.
        """
        return self._file_of(analysed, progress, lambda coded: None)

    def _file_of(self, analysed: Analysed, progress, note) -> bytes:
        streams = list(encoded(self.coder, analysed, progress, note))
        height, width = analysed.height, analysed.width
        packet = bitstream.packet_of(self.model_id, width, height, streams, self.grid)
        return bitstream.pack(packet, self.grid)

    def _analysis_of(self, image: np.ndarray) -> Analysed:
        """What E makes of a picture that can be coded here, tile by tile when asked."""
        _check_image(image)
        height, width, _ = image.shape
        bitstream.LIMITS.check(width, height, 0)
        engine = fitting(
            self._candidates,
            lambda model: bitstream.LIMITS.check_memory(
                width, height, stride=self.stride, model=model
            ),
        )
        with border(height, width):
            engine.trace_analysis()
            self.coder.prepare_encoding()  # While E runs.
        tiles = self.grid.tiles(height, width, self.stride)
        return Analysed(height, width, _analysed(engine, image, tiles), len(tiles))

    def decompress(
        self, data: bytes, alpha: Alpha = 1.0, progress: Progress | None = None
    ) -> np.ndarray:
        """Reads a compressed file back: [H, W, 3] uint8.

        Args:
            data: The whole file.
            alpha: 1 for the model's own image. Others need an output-residual head,
                which interpolates towards the most faithful image at 0. An array
                [H, W] chooses for each pixel.
            progress: As in `compress`; each tile counts twice, once its latents are
                decoded and once it is drawn.

        Raises:
            CodecError: The file is damaged, or not of this model, or this machine does
                not reproduce its latents.
            UnsupportedAlphaError: `alpha` is not from 0 to 1 or has another size than
                the picture, or it is not 1 and the model has no output-residual head.
                A ValueError.
        """
        return self.decompress_all(data, [alpha], progress)[0]

    def decompress_all(
        self, data: bytes, alphas: Sequence[Alpha], progress: Progress | None = None
    ) -> list[np.ndarray]:
        """`decompress` at several alphas; decodes the bits and runs the networks once.

        Raises:
            CodecError, UnsupportedAlphaError: See `decompress`.
        """
        first, second = halves(progress)
        return self.decode(data, first).images(alphas, second)

    def decode(
        self, data: bytes, progress: Progress | None = None
    ) -> Rendering | TiledRendering:
        """Reads a compressed file up to its latents, to be shown at any alpha.

        Raises:
            CodecError: See `decompress`.
        """
        packet, parts, engine = self._opened(data)
        with border(packet.height, packet.width):
            self.coder.trace_decoding()
            engine.prepare_drawing()  # While latents are decoded.
        y_hat = self._y_hat(packet, parts, progress)
        return show(engine, y_hat, packet.height, packet.width, self.grid)

    def decode_y_hat(
        self, data: bytes, progress: Progress | None = None
    ) -> tuple[bitstream.Packet, np.ndarray]:
        """The container of a compressed file, and what G sees: [1, h, w, C] float32.

        Raises:
            CodecError: See `decompress`.
        """
        packet, parts, _ = self._opened(data)
        return packet, self._y_hat(packet, parts, progress)

    def _y_hat(self, packet, parts, progress: Progress | None) -> np.ndarray:
        with border(packet.height, packet.width):
            return joined(parts, decoded(self.coder, packet, parts, progress))

    def decode_latents(self, data: bytes) -> tuple[bitstream.Packet, list[Coded]]:
        """The checked container and latents of a compressed file.

        Returns:
            The packet, and the latents of each tile, row by row; of one where the
            packet is not tiled.

        Raises:
            CodecError: See `decompress`.
        """
        packet, parts, _ = self._opened(data)
        return packet, list(decoded(self.coder, packet, parts))

    def latents(self, image: np.ndarray) -> tf.Tensor:
        """y of an image [H, W, 3] uint8, before rounding: [1, h, w, C] float32."""
        height, width, _ = image.shape
        tiles = self.grid.tiles(height, width, self.stride)
        rows: dict[int, list[tf.Tensor]] = {}
        for tile in tiles:
            y = _tile_latents(self._engine, image, tile)
            rows.setdefault(tile.core.top, []).append(y)
        return tf.concat([tf.concat(row, 2) for row in rows.values()], 1)

    def _opened(self, data: bytes) -> tuple[bitstream.Packet, list[Part], Engine]:
        """A file of this model, what there is to be decoded in it, and what draws."""
        packet = bitstream.unpack(data, grid=self.grid)
        if packet.model_id != self.model_id:
            raise UnknownModelError(
                f"The file was made with model {packet.model_id.hex()}, this is model "
                f"{self.model_id.hex()}."
            )
        parts = parts_of(packet, self.grid, self.stride, self._least_bits)
        engine = fitting(
            self._candidates,
            lambda model: bitstream.check_memory(packet, self.stride, model),
        )
        return packet, parts, engine

    def estimate(self, image: np.ndarray) -> float:
        """Bits of an image by the model's likelihoods of rounded latents, in float32.

        What training reports as hard bits; a file adds its header and checks.
        """
        height, width, _ = image.shape
        bits = 0.0
        for tile in self.grid.tiles(height, width, self.stride):
            rate = self._rate(_tile_latents(self._engine, image, tile))
            bits += float(rate.hard_y_bits[0] + rate.hard_z_bits[0])
        return bits


def _analysed(
    engine: Engine, image: np.ndarray, tiles: list[Tile]
) -> Iterator[tf.Tensor]:
    height, width, _ = image.shape
    for tile in tiles:
        with border(height, width):
            y = _tile_latents(engine, image, tile)
        yield y


def _tile_latents(engine: Engine, image: np.ndarray, tile: Tile) -> tf.Tensor:
    """y of a tile's core, [1, h, w, C] float32."""
    pixels = window(image, tile.window)
    y = engine.analysis(tf.constant(pixels[np.newaxis], tf.float32))
    rows, columns = tile.core.inside(tile.window).over(LATENT_STRIDE).slices
    return y[:, rows, columns]


def _check_image(image: np.ndarray) -> None:
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise InvalidImageError(
            f"Expected [H, W, 3] uint8, got {image.shape} {image.dtype}."
        )
    if 0 in image.shape:
        raise InvalidImageError(f"The image is empty: {image.shape}.")
