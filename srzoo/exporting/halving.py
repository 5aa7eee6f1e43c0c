"""ONNX files in half the bytes."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

SMALL = 16
"""Tensors of fewer values, such as shapes and limits, stay as they are."""


def halve(path: Path) -> None:
    """Store an ONNX file's weights in float16; the network computes in float32 as before.

    Each becomes an initialiser in float16 and a ``Cast``, which runners fold when they load it.
    """
    onnx: Any = import_module("onnx")
    model = onnx.load(str(path))
    graph, kept, casts = model.graph, list[Any](), list[Any]()
    for tensor in graph.initializer:
        values: NDArray[Any] = onnx.numpy_helper.to_array(tensor)
        if values.dtype != np.float32 or values.size < SMALL:
            kept.append(tensor)
            continue
        half = onnx.numpy_helper.from_array(values.astype(np.float16), f"{tensor.name}_half")
        kept.append(half)
        casts.append(
            onnx.helper.make_node("Cast", [half.name], [tensor.name], to=onnx.TensorProto.FLOAT)
        )
    nodes = [*casts, *graph.node]
    del graph.initializer[:], graph.node[:]
    graph.initializer.extend(kept)
    graph.node.extend(nodes)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
