"""The smallest SwinT-ChARM, whose start takes seconds: for many kills."""

from egic.config import CharmConfig, EgicConfig, HyperConfig, TransformConfig
from hific.config import OptimizerConfig, RateConfig


def get_config() -> EgicConfig:
    """What `--config=trials/training_configs.py` resolves to."""
    return EgicConfig(
        transform=TransformConfig(dims=(32,) * 4, depths=(1,) * 4, window=8),
        hyper=HyperConfig(channels=32, depths=(1, 1), windows=(4, 2)),
        charm=CharmConfig(max_support=2, widths=((32, 32),) * 2),
        rate=RateConfig(kind="fixed"),
        optimizer=OptimizerConfig(learning_rate=1e-3, clip_norm=1.0, ema_decay=0.9),
        perceptual_weight=0.0,
    )
