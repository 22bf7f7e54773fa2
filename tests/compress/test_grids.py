import numpy as np
import pytest

from kdc.compress.gptq import round_gptq
from kdc.compress.grids import (
    MOST,
    Grid,
    block_size,
    expand,
    find_grid,
    fit_grid,
    round_nearest,
)

RNG = np.random.default_rng(0)


def weight(rows: int, columns: int) -> np.ndarray:
    """Columns and blocks of rows that differ in size, as trained weights do."""
    size = np.exp(RNG.normal(0, 0.4, (rows // 16, 1, columns)))
    values = RNG.standard_normal((rows // 16, 16, columns)) * size * RNG.uniform(0.1, 2, columns)
    return np.asarray(values.reshape(rows, columns), dtype=np.float32)


@pytest.mark.parametrize(
    ("rows", "size"), [(384, 64), (312, 52), (48, 48), (1200, 60), (37, 37), (74, 37), (4, 4)]
)
def test_blocks_divide_the_rows(rows: int, size: int) -> None:
    """The multiplier is spread by broadcasting: a last, shorter block would not reshape."""
    assert block_size(rows) == size
    assert rows % size == 0


def test_a_prime_number_of_rows_is_one_block() -> None:
    assert block_size(97) == 97


def test_what_a_grid_expands_to_fits_a_signed_byte() -> None:
    """A product of 128 would wrap to -128 at load, on the user's phone."""
    values = weight(128, 24)
    grid = fit_grid(values, 16)
    assert np.array_equal(grid.multipliers, grid.multipliers.round())
    assert 1 <= grid.multipliers.min() <= grid.multipliers.max() <= MOST
    nibbles = round_nearest(values, grid)
    assert -8 <= nibbles.min() <= nibbles.max() <= 7
    whole = expand(nibbles, grid) / grid.scale
    assert np.abs(whole).max() <= 127
    np.testing.assert_allclose(whole, whole.round(), atol=1e-3)


def test_blocks_follow_the_size_of_their_weights() -> None:
    """One step per column is what a block's multiplier must beat."""
    values = weight(256, 24)
    fine, coarse = fit_grid(values, 16), fit_grid(values, 256)
    errors = [np.mean((expand(round_nearest(values, g), g) - values) ** 2) for g in (fine, coarse)]
    assert errors[0] < 0.6 * errors[1]


def test_the_fit_is_near_the_best_float_scale_of_every_block() -> None:
    """Whole multipliers could cost more than they save: against a free scale for each block."""
    values = weight(128, 16)
    grid = fit_grid(values, 32)
    ours = np.sum((expand(round_nearest(values, grid), grid) - values) ** 2)
    free = 0.0
    for block in values.reshape(4, 32, 16).transpose(0, 2, 1).reshape(-1, 32):
        steps = np.abs(block).max() / np.linspace(5, 9, 60)
        tries = np.clip(np.round(block / steps[:, None]), -8, 7) * steps[:, None]
        free += ((tries - block) ** 2).sum(axis=1).min()
    assert free < ours < 1.15 * free


def correlated(rows: int, width: int) -> np.ndarray:
    """Inputs whose features move together, as those of a trained layer do."""
    hidden = RNG.standard_normal((rows, width // 4))
    mix = RNG.standard_normal((width // 4, width))
    return np.asarray(hidden @ mix + 0.3 * RNG.standard_normal((rows, width)), dtype=np.float32)


def test_gptq_keeps_the_outputs_that_rounding_to_nearest_loses() -> None:
    """On inputs it has not seen; a wrong order or sign makes it worse than no GPTQ at all."""
    values, inputs = weight(192, 32), correlated(1200, 192)
    seen, unseen = inputs[:800], inputs[800:]
    moments = seen.T @ seen
    grid = fit_grid(values, 32, np.diag(moments))
    exact = unseen @ values
    errors = [
        np.mean((unseen @ expand(nibbles, grid) - exact) ** 2)
        for nibbles in (round_nearest(values, grid), round_gptq(values, grid, moments))
    ]
    assert errors[1] < 0.5 * errors[0]


def test_gptq_on_white_inputs_is_rounding_to_nearest() -> None:
    """With nothing to make up for an error, the nearest value is the best one."""
    values = weight(64, 8)
    grid = fit_grid(values, 32)
    rounded = round_gptq(values, grid, 1000 * np.eye(64, dtype=np.float32))
    assert np.array_equal(rounded, round_nearest(values, grid))


def test_gptq_survives_inputs_that_are_always_zero() -> None:
    """A dead neuron's row and column of zeros has no inverse."""
    values, inputs = weight(64, 8), correlated(200, 64)
    inputs[:, 5] = 0
    grid = fit_grid(values, 32)
    rounded = round_gptq(values, grid, inputs.T @ inputs)
    assert np.isfinite(expand(rounded, grid)).all()
    assert np.array_equal(rounded[5], round_nearest(values, grid)[5])


@pytest.mark.parametrize(("rows", "columns", "block"), [(128, 24, 64), (96, 5, 48), (74, 3, 37)])
def test_a_weight_on_a_grid_is_found_there(rows: int, columns: int, block: int) -> None:
    """Bug: a student that was trained in 4 bits is rounded anew, to a grid that it never saw."""
    values = weight(rows // 16 * 16 + 16, columns)[:rows]
    values[:, 1] = 0
    grid = fit_grid(values, block)
    on = expand(round_nearest(values, grid), grid)
    found = find_grid(on, block)
    assert found is not None
    np.testing.assert_allclose(expand(round_nearest(on, found), found), on, rtol=1e-6)


def test_a_grid_is_found_where_no_block_reaches_its_ends() -> None:
    """Bug: the widest weight is taken for 7 steps, which is true of fresh grids alone."""
    grid = Grid(np.array([[3.0, 14.0], [15.0, 2.0]], dtype=np.float32), np.array([0.01, 3], "f4"))
    nibbles = RNG.integers(-5, 5, (64, 2)).astype(np.int8)
    on = expand(nibbles, grid)
    found = find_grid(on, 32)
    assert found is not None
    np.testing.assert_allclose(expand(round_nearest(on, found), found), on, rtol=1e-6)


@pytest.mark.parametrize("rows", [16, 32, 384])
def test_other_weights_lie_on_no_grid(rows: int) -> None:
    """Bug: an ordinary student's weights are taken for whole numbers, and GPTQ is left out."""
    assert find_grid(weight(rows, 40), min(rows, 32)) is None
    values = weight(rows, 4)
    grid = fit_grid(values, min(rows, 32))
    on = expand(round_nearest(values, grid), grid)
    on[rows // 2, 2] += 0.1 * grid.scale[2]
    assert find_grid(on, min(rows, 32)) is None
