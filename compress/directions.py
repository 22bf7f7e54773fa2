"""Principal directions, of a fixed sign."""

import torch
from torch import Tensor


def principal_directions(products: Tensor, width: int) -> Tensor:
    """Return the directions in which vectors are longest.

    Args:
        products: (H, H) sum of x x^T over the vectors.
        width: how many directions.

    Returns:
        (H, width) orthonormal float32 columns, the longest first.
    """
    _, vectors = torch.linalg.eigh(products.double())
    kept: Tensor = vectors.flip(1)[:, :width]
    # eigenvectors have no sign of their own; fix it, so that every machine starts alike
    signs = kept.gather(0, kept.abs().argmax(0, keepdim=True)).sign()
    return (kept * signs).float()
