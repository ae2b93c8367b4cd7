import dataclasses

from egic import complexity
from egic.config import PRESETS


def test_the_papers_transforms_need_about_as_much_as_published():
    """93 GMAC each at 768x512 in dense layers alone; attention adds 8."""
    macs = complexity.count(PRESETS["egic"], 512, 768)
    assert 93e9 < macs.analysis == macs.synthesis < 105e9
    # Twice the slice nets' kernels, at every one of 1,536 positions.
    assert macs.walk == 1536 * (7_892_236 - biases())


def biases():
    widths = PRESETS["egic"].charm.widths
    return 2 * sum(first + second + 32 for first, second in widths)


def test_one_block_costs_its_dense_layers_and_its_attention():
    tiny = PRESETS["egic-tiny"]
    deeper = dataclasses.replace(tiny.transform, depths=(2, 1, 2, 1))
    more = complexity.count(dataclasses.replace(tiny, transform=deeper), 64, 64)
    less = complexity.count(tiny, 64, 64)
    tokens = 32 * 32
    assert more.analysis - less.analysis == tokens * (12 * 32**2 + 2 * 64 * 32)
    assert more.walk == less.walk and more.hyper == less.hyper
