"""Parts of the paper that are not built here yet, by name."""

from collections.abc import Mapping

# Key -> what is missing, in words. A row or experiment that has one in its `needs`
# says so instead of showing a number; remove the line, and the keys, once it is there.
PARTS: Mapping[str, str] = {
    "patchgan": "stage 2 against PatchGAN with a frozen codec (train_stage2.py trains "
    "all of HiFiC against it)",
    "sesame": "stage 2 against SESAME; the network is egic/discriminators/sesame.py",
    "unet": "stage 2 against the U-Net with CutMix; network and losses are "
    "egic/discriminators/unet.py and egic/cutmix.py",
    "projected": "stage 2 against Projected GAN; the network is "
    "egic/discriminators/projected.py",
    "ffl": "the focal frequency loss as a term of stage 2; the loss is "
    "egic/frequency.py",
    "periodic": "measuring a run at several of its steps, and with two seeds (only the "
    "last three checkpoints are kept)",
}


def described(needs) -> list[str]:
    """One line for each part."""
    return [f"{need}: {PARTS[need]}" for need in needs]
