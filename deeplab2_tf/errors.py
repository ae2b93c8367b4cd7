"""What can be wrong with labelled data."""


class DataError(ValueError):
    """A record or picture that cannot be used; the others can.

    Whoever reads many pictures catches it, counts it and shows it; its text is
    "name: reason". It survives pickling, so that worker processes may raise it.

    Attributes:
        name: File, and within it the record and the picture, as far as they are known.
        reason: What is wrong, with the values.
    """

    def __init__(self, name: str, reason: str):
        super().__init__(name, reason)
        self.name = name
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.name}: {self.reason}"
