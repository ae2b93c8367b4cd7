"""Trainings and evaluations as jobs: on Slurm, or in processes of this machine.

    python -m egic.cluster --executor=slurm --stage=1 --gpus=4 -- \
        --config=egic/config.py:egic-0.5 --images=/data/train --workdir=/runs/stage1

docs/clusters.md has more.
"""

from egic import extras

try:
    import submitit  # noqa: F401
except ImportError as _error:
    raise extras.missing(__name__, "cluster", _error) from None
