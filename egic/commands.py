"""What each `egic` command does, once its command line is understood.

`egic.compression` and `egic.decompression` have the two that are missing here.

Each function takes the parsed arguments and returns the exit code. TensorFlow is loaded
when the first file is known to be worth it; `info` and `verify` never need it.
"""

import argparse
import errno
import functools
import json
import os
import pathlib
import sys

import egic
from egic import batch, default_model
from hific import bitstream, engine_names
from hific.errors import CodecError

MODEL_VARIABLE = "EGIC_MODEL"


def info(args: argparse.Namespace) -> int:
    """Prints what a compressed file says of itself."""
    try:
        fields = bitstream.inspect(batch.read_compressed(args.file))
    except (CodecError, OSError) as error:
        batch.complain(str(args.file), error)
        return batch.exit_code_of(error)
    if args.json:
        print(json.dumps({"file": str(args.file), **fields}, indent=2))
        return 0
    tiles = f" in {fields['tiles']} tiles" if int(fields["tiles"]) > 1 else ""
    print(
        f"{args.file}\n"
        f"  picture   {fields['width']} x {fields['height']} pixels{tiles}\n"
        f"  model     {fields['model_id']}\n"
        f"  format    version {fields['version']}\n"
        f"  size      {fields['bytes']:,} bytes, {fields['bpp']:.4f} bpp\n"
        f"  of these  header {fields['bytes_header']:,}, "
        f"payload {fields['bytes_payload']:,}, checks {fields['bytes_checks']:,}\n"
        f"  checksums latents {fields['latents_crc']}, file {fields['file_crc']}"
    )
    return 0


def verify(args: argparse.Namespace) -> int:
    """Checks that files arrived as they were written."""

    def work(path: pathlib.Path) -> str:
        data = batch.read_compressed(path)
        packet = bitstream.unpack(data)
        weight = size(len(data), packet.width, packet.height)
        return f"{path}: intact, {packet.width}x{packet.height}, {weight}"

    return batch.run(args.files, work, "verifying")


def export(args: argparse.Namespace) -> int:
    """Training run -> model bundle."""
    if not (args.workdir / "config.json").is_file():
        raise batch.UsageError(
            f"--workdir={args.workdir} is no training run: it holds no config.json."
        )
    if args.out.exists() and (not args.out.is_dir() or any(args.out.iterdir())):
        raise FileExistsError(
            errno.EEXIST, "exists and is not empty; name another folder", str(args.out)
        )
    from egic import selftest
    from egic.codec import export as export_bundle

    try:
        export_bundle(args.workdir, args.out, not args.raw, args.storage)
    except ValueError as error:  # No config, checkpoint or weights that can be stored.
        raise batch.UsageError(str(error)) from error
    selftest.write_vectors(args.out)
    total = sum(path.stat().st_size for path in args.out.rglob("*") if path.is_file())
    print(f"{args.workdir} -> {args.out}: {args.storage}, {total / 2**20:.1f} MiB")
    return 0


def doctor(args: argparse.Namespace) -> int:
    """Looks for what is known to go wrong on a machine."""
    from egic import doctor

    return doctor.report(doctor.examine())


def selftest(args: argparse.Namespace) -> int:
    """Decodes the conformance vectors of a model."""
    from egic import selftest

    return selftest.selftest(args)


def demo(args: argparse.Namespace) -> int:
    """Shows a page to try the codec on."""
    from egic.page import command

    return command.demo(args)


def choose_engine(args: argparse.Namespace) -> None:
    """Settles for this process, and all it starts, what executes the transforms.

    Says which that is where `auto` chose it.

    Raises:
        egic.batch.UsageError: There is none of that name, or it is not installed.
    """
    if not hasattr(args, "engine"):
        return
    asked = args.engine or engine_names.default()
    if getattr(args, "isolated", False):  # The engine whose need of memory is known.
        if args.engine not in (None, engine_names.AUTO, engine_names.TENSORFLOW):
            raise batch.UsageError(
                f"--isolated decodes with TensorFlow; leave --engine={args.engine} out."
            )
        asked = engine_names.TENSORFLOW
    try:
        name = engine_names.resolve(asked)
    except engine_names.EngineError as error:
        raise batch.UsageError(str(error)) from error
    if asked == engine_names.AUTO:
        print(f"egic: engine {engine_names.described(name)}", file=sys.stderr)
    # Whose pictures `auto` executes in another way is found out picture by picture.
    settled = asked if asked == engine_names.AUTO else name
    os.environ[engine_names.VARIABLE] = settled


def codec_loader(model: pathlib.Path | None):
    """Returns a function that loads the codec when first called.

    Raises:
        egic.batch.UsageError: There are several.
        ModelLoadError: There is none.
    """
    from egic.models import Models

    models = Models(model_directory(model))
    return functools.cache(lambda: egic.load(models.only()))


def model_directory(model: pathlib.Path | None) -> pathlib.Path:
    """Where models are: a bundle, or a folder of bundles.

    What the flag names, else the environment, else what comes with this program.

    Raises:
        ModelLoadError: None is named, and this installation lacks its own.
    """
    named = model or os.environ.get(MODEL_VARIABLE)
    return pathlib.Path(named) if named else default_model.directory()


def size(num_bytes: int, width: int, height: int) -> str:
    """Says how large a file of a picture is."""
    return f"{num_bytes:,} bytes, {8 * num_bytes / (width * height):.4f} bpp"
