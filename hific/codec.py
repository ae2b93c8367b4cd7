"""Image to bytes and back: the face every codec of this project shows."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import tensorflow as tf

from hific import bitstream, networks
from hific.border import border
from hific.choices import choose
from hific.coding import Coded, EntropyCoder
from hific.config import HificConfig
from hific.engines import ENGINES
from hific.entropy import FactorizedDensity, Prior
from hific.errors import (
    CorruptError,
    DecodeMismatchError,
    InvalidImageError,
    UnknownModelError,
)
from hific.heads import DecoderHead, Head, Synthesis
from hific.rendering import Alpha, Rendering
from hific.tables import Tables

LATENT_STRIDE = 16  # Pixels per position of y, each way.


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


@dataclasses.dataclass(frozen=True)
class Report:
    """What compressing one picture found.

    Attributes:
        ideal_bits: What the symbols cost by the stored tables, before the range coder.
        ideal_z_bits: Those of z among them. z comes first in the stream, but where it
            ends and y begins lies within a byte.
        clipped: Symbols that were outside of their table and moved to its end.
    """

    ideal_bits: float
    ideal_z_bits: float
    clipped: int


class Codec:
    """Compresses pictures with one trained model.

    Attributes:
        stride: Pictures are padded to multiples of this, by reflection.
        model_id: The 4 bytes by which files name the model.
        coder: Of the latents.
    """

    def __init__(
        self,
        model: CodecModel,
        coding_prior: Prior,
        tables: Tables,
        model_id: bytes,
        stride: int = 64,
        engine: str = "tensorflow",
    ):
        """Creates the codec.

        Args:
            model: With trained weights.
            coding_prior: Its prior, computing in float64; see `hific.coding`.
            tables: Of the prior.
            model_id: Of the bundle that model and tables came from.
            stride: See above; 256 is what the released EGIC code pads to.
            engine: A key of `hific.engines.ENGINES`.
        """
        self.stride = stride
        self.model_id = model_id
        self._engine = choose(ENGINES, engine, "engine")(model, model.channels)
        self.coder = EntropyCoder(coding_prior, tables, model.channels)
        self._least_bits = model.channels * tables.least_bits()
        self._rate = tf.function(
            lambda y: model.prior.rate(y),
            input_signature=[tf.TensorSpec((1, None, None, model.channels))],
            autograph=False,
        )

    def compress(self, image: np.ndarray) -> bytes:
        """Compresses an image, [H, W, 3] uint8.

        Raises:
            InvalidImageError: It is of another shape or type.
            LimitExceededError: It is larger than the format allows, or than this
                machine's memory.
            NonFiniteError: The networks gave NaN or infinity.
        """
        return self.compress_with_report(image)[0]

    def compress_with_report(self, image: np.ndarray) -> tuple[bytes, Report]:
        """`compress`, and what it cost and lost."""
        _check_image(image)
        height, width, _ = image.shape
        bitstream.LIMITS.check(width, height, 0)
        with border(height, width):
            stream, coded = self.coder.encode(self.latents(image))
            packet = bitstream.Packet(self.model_id, width, height, stream, coded.crc())
            ideal = self.coder.ideal_bits(coded)
            report = Report(ideal.z + ideal.y, ideal.z, coded.clipped)
            return bitstream.pack(packet), report

    def decompress(self, data: bytes, alpha: Alpha = 1.0) -> np.ndarray:
        """Reads a compressed file back: [H, W, 3] uint8.

        Args:
            data: The whole file.
            alpha: 1 for the model's own image. Others need an output-residual head,
                which interpolates towards the most faithful image at 0. An array
                [H, W] chooses for each pixel.

        Raises:
            CodecError: The file is damaged, or not of this model, or this machine does
                not reproduce its latents.
            UnsupportedAlphaError: `alpha` is not from 0 to 1 or has another size than
                the picture, or it is not 1 and the model has no output-residual head.
                A ValueError.
        """
        return self.decompress_all(data, [alpha])[0]

    def decompress_all(self, data: bytes, alphas: Sequence[Alpha]) -> list[np.ndarray]:
        """`decompress` at several alphas; decodes the bits and runs the networks once.

        Raises:
            CodecError, UnsupportedAlphaError: See `decompress`.
        """
        rendering = self.decode(data)
        return [rendering.image(alpha) for alpha in alphas]

    def decode(self, data: bytes) -> Rendering:
        """Reads a compressed file up to its latents, to be shown at any alpha.

        Raises:
            CodecError: See `decompress`.
        """
        packet, coded = self.decode_latents(data)
        return Rendering(
            self._engine, tf.constant(coded.y_hat), packet.height, packet.width
        )

    def latents(self, image: np.ndarray) -> tf.Tensor:
        """y of an image [H, W, 3] uint8, before rounding: [1, h, w, C] float32."""
        padded = pad(image, self.stride)
        return self._engine.analysis(tf.constant(padded[np.newaxis], tf.float32))

    def decode_latents(self, data: bytes) -> tuple[bitstream.Packet, Coded]:
        """The checked container and latents of a compressed file.

        Raises:
            CodecError: See `decompress`.
        """
        packet = bitstream.unpack(data)
        if packet.model_id != self.model_id:
            raise UnknownModelError(
                f"The file was made with model {packet.model_id.hex()}, this is model "
                f"{self.model_id.hex()}."
            )
        rows = _round_up(packet.height, self.stride) // LATENT_STRIDE
        columns = _round_up(packet.width, self.stride) // LATENT_STRIDE
        self._check_size(packet, rows * columns)
        with border(packet.height, packet.width, CorruptError):
            coded = self.coder.decode(packet.payload, rows, columns)
            crc = coded.crc()
        if crc != packet.latents_crc:
            raise DecodeMismatchError(
                "The file is intact, but this machine decodes other latents than were "
                f"encoded: fingerprint {crc:08x}, expected "
                f"{packet.latents_crc:08x}. No image is shown, for it would be wrong."
            )
        return packet, coded

    def _check_size(self, packet: bitstream.Packet, positions: int) -> None:
        """Refuses a payload too short for its picture before memory is spent on it.

        A range decoder reads zeros beyond the end, for ever; so a file of 40 bytes
        could ask for the largest picture. The cheapest symbols cost little, but not
        nothing; half of that leaves room for the coder's rounding.
        """
        bits = 8 * len(packet.payload) + 64
        if positions * self._least_bits / 2 > bits:
            raise CorruptError(
                f"A payload of {len(packet.payload):,} bytes cannot hold a picture of "
                f"{packet.width} x {packet.height}; no encoder writes that."
            )

    def estimate(self, image: np.ndarray) -> float:
        """Bits of an image by the model's likelihoods of rounded latents, in float32.

        What training reports as hard bits; a file adds its header and checks.
        """
        rate = self._rate(self.latents(image))
        return float(rate.hard_y_bits[0] + rate.hard_z_bits[0])


def pad(image: np.ndarray, multiple: int) -> np.ndarray:
    """Reflects an image [H, W, 3] below and to the right up to multiples of a number.

    A side shorter than its padding is reflected again and again; one pixel is repeated.
    """
    height, width, _ = image.shape
    bottom = _round_up(height, multiple) - height
    right = _round_up(width, multiple) - width
    return np.pad(image, ((0, bottom), (0, right), (0, 0)), mode="reflect")


# `HificConfig.quantisation_z` -> whether h_s sees noisy z while training.
NOISY_HYPER: Mapping[str, bool] = {"noise": True, "ste": False}


def build_hific(config: HificConfig, precision: str = "float32") -> CodecModel:
    """HiFiC's networks with fresh weights.

    Args:
        config: See `hific.config`.
        precision: Of the computation in E and G, "float32" or "bfloat16".

    Raises:
        ValueError: The config names a choice that there is not.
    """
    dtype = {"float32": "float32", "bfloat16": "mixed_bfloat16"}[precision]
    prior = Prior(
        networks.build_hyper_analysis(config),
        FactorizedDensity(config.hyperprior.filters, config.hyperprior.density_filters),
        networks.build_hyper_synthesis(config),
        single_slice,
        noisy_hyper=choose(NOISY_HYPER, config.quantisation_z, "quantisation_z"),
        likelihood_floor=1e-9,
    )
    encoder = networks.build_encoder(config, dtype)
    decoder = networks.build_decoder(config, dtype)
    head = None
    if config.head.stages:
        head = DecoderHead(config.decoder, config.head.stages, dtype=dtype)
    return CodecModel(encoder, decoder, prior, config.latent_channels, head)


def build_hific_coding_prior(config: HificConfig, model: CodecModel) -> Prior:
    """The float64 twin of HiFiC's prior; its weights are yet to be copied."""
    return Prior(
        model.prior.hyper_analysis,
        model.prior.density,
        networks.build_hyper_synthesis(config, "float64"),
        single_slice,
    )


def single_slice(hyper, code_slice) -> tf.Tensor:
    """The slice walk of a prior without context: all channels are one slice."""
    mean, index = hyper
    return code_slice(0, mean, index)


def _check_image(image: np.ndarray) -> None:
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise InvalidImageError(
            f"Expected [H, W, 3] uint8, got {image.shape} {image.dtype}."
        )
    if 0 in image.shape:
        raise InvalidImageError(f"The image is empty: {image.shape}.")


def _round_up(size: int, multiple: int) -> int:
    return -(-size // multiple) * multiple
