import shutil

import pytest

from egic import default_model, doctor, machine

GOOD = {
    "tensorflow": "2.14.1",
    "tensorflow-compression": "2.14.1",
    "numpy": "1.26.4",
    "protobuf": "4.25.9",
}
A100 = "NVIDIA A100-SXM4-40GB, 8.0, 535.129.03"
SEEN = ["/physical_device:GPU:0"]


def test_the_pinned_versions_are_fine():
    assert {finding.verdict for finding in doctor.check_versions(GOOD)} == {"ok"}


@pytest.mark.parametrize(
    "name, version, mend",
    [
        ("tensorflow", "2.15.0", "pip install tensorflow==2.14.1"),
        ("tensorflow", "2.13.1", "pip install tensorflow==2.14.1"),
        ("tensorflow", None, "pip install tensorflow==2.14.1"),
        (
            "tensorflow-compression",
            "2.16.0",
            "pip install tensorflow-compression==2.14.1",
        ),
        ("numpy", "2.0.0", "pip install 'numpy>=1.26,<2'"),
        ("protobuf", "5.29.3", "pip install 'protobuf>=4.21,<5'"),
        ("protobuf", "3.20.3", "pip install 'protobuf>=4.21,<5'"),
    ],
)
def test_a_version_known_to_break_fails_alone_with_its_remedy(name, version, mend):
    findings = doctor.check_versions({**GOOD, name: version})
    (bad,) = [finding for finding in findings if finding.verdict != "ok"]
    assert (bad.name, bad.verdict, bad.mend) == (name, "fail", mend)


@pytest.mark.parametrize(
    "version, verdict",
    [((3, 11, 7), "ok"), ((3, 12, 0), "fail"), ((3, 10, 14), "fail")],
)
def test_only_python_3_11_is_right(version, verdict):
    assert doctor.check_python(version).verdict == verdict


@pytest.mark.parametrize(
    "system, processor, verdict",
    [
        ("Linux", "x86_64", "ok"),
        ("Linux", "aarch64", "fail"),
        ("Darwin", "arm64", "fail"),
        ("Windows", "AMD64", "fail"),
    ],
)
def test_only_linux_on_x86_64_is_right(system, processor, verdict):
    assert doctor.check_platform(system, processor).verdict == verdict


@pytest.mark.parametrize(
    "metadata, verdict",
    [(None, "ok"), ("1.17.3", "ok"), ("1.18.0", "fail"), ("1.21.0", "fail")],
)
def test_tensorflow_metadata_is_right_below_1_18(metadata, verdict):
    finding = doctor.check_datasets(
        {"tensorflow-datasets": "4.9.10", "tensorflow-metadata": metadata}
    )
    assert finding.verdict == verdict
    assert ("tensorflow-metadata<1.18" in finding.mend) == (verdict == "fail")


@pytest.mark.parametrize(
    "fidelity, torchmetrics, torchvision, verdict",
    [
        ("0.4.0", "1.9.0", None, "fail"),
        ("0.4.0", "1.9.0", "0.28.0", "ok"),
        ("0.4.0", None, None, "ok"),
        (None, "1.9.0", None, "ok"),
    ],
)
def test_torch_fidelity_beside_torchmetrics_needs_torchvision(
    fidelity, torchmetrics, torchvision, verdict
):
    versions = {
        "torch-fidelity": fidelity,
        "torchmetrics": torchmetrics,
        "torchvision": torchvision,
    }
    assert doctor.check_metrics(versions).verdict == verdict


@pytest.mark.parametrize(
    "line, visible, gpus, verdict, note",
    [
        (None, True, [], "ok", "none"),
        (A100, True, SEEN, "ok", "A100"),
        (A100, True, [], "warn", "CUDA 11.8 libraries"),
        (A100, False, [], "ok", "hidden"),
        ("NVIDIA A100, 8.0, 418.87", True, [], "fail", "driver"),
        ("NVIDIA H100, 9.0, 550.54", True, SEEN, "warn", "Hopper"),
        ("NVIDIA B200, 10.0, 570.86", True, SEEN, "fail", "Blackwell"),
        ("NVIDIA GeForce RTX 5090, 12.0, 570.86", True, [], "fail", "Blackwell"),
        ("GRID K520, 3.0, 450.102", True, [], "fail", "too old"),
    ],
)
def test_gpus_are_judged_by_compute_capability(line, visible, gpus, verdict, note):
    finding = doctor.check_gpu(line, visible, gpus)
    assert finding.verdict == verdict
    assert note in finding.found
    assert bool(finding.mend) == (verdict != "ok")


@pytest.mark.parametrize(
    "versions, verdict",
    [
        ({}, "ok"),
        ({"nvidia-a": None, "nvidia-b": None}, "ok"),
        ({"nvidia-a": "1", "nvidia-b": "1"}, "ok"),
        ({"nvidia-a": "1", "nvidia-b": None}, "warn"),
    ],
)
def test_cuda_wheels_come_all_or_none(versions, verdict):
    assert doctor.check_gpu_libraries(versions, gpu=True).verdict == verdict


@pytest.mark.parametrize(
    "flags, verdict, found",
    [
        ("sse4_2", "fail", "no AVX"),
        ("avx", "warn", "slow"),
        ("avx avx2", "ok", "AVX2"),
        ("avx avx2 avx512f", "ok", "AVX2, AVX-512"),
        ("avx avx2 avx512f amx_tile amx_bf16", "ok", "AMX; bfloat16 is fast here"),
    ],
)
def test_cpu_features_are_named(flags, verdict, found):
    finding = doctor.check_cpu(flags.split())
    assert finding.verdict == verdict
    assert found in finding.found


@pytest.mark.parametrize("gigabytes, verdict", [(1, "warn"), (8, "ok")])
def test_little_memory_is_a_warning(gigabytes, verdict):
    assert doctor.check_memory(gigabytes * 10**9).verdict == verdict


def test_a_tensorflow_that_does_not_start_is_a_failure_with_its_last_words():
    finding = doctor.check_start(None, "ImportError: cannot import runtime_version")
    assert finding.verdict == "fail"
    assert "runtime_version" in finding.found
    assert doctor.check_start([]).verdict == "ok"


def test_the_report_shows_the_remedy_and_only_a_failure_fails(capsys):
    fine = doctor.Finding("Python", "ok", "3.11.7")
    slow = doctor.Finding("GPU", "warn", "Hopper", "export CACHE=1")
    broken = doctor.Finding("numpy", "fail", "2.0.0", "pip install 'numpy<2'")
    assert doctor.report([fine, slow]) == 0
    assert doctor.report([fine, broken]) == 1
    assert "$ pip install 'numpy<2'" in capsys.readouterr().out


def test_every_check_of_this_machine_returns_a_finding(monkeypatch):
    monkeypatch.setattr(machine, "start_tensorflow", lambda: ([], ""))
    findings = doctor.examine()
    assert len(findings) == 14
    assert {finding.verdict for finding in findings} <= {"ok", "warn", "fail"}


def test_the_gpu_extra_has_ten_wheels_and_no_tensorrt():
    names = machine.extra("gpu")
    if not names:
        pytest.skip("egic is not installed")
    assert len(names) == 10
    assert not any("tensorrt" in name for name in names)


def test_the_models_own_id_is_named_once_its_hashes_are_right():
    model_id, error = machine.own_model()
    assert (len(bytes.fromhex(model_id)), error) == (4, "")
    finding = doctor.check_model(model_id)
    assert (finding.verdict, finding.found) == ("ok", f"egic-small, {model_id}")


def test_a_model_with_a_changed_byte_is_a_warning(tmp_path, monkeypatch):
    folder = tmp_path / "model"
    shutil.copytree(default_model.PATH, folder)
    weights = bytearray((folder / "weights.safetensors").read_bytes())
    weights[-1] ^= 1
    (folder / "weights.safetensors").write_bytes(weights)
    monkeypatch.setattr(default_model, "PATH", folder)
    finding = doctor.check_model(*machine.own_model())
    assert finding.verdict == "warn"
    assert "weights.safetensors" in finding.found
