"""`egic demo`: the flags, and what is said before the page is there."""

import argparse
import importlib.util
import os
import webbrowser

from egic import batch, commands

MISSING = "The page needs Gradio: pip install 'egic[demo]'"


def demo(args: argparse.Namespace) -> int:
    """Shows the page until it is interrupted.

    Raises:
        egic.batch.UsageError: Gradio is not installed.
        OSError: The port is taken.
        ModelLoadError: There is no model.
    """
    if importlib.util.find_spec("gradio") is None:
        raise batch.UsageError(MISSING)
    load = commands.codec_loader(args.model)
    from egic.page import server  # Loads TensorFlow: takes seconds.

    with server.listen(args.port) as listener:
        codec = load()
        address = f"http://{server.HOST}:{listener.getsockname()[1]}"
        print(f"{address}  (Ctrl-C ends it)", flush=True)
        if os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
            webbrowser.open(address)
        server.serve(codec, listener)
    return 0
