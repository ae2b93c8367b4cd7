"""Run directories of stages 0 and 1, as training leaves them, made in a moment."""

import pathlib

import tensorflow as tf

import hific.config
from egic.codec import build_model
from egic.discriminators import build
from egic.pretraining_config import (
    DataConfig,
    DiscriminatorConfig,
    OasisConfig,
    PretrainingConfig,
)
from hific import training
from hific.checkpoints import Checkpoints
from hific.config import HificConfig, RateConfig
from hific.network_config import (
    DecoderConfig,
    EncoderConfig,
    HyperpriorConfig,
)
from hific.network_config import DiscriminatorConfig as PatchConfig
from hific.weight_norms import calibrate
from tests.micro_codec import CONFIG as MICRO_EGIC

MICRO_HIFIC = HificConfig(
    latent_channels=4,
    encoder=EncoderConfig(filters=(4,) * 5, latent_gain=8.0),
    decoder=DecoderConfig(4, 1, (4,) * 4),
    hyperprior=HyperpriorConfig(filters=4, initial_scale=2.0),
    discriminator=PatchConfig(filters=(2, 3), strides=(2, 2), latent_features=2),
    rate=RateConfig(kind="fixed"),
    perceptual_weight=0.0,
    data=hific.config.DataConfig(crop=64),
)
CODECS = {"egic": MICRO_EGIC, "hific": MICRO_HIFIC}
DATA = DataConfig(
    label_set="synthetic",
    min_resize=0,
    max_resize=0,
    crop=(64, 64),
    eval_crop=(64, 64),
)


def codec_run(workdir: pathlib.Path, config) -> pathlib.Path:
    """A run of stage 1 that was saved at step 7."""
    training.set_seeds(3)
    _save(workdir, config, model=build_model(config))
    return workdir


def discriminator_run(workdir: pathlib.Path, label_set="synthetic", num_outputs=9):
    """A run of pre-training that was saved at step 7."""
    training.set_seeds(4)
    config = PretrainingConfig(
        discriminator=DiscriminatorConfig(oasis=OasisConfig(down=(4, 6), up=(6, 4))),
        data=DataConfig(label_set=label_set),
    )
    critic = build.build(config.discriminator, num_outputs)
    calibrate(critic, tf.random.stateless_uniform((1, 16, 16, 3), (0, 1), 0.0, 255.0))
    _save(workdir, config, discriminator=critic)
    return workdir


def _save(workdir: pathlib.Path, config, **parts) -> None:
    hific.config.save(config, workdir / "config.json")
    step = tf.Variable(7, trainable=False, dtype=tf.int64)
    Checkpoints(workdir, step=step, **parts).save(7)
