r"""Makes hific/evaluation/published.csv, the published numbers that plots show.

    python tools/make_published.py collected.csv hific/evaluation/published.csv

The first file is a collection of what authors released beside their papers, with the
columns method, variant, dataset, bpp, psnr, ms_ssim, lpips, dists, fid, kid, niqe and
source. Numbers of EGIC, which released none as data, are written down here. Rows are
regrouped into curves and points, rounded to what can be seen, and left out where there
is nothing but a rate.
"""

import csv
import pathlib
import re
import sys
from collections.abc import Iterator, Mapping

METRICS = ("psnr", "ms_ssim", "lpips", "dists", "fid", "kid", "niqe")
COLUMNS = ("dataset", "curve", "point", "bpp", *METRICS, "source")
DIGITS = 6

# What a method is called in the collection -> here, where that differs.
CURVES = {
    "BPG 8b 444 x265 ycbcr": "BPG 4:4:4",
    "ChARM (Minnen 2020)": "ChARM",
    "JPEG2000": "JPEG 2000",
    "elic2022": "ELIC",
}
# Curves whose rows differ in this part of the variant lie on a curve each.
SPLIT = {"CRDR": "beta", "CRDR (reproduced by its authors)": "beta"}

PAPER = "Körber et al. 2024, EGIC, arXiv:2309.03244"
TEASER = f"{PAPER}, Fig. 1, read off (0.05 dB, 0.3 FID)"
TEASER_BPP = 0.094
# Curve -> rate over EGIC's, and (point, FID, PSNR).
ON_CLIC: Mapping[str, tuple[float, list[tuple[str, float, float]]]] = {
    "EGIC": (
        1.0,
        [
            ("alpha=0", 28.0, 32.03),
            ("alpha=0.17", 21.1, 32.00),
            ("alpha=0.33", 13.4, 31.90),
            ("alpha=0.5", 8.2, 31.72),
            ("alpha=0.67", 5.2, 31.49),
            ("alpha=0.83", 3.9, 31.23),
            ("alpha=1", 3.5, 30.90),
        ],
    ),
    "VTM-20.0": (0.96, [("", 50.3, 31.78)]),
    "BPG-0.9.8": (1.19, [("", 61.4, 31.33)]),
    "JPEG 4:4:4": (4.62, [("", 28.8, 31.03)]),
    "HiFiC, in EGIC's Fig. 1": (1.38, [("", 4.2, 30.87)]),
    "MS-ILLM, in EGIC's Fig. 1": (1.29, [("", 2.6, 30.87)]),
    "MRIC": (0.98, [("beta=2.56", 5.2, 30.59), ("beta=0", 25.9, 31.84)]),
    "DIRAC": (1.11, [("100 steps", 5.1, 30.07), ("1 step", 20.0, 31.94)]),
    "HFD": (0.98, [("", 3.8, 29.56)]),
}
# Mean squared error only, lambda 0.0003, a million steps of 16.
SWINT_CHARM = {
    "dataset": "kodak",
    "curve": "SwinT-ChARM, by EGIC's authors",
    "point": "lambda=0.0003",
    "bpp": "0.9317",
    "psnr": "37.593",
    "source": "Körber et al., released checkpoint of SwinT-ChARM, 1 M steps",
}
CITYSCAPES_BPP = 0.092
# Table -> (discriminator, setting, PSNR, FID).
ON_CITYSCAPES: Mapping[int, list[tuple[str, str, float, float]]] = {
    1: [
        ("baseline", "PatchGAN, concat", 32.71, 10.62),
        ("conf-a", "PatchGAN, concat", 24.32, 112.29),
        ("conf-b", "SESAME, concat", 29.43, 75.65),
        ("conf-c", "U-Net, concat", 29.46, 87.02),
        ("conf-d", "Projected, concat", 29.64, 50.66),
        ("conf-e", "OASIS, concat", 30.03, 16.50),
        ("conf-f", "DeepLabV3+, concat", 21.53, 20.61),
        ("conf-c", "U-Net, projection", 29.38, 30.80),
        ("conf-e", "OASIS, projection", 29.79, 13.54),
        ("conf-e", "OASIS, none", 29.90, 15.30),
    ],
    2: [
        ("conf-e", "OASIS, none", 29.90, 15.30),
        ("conf-e", "pre-trained", 30.01, 9.75),
        ("conf-e", "weight norm", 30.20, 7.96),
        ("EGIC without distortion", "projection", 29.97, 7.74),
        ("EGIC with distortion", "", 32.24, 6.36),
    ],
    5: [
        ("conf-e", "spectral norm", 30.01, 9.75),
        ("conf-e", "weight norm", 30.20, 7.96),
        ("conf-e", "layer norm", 29.49, 9.00),
    ],
    6: [
        ("conf-a", "focal frequency loss", 32.53, 40.64),
        ("conf-b", "focal frequency loss", 29.17, 79.55),
        ("conf-c", "focal frequency loss", 29.23, 89.73),
        ("conf-d", "focal frequency loss", 29.89, 21.85),
        ("conf-e", "focal frequency loss", 30.25, 15.93),
        ("EGIC without distortion", "focal frequency loss", 29.56, 8.73),
    ],
    8: [
        ("conf-e", "instance-size weights", 29.90, 15.30),
        ("conf-e", "class-frequency weights", 29.90, 15.56),
    ],
}


def collected(path: pathlib.Path) -> Iterator[dict[str, str]]:
    """Yields rows of the collection, as ours are written."""
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if not any(row[metric] for metric in METRICS):
                continue
            yield {
                "dataset": row["dataset"],
                **_curve_and_point(row["method"], row["variant"]),
                **{name: _rounded(row[name]) for name in ("bpp", *METRICS)},
                "source": row["source"],
            }


def of_egic() -> Iterator[dict[str, str]]:
    """Yields EGIC's first figure, its study on Cityscapes, and what it began from."""
    yield SWINT_CHARM
    for curve, (times, points) in ON_CLIC.items():
        rate = f"{times * TEASER_BPP:.4g}"
        for point, fid, psnr in points:
            yield _row("clic2020", curve, point, rate, psnr, fid, TEASER)
    for table, rows in ON_CITYSCAPES.items():
        source = f"{PAPER}, Table {table}"
        for curve, point, psnr, fid in rows:
            rate = f"{CITYSCAPES_BPP:g}"
            yield _row("cityscapes", curve, point, rate, psnr, fid, source)


def _row(dataset, curve, point, rate, psnr, fid, source) -> dict[str, str]:
    return {
        "dataset": dataset,
        "curve": curve,
        "point": point,
        "bpp": rate,
        "psnr": f"{psnr:.2f}",
        "fid": f"{fid:g}",
        "source": source,
    }


def _curve_and_point(method: str, variant: str) -> dict[str, str]:
    """Returns what of a variant like "quality=1.0 beta=0.0" names curve and point."""
    settings = {
        key: f"{key}={float(value):g}"
        for key, value in re.findall(r"(\w+)=(\S+)", variant)
    }
    split = settings.pop(SPLIT.get(method, ""), "")
    curve = CURVES.get(method, method)
    return {"curve": f"{curve} {split}".strip(), "point": " ".join(settings.values())}


def _rounded(number: str) -> str:
    return f"{float(number):.{DIGITS}g}" if number else ""


def main(source: str, target: str) -> None:
    rows = [*collected(pathlib.Path(source)), *of_egic()]
    rows.sort(key=lambda row: (row["dataset"], row["curve"]))
    with pathlib.Path(target).open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    print(f"Wrote {len(rows)} rows to {target}")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
