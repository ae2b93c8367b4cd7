"""Which curves and which qualities are compared."""

from hific.evaluation import comparisons


def row(curve, bpp, learned=False, **metrics):
    found = {"codec": f"{curve} {bpp}", "curve": curve, "bpp": bpp, **metrics}
    return found | ({"padded_bpp": bpp} if learned else {})


def rows(**of_second):
    values = {"psnr": 30.0, "kd_alex": 0.1} | of_second
    return [
        *(
            row("jpeg", bpp, psnr=20 + 20 * bpp, kd_alex=0.5 - bpp)
            for bpp in (0.2, 0.4)
        ),
        row("model", 0.3, learned=True, **values),
        *(
            row("webp", bpp, psnr=22 + 20 * bpp, kd_alex=0.4 - bpp)
            for bpp in (0.2, 0.39)
        ),
        row("jpeg matched", 0.3, **values),
        row("jpeg matched", 0.3, **values),
    ]


def test_a_baseline_of_one_rate_is_no_curve_and_a_model_is_compared_at_its_point():
    found = comparisons.compare(rows(), "jpeg")
    assert set(found) == {"model", "webp"}
    assert found["model"]["psnr"].rate.note.startswith("of one point")
    assert found["webp"]["psnr"].rate.value < 0 < found["webp"]["psnr"].quality.value


def test_a_distance_below_0_is_no_quality_to_compare_at():
    assert set(comparisons.compare(rows(), "jpeg")["model"]) == {"psnr", "kd_alex"}
    found = comparisons.compare(rows(kd_alex=-0.01), "jpeg")
    assert set(found["model"]) == {"psnr"}
    assert set(found["webp"]) == {"psnr", "kd_alex"}


def test_the_anchor_is_jpeg_444_else_the_first_baseline_with_a_curve():
    assert comparisons.anchor(rows()) == "jpeg"
    others = [row("jpeg444", bpp) for bpp in (0.1, 0.2)]
    assert comparisons.anchor([*rows(), *others]) == "jpeg444"
    assert comparisons.anchor([row("model", 0.3, learned=True)]) is None
