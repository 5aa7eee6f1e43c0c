"""Tensors between a model folder and a network: safetensors, checked strictly."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from ..contracts import Module
from ..errors import WeightsError, did_you_mean
from ..models import requirements
from ..models.folder import ModelFolder, WeightsFile

DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


def load_into(model: Module, folder: ModelFolder) -> None:
    """Load a model folder's tensors into a network, in place, in the network's own dtype.

    Raises:
        WeightsError: the file is missing, has another sha256, is damaged, contains other
            names or shapes than the network, or values that are not finite. The network
            is then unchanged.
    """
    expected = dict(model.state_dict())
    weights = folder.config.weights
    if weights is None:
        if expected:
            raise WeightsError(
                f"{folder.path} names no weights, but {folder.config.generator!r} has"
                f" {len(expected)} tensors",
                "Train it, or use a trained model",
            )
        return
    tensors = read(folder.path / weights.file, weights)
    path = folder.path / weights.file
    try:
        _check_fit(expected, tensors, path, folder.config.generator)
    except WeightsError as error:
        if others := requirements.describe_others(folder.config):
            error.what = f"{error.what}: {others}"
        raise
    _check_finite(tensors, path)
    model.load_state_dict(tensors, strict=True)


def read(path: Path, weights: WeightsFile) -> dict[str, Tensor]:
    """The tensors of a safetensors file whose sha256 is known.

    Raises:
        WeightsError: it is missing, has another sha256, or is not a safetensors file.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise WeightsError(
            f"cannot read the weights {path}: {error.strerror}", "Download the model again"
        ) from error
    found = hashlib.sha256(data).hexdigest()
    if found != weights.sha256:
        raise WeightsError(
            f"{path} has the sha256 {found[:12]}..., config.json states {weights.sha256[:12]}...",
            "The file is damaged or was changed: download the model again",
        )
    try:
        return safetensors.torch.load(data)
    except SafetensorError as error:
        raise WeightsError(
            f"{path} is not an intact safetensors file: {error}", "Download the model again"
        ) from error


def save(model: Module, path: Path, dtype: str = "float32") -> WeightsFile:
    """Write a network's tensors and return their entry for config.json.

    Integers (BatchNorm's step counts) keep their type.
    """
    tensors = {
        name: tensor.detach()
        .cpu()
        .to(DTYPES[dtype] if tensor.is_floating_point() else tensor.dtype)
        .contiguous()
        for name, tensor in model.state_dict().items()
    }
    data = safetensors.torch.save(tensors, metadata={"format": "pt"})
    path.write_bytes(data)
    return WeightsFile(path.name, hashlib.sha256(data).hexdigest(), dtype)


def _check_fit(
    expected: Mapping[str, Tensor], tensors: Mapping[str, Tensor], path: Path, generator: str
) -> None:
    for name in expected:
        if name not in tensors:
            raise WeightsError(
                f"{path} lacks {name!r}, which {generator!r} has",
                "Check generator and args in config.json",
            )
    for name, tensor in tensors.items():
        if name not in expected:
            raise WeightsError(
                f"{path} contains {name!r}, which {generator!r} does not have",
                f"Check generator and args in config.json. {did_you_mean(name, expected)}",
            )
        if tensor.shape != expected[name].shape:
            raise WeightsError(
                f"{path}: {name!r} has the shape {tuple(tensor.shape)}, but {generator!r} needs"
                f" {tuple(expected[name].shape)}",
                "Check args in config.json",
            )
        if tensor.is_floating_point() != expected[name].is_floating_point():
            raise WeightsError(
                f"{path}: {name!r} is of type {tensor.dtype}, but {generator!r} needs"
                f" {expected[name].dtype}",
                "Export the weights again",
            )


def _check_finite(tensors: Mapping[str, Tensor], path: Path) -> None:
    for name, tensor in tensors.items():
        if not torch.isfinite(tensor).all():
            raise WeightsError(
                f"{path}: {name!r} contains values that are not finite",
                "Use weights from before the training diverged",
            )
