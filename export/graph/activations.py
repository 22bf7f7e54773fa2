"""Activations by transformers' names, each as one ONNX node: the operator and its attributes."""

_TANH = ("Gelu", {"approximate": "tanh"})  # its three names differ in rounding alone

ACTIVATIONS: dict[str, tuple[str, dict[str, str]]] = {
    "gelu": ("Gelu", {}),
    "gelu_new": _TANH,
    "gelu_fast": _TANH,
    "gelu_pytorch_tanh": _TANH,
    "relu": ("Relu", {}),
    "tanh": ("Tanh", {}),
    "sigmoid": ("Sigmoid", {}),
}
