import csv
import io
import json
import math

import rich.console

from hific.evaluation import report


def _result(codec, image, psnr, seconds=1.0, **fields):
    metrics = {"psnr": psnr, "ms_ssim": None if image == "small" else 0.5}
    return report.Result(
        image=image,
        codec=codec,
        curve=codec,
        width=8,
        height=4,
        setting="q=1",
        bytes=16,
        bpp=4.0,
        encode_seconds=seconds,
        decode_seconds=seconds,
        metrics=metrics,
        **fields,
    )


RESULTS = [
    _result("model", "large", 30.0, seconds=9.0, gap_percent=2.0),
    _result("model", "small", 40.0, seconds=1.0, gap_percent=4.0),
    _result("model", "other", 50.0, seconds=2.0, gap_percent=6.0),
    _result("webp", "large", math.inf),
]


def test_means_are_per_codec_and_seconds_are_medians():
    summary = report.summarise(RESULTS)["model"]
    assert summary["pictures"] == 3
    assert summary["psnr"] == 40.0
    assert summary["gap_percent"] == 4.0
    assert summary["encode_seconds"] == 2.0
    assert summary["padded_bpp"] is None


def test_pictures_without_a_value_are_counted_not_averaged():
    summary = report.summarise(RESULTS)["model"]
    assert summary["ms_ssim"] == 0.5
    assert summary["without"] == {"ms_ssim": 1}


def test_csv_has_a_line_per_result_and_empty_cells(tmp_path):
    report.write_csv(RESULTS, tmp_path / "results.csv")
    rows = list(csv.DictReader((tmp_path / "results.csv").read_text().splitlines()))
    assert [row["image"] for row in rows] == ["large", "small", "other", "large"]
    assert rows[1]["ms_ssim"] == ""
    assert rows[3]["gap_percent"] == ""
    assert float(rows[0]["psnr"]) == 30.0


def test_summary_is_json_that_any_reader_takes(tmp_path):
    path = tmp_path / "summary.json"
    report.write_summary(RESULTS, {"alpha": 0.5}, path)

    def refuse(constant):
        raise AssertionError(constant)

    summary = json.loads(path.read_text(), parse_constant=refuse)
    assert summary["settings"] == {"alpha": 0.5}
    assert summary["codecs"]["webp"]["psnr"] is None


def test_the_table_fits_a_log_file_and_leaves_out_what_nobody_has():
    text = io.StringIO()
    report.print_table(RESULTS, rich.console.Console(file=text, width=80))
    assert "LPIPS" not in text.getvalue()
    for cell in ("model", "webp", "40.00", "+4.00"):
        assert cell in text.getvalue()


def test_what_is_said_of_all_pictures_joins_the_means(tmp_path):
    of_all = {"model": {"fd_alex": 12.5, "fd_alex_patches": 936}}
    path = tmp_path / "summary.json"
    report.write_summary(RESULTS, {}, path, of_all)
    codecs = json.loads(path.read_text())["codecs"]
    assert codecs["model"]["fd_alex"] == 12.5 and codecs["model"]["psnr"] == 40.0
    assert "fd_alex" not in codecs["webp"]
    text = io.StringIO()
    report.print_table(RESULTS, rich.console.Console(file=text), of_all)
    assert "FD-alex" in text.getvalue() and "12.500" in text.getvalue()
