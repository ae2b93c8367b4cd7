"""Linear maps from data: random frames, principal directions, ridge regressions."""

from collections.abc import Iterator

import numpy as np

_ROWS = 16384  # Of one term of a sum of products; bounds the float64 copies.


def frame(size: int, count: int, rng: np.random.Generator) -> np.ndarray:
    """Random orthonormal columns whose entries sum to 0, [size, count].

    What is written along them is not touched by the mean that LayerNorm subtracts.

    Args:
        size: Channels.
        count: Columns, at most size - 1.
        rng: Draws them.
    """
    if count >= size:
        raise ValueError(
            f"{size} channels have room for {size - 1} columns, not {count}."
        )
    start = rng.standard_normal((size, count + 1))
    start[:, 0] = 1.0
    return np.linalg.qr(start)[0][:, 1:]


def principal_directions(moment: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvectors (columns) and eigenvalues of a [D, D] second moment, largest first.

    The largest entry of each direction is positive, so that the answer is unique.
    """
    energies, directions = np.linalg.eigh(moment)
    energies, directions = np.maximum(energies[::-1], 0.0), directions[:, ::-1]
    largest = np.abs(directions).argmax(0)
    signs = np.sign(directions[largest, np.arange(len(largest))])
    return directions * signs, energies


def ridge_map(x: np.ndarray, target: np.ndarray, ridge: float) -> np.ndarray:
    """The matrix W that minimises E |x W - t|^2 + ridge * mean(diag(E x x^T)) |W|^2.

    Args:
        x: [tokens, D].
        target: t, [tokens, T].
        ridge: Relative to the mean diagonal, so that the scale of x does not matter.

    Returns:
        [D, T].
    """
    moment = second_moment(x)
    moment += ridge * np.trace(moment) / len(moment) * np.eye(len(moment))
    return np.linalg.solve(moment, second_moment(x, target))


def second_moment(x: np.ndarray, other: np.ndarray | None = None) -> np.ndarray:
    """E x^T t over the rows of x [tokens, D] and t [tokens, T] (x itself), float64."""
    other = x if other is None else other
    total = np.zeros((x.shape[1], other.shape[1]))
    for rows in chunks(len(x), _ROWS):
        total += x[rows].astype(np.float64).T @ other[rows].astype(np.float64)
    return total / len(x)


def chunks(total: int, size: int) -> Iterator[slice]:
    """Consecutive slices of at most `size` that cover range(total)."""
    return (slice(start, start + size) for start in range(0, total, size))
