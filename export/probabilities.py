"""Probabilities inside the model, for apps that would rather not compute a softmax."""

from typing import TYPE_CHECKING

from kdc.compress.errors import KdcError

if TYPE_CHECKING:
    from onnx import ModelProto

OUTPUT = "probabilities"
MULTI_LABEL = "multi_label_classification"  # of transformers' `problem_type`


def add_probabilities(model: "ModelProto", problem: str | None) -> None:
    """Add the output `probabilities` (batch, C), float32, beside `logits`, in place.

    They are a softmax over the classes, which sums to 1; of a multi-label model, whose classes
    are independent, each is a sigmoid of its own.

    Args:
        model: a classifier.
        problem: `problem_type` of its `config.json`, or None.

    Raises:
        KdcError: it is a regressor, whose answer is a number and no class.
    """
    from onnx import TensorProto, helper

    logits = next(output for output in model.graph.output if output.name == "logits")
    classes = logits.type.tensor_type.shape.dim[1].dim_value
    if problem == "regression" or classes == 1:
        raise KdcError("a model that answers with a score has no probabilities: leave them out")
    if problem == MULTI_LABEL:
        node = helper.make_node("Sigmoid", ["logits"], [OUTPUT], name=OUTPUT)
    else:
        node = helper.make_node("Softmax", ["logits"], [OUTPUT], name=OUTPUT, axis=-1)
    model.graph.node.append(node)
    batch = logits.type.tensor_type.shape.dim[0]
    rows = batch.dim_param or batch.dim_value
    shape = helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, [rows, classes])
    model.graph.output.append(shape)
