import numpy as np

from kdc.compress.rounding import fit_scales, to_int8

RNG = np.random.default_rng(0)


def error(groups: np.ndarray, scale: np.ndarray, lowest: int, highest: int) -> np.ndarray:
    rounded = np.clip(np.round(groups / scale[:, None]), lowest, highest) * scale[:, None]
    return np.asarray(((rounded - groups) ** 2).sum(axis=1))


def test_the_scale_is_the_best_of_those_tried() -> None:
    """A fifth of an outlier's range is worth more to the other weights than the outlier is."""
    groups = RNG.standard_normal((40, 64)).astype(np.float32)
    groups[:, 0] *= 3
    shares = np.linspace(1, 0.5, 11)
    widest = np.maximum(groups.max(axis=1) / 7, groups.min(axis=1) / -8)
    errors = np.stack([error(groups, widest * share, -8, 7) for share in shares])
    scale = fit_scales(groups, shares.tolist())
    np.testing.assert_allclose(error(groups, scale, -8, 7), errors.min(axis=0), rtol=1e-4)
    assert np.mean(scale < 0.95 * widest) > 0.25


def test_a_group_of_zeros_has_a_scale_to_divide_by() -> None:
    rounded, scale = to_int8(np.zeros((2, 5), dtype=np.float32))
    assert np.array_equal(rounded, np.zeros((2, 5)))
    assert np.array_equal(scale, np.ones(2))


def test_bytes_stay_symmetric() -> None:
    """-128 times an activation has no counterpart: kernels that negate it overflow."""
    rounded, scale = to_int8(np.array([[-1.0, 0.5], [1e-9, -1e-9]], dtype=np.float32))
    assert rounded.min() == -127
    np.testing.assert_allclose(rounded * scale[:, None], [[-1, 0.5], [1e-9, -1e-9]], rtol=0.01)
