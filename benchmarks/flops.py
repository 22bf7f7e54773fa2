"""Counted floating-point operations of an encoder, and what devices can do at most.

Of a matrix product of (m, k) by (k, n) 2mkn are counted. A layer of width h and FFN width f has for
every token the four h x h projections of the attention (8h^2), the two h x f matrices (4hf), and
the products of queries with keys and of probabilities with values, 2Th each in a text of T tokens:

    layer(T)   = T (8h^2 + 4hf + 4Th)
    forward(T) = L layer(T) + 2h^2 + 2hC        pooler and classifier see the first token alone

A backward pass is counted as two forward passes, so a step with the teacher online takes
B (teacher(T) + 3 student(T)). Everything else (embeddings, softmax, norms, the optimizer) is not
counted: no matrix unit does it. The utilisation is this sum over the time over the device's peak:
Chowdhery et al. 2022 (PaLM, arXiv 2204.02311), appendix B.
"""

from kdc.compress.students import Shape

# dense bf16 FLOP/s of the vendor's datasheets; the first name that the device's name holds counts
PEAKS = {
    "H200": 989.4e12,
    "H100 PCIe": 756e12,
    "H100 NVL": 835e12,
    "H100": 989.4e12,
    "A100": 312e12,
    "A30": 165e12,
    "L40S": 362e12,
    "L4": 121e12,
    "RTX 4090": 165.2e12,
    "RTX 3090": 71e12,
}


def forward_flops(shape: Shape, length: int, outputs: int) -> float:
    """Return what a BERT takes for one text of a length."""
    h, f = shape.hidden, shape.ffn
    layer = length * (8 * h * h + 4 * h * f + 4 * length * h)
    return float(shape.layers * layer + 2 * h * h + 2 * h * outputs)


def step_flops(teacher: Shape, student: Shape, rows: int, length: int, outputs: int) -> float:
    """Return what a step takes in which the teacher runs and the student learns."""
    ours, theirs = (forward_flops(shape, length, outputs) for shape in (student, teacher))
    return rows * (theirs + 3 * ours)


def peak(device: str) -> float | None:
    """Return the dense bf16 FLOP/s of a device by its name; None where it is not known."""
    return next((value for name, value in PEAKS.items() if name.lower() in device.lower()), None)
