"""Serves the page to this machine, and to nobody else."""

import contextlib
import os
import pathlib
import signal
import socket
import tempfile
from collections.abc import Iterator

from egic.page.shelf import Shelf
from hific.codec import Codec

HOST = "127.0.0.1"
FIRST_PORT = 7860
_PORTS = 100
_MAX_UPLOAD = 2**26

# Nothing is fetched from elsewhere, whatever Gradio's own scripts would like to.
_POLICY = "; ".join(
    (
        "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
_HEADERS = (
    (b"content-security-policy", _POLICY.encode()),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
)
# Gradio reads these when it is imported.
_ENVIRONMENT = {
    "GRADIO_ANALYTICS_ENABLED": "False",
    "GRADIO_RUN_HISTORY": "False",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_OFFLINE": "1",
}


def listen(port: int | None) -> socket.socket:
    """Takes a port of this machine.

    Args:
        port: Which one, or None for the first from 7860 on that is free.

    Raises:
        OSError: It is taken, or all are.
    """
    wanted = range(FIRST_PORT, FIRST_PORT + _PORTS) if port is None else (port,)
    for number in wanted:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, number))
            listener.listen()
            return listener
        except OSError as error:
            listener.close()
            last = error
    raise OSError(last.errno, last.strerror, f"port {wanted[-1]}")


def serve(codec: Codec, listener: socket.socket) -> None:
    """Shows the page until SIGINT or SIGTERM.

    Args:
        codec: Of the model that the page shows.
        listener: From `listen`.
    """
    # Uvicorn ends in peace, and then leaves the signal to whoever had it before.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with private_folder(), contextlib.suppress(KeyboardInterrupt):
        server(codec).run(sockets=[listener])


def server(codec: Codec):
    """What answers the browser, a `uvicorn.Server` that is yet to run."""
    asgi = application(codec)
    import uvicorn

    return uvicorn.Server(
        uvicorn.Config(
            asgi,
            log_level="critical",
            access_log=False,
            timeout_graceful_shutdown=1,
        )
    )


def application(codec: Codec):
    """The page, and the pictures on it, as an ASGI application."""
    os.environ.update(_ENVIRONMENT)
    import fastapi
    import gradio
    from starlette.middleware.trustedhost import TrustedHostMiddleware

    from egic.page import app, desk

    shelf = Shelf()
    outer = fastapi.FastAPI(openapi_url=None)

    @outer.get(f"/{desk.KEPT}/{{name}}")
    def kept(name: str) -> fastapi.Response:
        found = shelf.get(name)
        if found is None:
            return fastapi.Response(status_code=404)
        return fastapi.Response(found.data, media_type=found.media_type)

    page = app.build(codec, shelf)
    # Unless it is set, Gradio takes any file of this machine for one of its uploads.
    page.has_launched = True
    gradio.mount_gradio_app(
        outer,
        page,
        path="/",
        server_name=HOST,
        footer_links=[],
        run_history=False,
        show_error=False,
        max_file_size=_MAX_UPLOAD,
        ssr_mode=False,
        pwa=False,
        mcp_server=False,
        enable_monitoring=False,
        theme=app.theme(),
        css=app.CSS,
    )
    outer.add_middleware(TrustedHostMiddleware, allowed_hosts=[HOST, "localhost"])
    return _with_headers(outer)


def _with_headers(inner):
    """Adds `_HEADERS` to every answer of an ASGI application."""

    async def outer(scope, receive, send):
        async def send_more(message):
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], *_HEADERS]}
            await send(message)

        await inner(scope, receive, send_more)

    return outer


@contextlib.contextmanager
def private_folder() -> Iterator[pathlib.Path]:
    """A folder for what is uploaded; at the end it is gone."""
    with tempfile.TemporaryDirectory(prefix="egic-demo-") as folder:
        os.environ["GRADIO_TEMP_DIR"] = folder
        yield pathlib.Path(folder)
