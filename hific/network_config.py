"""Sizes of HiFiC's networks, as typed values; defaults are the paper's."""

import dataclasses


@dataclasses.dataclass
class EncoderConfig:
    """HiFiC's E.

    Attributes:
        filters: Channels at full size, 1/2, 1/4, 1/8 and 1/16.
        normalisation: A key of `hific.layers.NORMALISATIONS`.
        input_bias: Standard deviation of the first layer's initial biases. 0 in the
            original: then normalisation hides the brightness of a flat area until the
            biases have grown, which costs several hundred steps.
        latent_gain: Multiplies the last layer's initial kernel. With the original's 1
            the first latents have a standard deviation of 0.3 and round to nothing;
            what the decoder never sees, colours first, the rate term then removes.
    """

    filters: tuple[int, ...] = (60, 120, 240, 480, 960)
    normalisation: str = "channel"
    input_bias: float = 0.0
    latent_gain: float = 1.0


@dataclasses.dataclass
class DecoderConfig:
    """HiFiC's G.

    Attributes:
        filters: Channels of the residual blocks.
        num_residual_blocks: 9 in the paper; fewer fits smaller GPUs. A PyTorch port
            reports that quality saturates from about 5.
        upsampling_filters: Channels at 1/8, 1/4, 1/2 and full size.
        normalisation: A key of `hific.layers.NORMALISATIONS`.
        output_bias: Initial brightness, on [0, 1].
        output_gain: Multiplies the last layer's initial kernel; 1 in the original, with
            which the first pictures are noise several times too strong.
    """

    filters: int = 960
    num_residual_blocks: int = 9
    upsampling_filters: tuple[int, ...] = (480, 240, 120, 60)
    normalisation: str = "channel"
    output_bias: float = 0.0
    output_gain: float = 1.0


@dataclasses.dataclass
class HeadConfig:
    """The output-residual head, a second end of G made for the most faithful image.

    Attributes:
        stages: How many of G's last stages the head has of its own: 0 for no head, 1 as
            published. EGIC's G has 4, with which the head is a whole decoder; of
            HiFiC's G, each doubling of the size is one.
    """

    stages: int = 0


@dataclasses.dataclass
class HyperpriorConfig:
    """HiFiC's P.

    Attributes:
        filters: Channels of z and inside the hyper transforms.
        density_filters: Hidden layers of the factorised density of z.
        initial_scale: Standard deviation the scale network starts near. 0, the
            original, starts at the lower bound 0.11, where bits are at their dearest.
    """

    filters: int = 320
    density_filters: tuple[int, ...] = (3, 3, 3)
    initial_scale: float = 0.0


@dataclasses.dataclass
class DiscriminatorConfig:
    """HiFiC's D.

    Attributes:
        filters: Channels of the 4x4 convolutions before the last.
        strides: One per entry of `filters`.
        conditioning: A key of `hific.conditioning.CONDITIONINGS`.
        latent_features: "concat": channels made of the latent.
        weight_norm: A key of `hific.weight_norms.WEIGHT_NORMS`.
        input_range: Where [0, 255] is mapped to.
        learning_rate: Adam's; times the schedule of the run's optimizer.
        updates: Of D for each of G, each with its own share of the batch.
    """

    filters: tuple[int, ...] = (64, 128, 256, 512)
    strides: tuple[int, ...] = (2, 2, 2, 1)
    conditioning: str = "concat"
    latent_features: int = 12
    weight_norm: str = "spectral"
    input_range: tuple[float, float] = (0.0, 1.0)
    learning_rate: float = 1e-4
    updates: int = 1
