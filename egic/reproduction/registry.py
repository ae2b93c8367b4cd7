"""All experiments by the name the paper gives them."""

import difflib
from collections.abc import Mapping

from egic.reproduction.experiment import Experiment
from egic.reproduction.figures import FIGURES
from egic.reproduction.tables import TABLES

EXPERIMENTS: Mapping[str, Experiment] = {**TABLES, **FIGURES}


def find(name: str) -> Experiment:
    """The experiment of a name such as "table7" or "Fig. 5".

    Raises:
        ValueError: There is none; says which come near.
    """
    plain = name.lower().replace("figure", "fig")
    plain = "".join(filter(str.isalnum, plain))
    if plain in EXPERIMENTS:
        return EXPERIMENTS[plain]
    near = difflib.get_close_matches(plain, EXPERIMENTS, 3)
    meant = f" Did you mean {' or '.join(near)}?" if near else ""
    raise ValueError(
        f"No experiment {name!r}; there are table1 to table8 and fig1 to fig30, see "
        f"`python reproduce.py list`.{meant}"
    )
