"""`egic demo` before there is a page."""

import socket

import pytest

from egic import cli
from egic.page import command, server


def test_without_gradio_one_line_says_what_to_install(monkeypatch, capsys):
    monkeypatch.setattr(command.importlib.util, "find_spec", lambda name: None)
    assert cli.main(["demo"]) == 2
    error = capsys.readouterr().err
    assert error == "egic: The page needs Gradio: pip install 'egic[demo]'\n"


@pytest.mark.parametrize("flag", ["--port=0", "--port=65536", "--share=always"])
def test_flags_that_cannot_be_meant_are_wrong_usage(flag, capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main(["demo", flag])
    assert caught.value.code == 2
    assert flag.split("=")[0] in capsys.readouterr().err


def test_a_port_that_is_taken_is_named_and_none_is_the_next(monkeypatch, capsys):
    with socket.socket() as other:
        other.bind((server.HOST, 0))
        other.listen()
        taken = other.getsockname()[1]
        with pytest.raises(OSError, match=f"port {taken}"):
            server.listen(taken)
        monkeypatch.setattr(server, "FIRST_PORT", taken)
        with server.listen(None) as listener:
            host, port = listener.getsockname()
            assert host == "127.0.0.1" and port > taken


def test_a_folder_that_is_no_model_is_said_in_a_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(command.importlib.util, "find_spec", lambda name: object())
    assert cli.main(["demo", f"--model={tmp_path}"]) == 20
    assert str(tmp_path) in capsys.readouterr().err
