"""What distinguishes one semantic training from another, as typed values.

Names are keys of tables elsewhere; paths, processes and devices are flags of the entry
points. Defaults are EGIC's COCO recipe.
"""

import dataclasses


@dataclasses.dataclass
class DataConfig:
    """How labelled pictures become training samples, in this order.

    Attributes:
        label_set: Name or path; see `deeplab2_tf.labels.load`.
        min_resize: The shorter side becomes at least this, pixels; 0 skips the step.
        max_resize: Then the longer side becomes at most this; 0 skips the step. 640 and
            640 make the longer side 640.
        min_scale, max_scale, scale_step: Then a factor is drawn from evenly spaced
            ones between the first two, both included; from all between them where the
            step is 0. The step is taken in float32: 0.5, 1.5 and 0.1 give 10 factors,
            not 11.
        autoaugment: A key of `deeplab2_tf.autoaugment.POLICIES`; "" for none.
        crop: Height and width of the training crop, pixels.
        flip: Mirror half of the samples.
        pixel_weights: "instance_size", "class_frequency" or "none". The second is
            OASIS' together with the reduction "all_pixels".
        small_instance_threshold: "instance_size": a thing with fewer pixels in the
            crop counts as small.
        small_instance_weight: "instance_size": the weight of its pixels; all others
            weigh 1.
        eval_crop: Height and width that validation pictures are padded to.
    """

    label_set: str = "coco_panoptic"
    min_resize: int = 640
    max_resize: int = 640
    min_scale: float = 0.5
    max_scale: float = 1.5
    scale_step: float = 0.1
    autoaugment: str = ""
    crop: tuple[int, int] = (256, 256)
    flip: bool = True
    pixel_weights: str = "instance_size"
    small_instance_threshold: int = 4096
    small_instance_weight: float = 3.0
    eval_crop: tuple[int, int] = (640, 640)


@dataclasses.dataclass
class LossConfig:
    """The semantic loss.

    Attributes:
        top_k: Share of a crop's pixels, those of the largest loss, that count.
        reduction: A key of `deeplab2_tf.losses.REDUCTIONS`.
    """

    top_k: float = 1.0
    reduction: str = "nonzero"


@dataclasses.dataclass
class PolyConfig:
    """Adam under the poly schedule.

    Attributes:
        learning_rate: Before the first decay.
        power: Of (1 - step / steps).
        warmup_steps: The rate grows linearly from 0 over this many steps.
        epsilon: Adam's.
        clip_norm: Global gradient norm limit; 0 does not clip.
    """

    learning_rate: float = 5e-4
    power: float = 0.9
    warmup_steps: int = 2000
    epsilon: float = 1e-7
    clip_norm: float = 0.0
