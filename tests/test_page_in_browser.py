"""The page of `egic demo` in headless Chromium; skipped where that or Gradio is absent.

The model is the smallest SwinT-ChARM, of random weights, with a head. The window is
wide enough to show pictures pixel by pixel, so that a screenshot is compared with what
the codec gives.
"""

import dataclasses
import json
import os
import pathlib
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request

import numpy as np
import pytest

import egic
from egic import codec as builder
from egic.config import HeadConfig
from egic.initialisers import Initialiser
from egic.page import opening, views
from hific.images import write_png
from tests import devtools, micro_codec
from tests.pixel_codec import PixelCodec

pytest.importorskip("gradio")
pytestmark = pytest.mark.slow

ROOT = pathlib.Path(__file__).resolve().parents[1]
HEIGHT, WIDTH = 192, 320
_CALM = "!document.querySelector('#numbers').innerText.includes('…')"


# Writes down whom the program looks up or connects to, and runs `egic demo`.
_WATCHED = """
import pathlib, sys
asked = pathlib.Path(sys.argv[1]).open("a", buffering=1)
def note(event, arguments):
    if event == "socket.connect":
        host = arguments[1]
        print(host[0] if isinstance(host, tuple) else "local", file=asked)
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        print(arguments[0], file=asked)
sys.addaudithook(note)
from egic import cli
sys.exit(cli.main(["demo", *sys.argv[2:]]))
"""


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    config = dataclasses.replace(micro_codec.CONFIG, head=HeadConfig(1))
    model = builder.build_egic(config, init=Initialiser(7))
    model.head.start_from(model.synthesis)
    model.head.unpack.bias.assign_add([0.2, -0.2, 0.1] * 4)
    folder = tmp_path_factory.mktemp("model")
    builder.save(config, model, folder)
    return folder


@pytest.fixture(scope="module")
def codec(bundle):
    return egic.load(bundle)


@pytest.fixture(scope="module")
def picture():
    return np.random.default_rng(1).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)


@pytest.fixture(scope="module")
def connections(tmp_path_factory):
    """File of the hosts that the program asked for by name or number."""
    return tmp_path_factory.mktemp("hosts") / "asked"


@pytest.fixture(scope="module")
def temporary(tmp_path_factory):
    """Folder of all that the program puts down for a while."""
    return tmp_path_factory.mktemp("temporary")


@pytest.fixture(scope="module")
def address(bundle, connections, temporary):
    """Where `egic demo` says that the page is; told to stop, it ends in peace."""
    command = [sys.executable, "-c", _WATCHED, str(connections), f"--model={bundle}"]
    environment = {k: v for k, v in os.environ.items() if "DISPLAY" not in k}
    environment["TMPDIR"] = str(temporary)
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, env=environment, cwd=ROOT, text=True
    ) as process:
        try:
            yield process.stdout.readline().split()[0]
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0
            assert list(temporary.iterdir()) == []
        finally:
            process.kill()


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with devtools.opened(tmp_path_factory.mktemp("profile")) as page:
        page.resize(1280, 1000)
        yield page


@pytest.fixture
def page(browser, address):
    browser.open(address)
    browser.wait("document.querySelectorAll('#drop input[type=file]').length")
    yield browser
    assert browser.problems == []
    assert {url for url in browser.requested if not _own(url, address)} == set()


def _own(url, address):
    return url.startswith((f"{address}/", "data:", "blob:", "about:"))


@pytest.fixture
def dropped(page, picture, tmp_path):
    """The page after a picture came to it."""
    path = tmp_path / "noise.png"
    write_png(path, picture)
    _drop(page, path)
    _wait_for(page, right="EGIC, alpha 1")
    page.wait(_CALM)
    return page


def _drop(page, path):
    page.choose_file("#drop input[type=file]", path)


def _wait_for(page, **labels):
    """Waits until the pictures are there that have these labels."""
    for side, label in labels.items():
        found = f"document.querySelector('#stage .{side}')?.textContent"
        page.wait(f"{found} === {label!r}")


def _seen(page):
    """What is seen of the pictures, [H, W, 3], where nothing lies on them.

    Labels and the round handle are in the upper two thirds; the line is in the middle.
    """
    painting = "document.querySelector('#stage canvas')"
    page.wait(f"getComputedStyle({painting}).opacity === '0'")
    box = page.box("#stage .frame")
    assert (box.width, box.height) == (WIDTH, HEIGHT)
    shown = page.screenshot(box)[130:]
    return shown[:, : WIDTH // 2 - 8], shown[:, WIDTH // 2 + 8 :]


def _expected(image):
    return image[130:, : WIDTH // 2 - 8], image[130:, WIDTH // 2 + 8 :]


def _drawn(codec, picture, alpha=1.0):
    return codec.decode(codec.compress(picture)).image(alpha)


def test_a_dropped_picture_is_shown_beside_what_the_codec_makes_of_it(
    dropped, codec, picture
):
    left, right = _seen(dropped)
    np.testing.assert_array_equal(left, _expected(picture)[0])
    np.testing.assert_array_equal(right, _expected(_drawn(codec, picture))[1])


def test_what_was_dropped_does_not_stay_on_the_disk(dropped, temporary):
    left = [path for path in temporary.rglob("*") if path.is_file()]
    assert [path for path in left if path.stat().st_size] == []


def test_the_split_follows_the_hand_and_the_keys(dropped, codec, picture):
    box = dropped.box("#stage .frame")
    dropped.drag(box.at(0.5, 0.5), box.at(0.2, 0.5), box.at(0.0, 0.5))
    left, _ = _seen(dropped)
    np.testing.assert_array_equal(
        left[:, 8:], _expected(_drawn(codec, picture))[0][:, 8:]
    )
    dropped.value("document.querySelector('#stage .handle').focus()")
    key = {"key": "End", "code": "End", "windowsVirtualKeyCode": 35}
    dropped.call("Input.dispatchKeyEvent", type="keyDown", **key)
    _, right = _seen(dropped)
    np.testing.assert_array_equal(right[:, :-8], _expected(picture)[1][:, :-8])


def test_dragging_alpha_to_the_left_shows_the_faithful_picture(dropped, codec, picture):
    _, realistic = _seen(dropped)
    slider = dropped.box("#alpha input[type=range]")
    dropped.drag(slider.at(0.98, 0.5), slider.at(0.5, 0.5), slider.at(0.0, 0.5))
    _wait_for(dropped, right="EGIC, alpha 0")
    _, faithful = _seen(dropped)
    assert (faithful != realistic).any()
    np.testing.assert_array_equal(faithful, _expected(_drawn(codec, picture, 0.0))[1])


def test_what_is_painted_is_faithful_and_the_rest_is_not(dropped, codec, picture):
    dropped.click("#stage [data-mode=brush]")
    box = dropped.box("#stage .frame")
    dropped.drag(box.at(0.8, 0.75), box.at(0.85, 0.75), box.at(0.9, 0.75))
    _wait_for(dropped, right="EGIC, alpha 1, 0 where painted")
    _, mixed = _seen(dropped)
    faithful = _expected(_drawn(codec, picture, 0.0))[1]
    realistic = _expected(_drawn(codec, picture))[1]
    assert (faithful != realistic).any()
    row, column = 144 - 130, int(0.85 * WIDTH) - WIDTH // 2 - 8
    np.testing.assert_array_equal(mixed[row, column], faithful[row, column])
    np.testing.assert_array_equal(mixed[:, :40], realistic[:, :40])
    dropped.click("#stage .clear")
    _wait_for(dropped, right="EGIC, alpha 1")
    np.testing.assert_array_equal(_seen(dropped)[1], realistic)


def test_another_codec_takes_the_left_with_no_more_bytes(dropped, codec, picture):
    dropped.click("#beside input[value=WebP]")
    rival = opening.open_image(codec, picture, "noise").rival("webp")
    _wait_for(dropped, left=rival.label)
    np.testing.assert_array_equal(_seen(dropped)[0], _expected(rival.image)[0])
    rows = dropped.value(
        "[...document.querySelectorAll('#numbers tbody tr')].map(r => r.innerText)"
    )
    assert len(rows) == 1 + len(views.CODECS)
    assert f"{len(rival.data):,}" in next(row for row in rows if "WebP" in row)


def test_the_file_is_downloaded_and_opens_again(dropped, codec, picture, tmp_path):
    dropped.save_downloads(tmp_path)
    dropped.click("#numbers a.download")
    path = tmp_path / "noise.egic"
    deadline = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert path.read_bytes() == codec.compress(picture)
    _drop(dropped, path)
    _wait_for(dropped, left="EGIC, alpha 0", right="EGIC, alpha 1")
    left, right = _seen(dropped)
    np.testing.assert_array_equal(left, _expected(_drawn(codec, picture, 0.0))[0])
    np.testing.assert_array_equal(right, _expected(_drawn(codec, picture))[1])
    text = dropped.wait("document.querySelector('#numbers .above')?.innerText")
    assert f"{path.stat().st_size:,} bytes" in text
    assert not dropped.value("!!document.querySelector('#numbers table')")


def test_what_is_no_picture_is_refused_in_a_sentence(page, tmp_path):
    path = tmp_path / "notes.png"
    path.write_text("not a picture")
    _drop(page, path)
    text = page.wait("document.querySelector('#message [role=alert]')?.innerText")
    assert text.startswith("notes.png: no PNG")
    assert "/" not in text
    assert not page.value("!!document.querySelector('#stage')")


def test_a_photograph_that_ships_with_a_dependency_is_a_click_away(page, codec):
    pytest.importorskip("skimage")
    page.click("#examples [data-name=chelsea]")
    _wait_for(page, left="Original", right="EGIC, alpha 1")
    shown = page.value("document.querySelector('#stage .beside').naturalWidth")
    assert shown == 451


def test_a_narrow_window_needs_no_scrolling_sideways(dropped):
    try:
        dropped.resize(420, 900)
        whole = "document.documentElement"
        assert dropped.value(f"{whole}.clientWidth") > 400
        assert dropped.value(f"{whole}.scrollWidth - {whole}.clientWidth") <= 0
    finally:
        dropped.resize(1280, 1000)


def test_a_file_of_another_model_is_refused_by_its_id(page, tmp_path):
    path = tmp_path / "other.egic"
    path.write_bytes(PixelCodec().compress(np.zeros((8, 8, 3), np.uint8)))
    _drop(page, path)
    text = page.wait("document.querySelector('#message [role=alert]')?.innerText")
    assert text.startswith("other.egic: The file was made with model 74657374")


def test_every_answer_keeps_the_page_to_this_machine(address):
    with urllib.request.urlopen(address) as answer:
        policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'self' ")
    assert "http" not in policy
    elsewhere = urllib.request.Request(address, headers={"Host": "example.com"})
    with pytest.raises(urllib.error.HTTPError, match="400"):
        urllib.request.urlopen(elsewhere)


def test_a_file_that_was_not_uploaded_is_not_read(address, tmp_path):
    """Whoever may ask the page anything must not see the pictures of its owner."""
    path = tmp_path / "mine.png"
    write_png(path, np.zeros((8, 8, 3), np.uint8))
    with urllib.request.urlopen(f"{address}/config") as answer:
        events = json.load(answer)["dependencies"]
    opens = next(each["id"] for each in events if each["api_name"] == "open_file")
    file = {"path": str(path), "meta": {"_type": "gradio.FileData"}}
    content = {
        "fn_index": opens,
        "data": [file, 1.0, "faithful", "Original"],
        "session_hash": "forged",
    }
    asked = urllib.request.Request(
        f"{address}/gradio_api/queue/join",
        json.dumps(content).encode(),
        {"Content-Type": "application/json"},
    )
    urllib.request.urlopen(asked).close()
    events = f"{address}/gradio_api/queue/data?session_hash=forged"
    with urllib.request.urlopen(events) as answer:
        lines = (line.decode() for line in answer)
        done = next(line for line in lines if '"process_completed"' in line)
    assert json.loads(done.removeprefix("data:"))["success"] is False
    assert "kept/" not in done and path.exists()


def test_what_is_not_kept_is_not_there(address):
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(f"{address}/kept/0")


def test_the_program_connects_to_nobody(address, connections):
    asked = connections.read_text().split() if connections.exists() else []
    assert set(asked) <= {"127.0.0.1", "None", "local"}
