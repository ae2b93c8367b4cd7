"""What a package says where what it stands on is not installed."""


def missing(package: str, extra: str, error: ImportError) -> ImportError:
    """What to raise instead of an ImportError.

    Args:
        package: Of ours. With its name in the error, `python -m` says it in one line.
        extra: Of setup.cfg, that installs what is missing.
        error: Says what that is.
    """
    text = f"{package} cannot be used ({error}): pip install 'egic[{extra}]'"
    return ImportError(text, name=package)
