"""ONNX files with weights in half the bytes."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

SMALL = 16
"""Tensors with fewer values, such as shapes and limits, are not changed."""


def _halved(values: NDArray[Any]) -> NDArray[np.float16] | None:
    """The values in float16, accurate relative to the largest one; None if not possible."""
    if values.dtype != np.float32 or values.size < SMALL:
        return None
    with np.errstate(over="ignore"):
        half = values.astype(np.float16)
    most = np.abs(values).max() * np.finfo(np.float16).eps
    return half if np.abs(half - values).max() <= most else None


def halve(path: Path) -> None:
    """Store an ONNX file's weights in float16; the network computes in float32 as before.

    Each becomes a float16 initialiser and a ``Cast``, which runners fold when they load the file.
    Tensors outside the range of float16, too large or all tiny, are not changed.
    """
    onnx: Any = import_module("onnx")
    model = onnx.load(str(path))
    graph, kept, casts = model.graph, list[Any](), list[Any]()
    for tensor in graph.initializer:
        values: NDArray[Any] = onnx.numpy_helper.to_array(tensor)
        halved = _halved(values)
        if halved is None:
            kept.append(tensor)
            continue
        half = onnx.numpy_helper.from_array(halved, f"{tensor.name}_half")
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
