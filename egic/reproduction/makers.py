"""How ours of each kind of experiment comes about."""

from collections.abc import Mapping

from egic.reproduction import architecture
from egic.reproduction.comparison import Comparison, compared
from egic.reproduction.documents import Block
from egic.reproduction.experiment import Experiment


def oasis_c(experiment: Experiment) -> Comparison:
    """Table 3: counted on the network, built at full size."""
    facts = architecture.oasis_c()
    found = compared(
        experiment,
        {key: {"parameters": float(one.parameters)} for key, one in facts.items()},
    )
    rows = [
        [key, f"{one.channels}", "x".join(map(str, one.shape)), f"{one.parameters:,}"]
        for key, one in facts.items()
    ]
    header = ("block", "channels in", "out, of 256x256", "parameters")
    layers = Block("The network as it is built here", header, rows)
    data = found.data | {"layers": {key: one._asdict() for key, one in facts.items()}}
    return Comparison([*found.blocks, layers], data, found.differs)


_P_PRINTED = (
    "14.4 in print; 14,277,524 counted, here and in the released code. 14.4 is what "
    "makes the printed parts add up to 33.0."
)


def parameters(experiment: Experiment) -> Comparison:
    """Table 7: counted on the two codecs that are built here; sums of all rows."""
    counted = architecture.systems()
    ours = {
        row: {
            "E": facts.E / 1e6,
            "G": facts.G / 1e6,
            "P": facts.P / 1e6,
            "total": facts.total / 1e6,
            **(
                {"conditioning": facts.conditioning / 1e6} if facts.conditioning else {}
            ),
        }
        for row, facts in counted.items()
    }
    found = compared(experiment, ours, {("egic", "P"): _P_PRINTED})
    exact = _counts(counted)
    differs = found.differs or counted != dict(architecture.COUNTED)
    data = found.data | {
        "counted": {row: facts._asdict() for row, facts in counted.items()}
    }
    return Comparison([*found.blocks, exact, _sums(experiment)], data, differs)


def _counts(counted: Mapping[str, architecture.SystemFacts]) -> Block:
    rows = []
    for row, facts in counted.items():
        released = architecture.COUNTED[row]
        for part in (*facts._fields, "total"):
            ours, theirs = getattr(facts, part), getattr(released, part)
            if ours or theirs:
                verdict = "equal" if ours == theirs else "differs"
                rows.append([f"{row} {part}", f"{theirs:,}", f"{ours:,}", verdict])
    return Block(
        "Counted, not rounded",
        ("", "released code", "ours", ""),
        rows,
        (
            "HiFiC's P has 960 numbers more in the released code: quantiles that its "
            "version of tfc trained beside the density of z.",
        ),
    )


def _heads(experiment: Experiment) -> str:
    """The head against what conditions MRIC's decoder."""
    head, theirs = (
        experiment.row(key).published["conditioning"] for key in ("egic", "mric")
    )
    return f"its head / MRIC's conditioning: {head / theirs:.2f}"


def _sums(experiment: Experiment) -> Block:
    """Whether the printed parts make the printed totals, and the quoted ratios."""
    totals, rows = {}, []
    for row in experiment.rows:
        total = architecture.published_sum(row.published)
        totals[row.key] = row.published["total"]
        same = abs(total - row.published["total"]) < 0.005
        rows.append(
            [
                row.label,
                f"{total:g}",
                f"{row.published['total']:g}",
                "" if same else f"off by {row.published['total'] - total:+.1f}",
            ]
        )
    ratios = [
        f"EGIC / {experiment.row(key).label}: {totals['egic'] / total:.2f}"
        for key, total in totals.items()
        if key != "egic"
    ]
    ratios.append(_heads(experiment))
    return Block(
        "Printed sums",
        ("", "parts together", "printed", ""),
        rows,
        (", ".join(ratios),),
    )
