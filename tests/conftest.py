"""What every test runs under: the CPU, few threads, fixed seeds.

The environment is set here, before any test module can import TensorFlow.
"""

import os
import pathlib
import random
import sys
import types

os.environ["CUDA_VISIBLE_DEVICES"] = ""
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["EGIC_ENGINE"] = "tensorflow"  # What is tested is exact, but for engines.
# Workers of pytest-xdist share the cores; alone, a test run has two.
_THREADS = "1" if "PYTEST_XDIST_WORKER" in os.environ else "2"
for _name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(_name, _THREADS)

import numpy as np  # noqa: E402
import pytest  # noqa: E402


@pytest.fixture(autouse=True)
def _same_seeds_for_every_test():
    random.seed(0)
    np.random.seed(0)
    tf = sys.modules.get("tensorflow")  # Tests that need none do not pay for it.
    if tf is not None:
        tf.random.set_seed(0)


@pytest.fixture
def clean_fid(monkeypatch):
    """Returns the module `cleanfid.fid`, which needs torch, if it is installed.

    It imports torchvision, which is absent or does not fit torch, for its networks and
    its reading of files only. Neither matters here, so both imports find stand-ins.
    """
    names = ("build_feature_extractor", "get_reference_statistics")
    networks = types.ModuleType("cleanfid.features")
    vars(networks).update(dict.fromkeys(names))
    monkeypatch.setitem(sys.modules, networks.__name__, networks)
    monkeypatch.setitem(sys.modules, "torchvision", types.ModuleType("torchvision"))
    return pytest.importorskip("cleanfid.fid", exc_type=ImportError)


@pytest.fixture(scope="session")
def shared() -> pathlib.Path:
    """Returns the folder of reference data beside the repository.

    It holds outputs of the original implementations and test pictures, none of which
    are part of the project.
    """
    path = pathlib.Path(__file__).resolve().parents[2] / "shared"
    if not path.is_dir():
        pytest.skip(f"the reference data are not at {path}")
    return path
