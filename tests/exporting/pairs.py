"""A small model, and a format and an engine of somebody else."""

from __future__ import annotations

import numpy as np
import torch

from srzoo.engines import ExportRunner
from srzoo.networks import folders
from srzoo.plugins import kinds

ARGS = {"n_resblocks": 1, "n_feats": 4, "scale": 2}


def saved(path, seed=0):
    torch.manual_seed(seed)
    return folders.save(kinds.generators.create("edsr", **ARGS), path, generator="edsr", args=ARGS)


class Pair:
    """ONNX under another name, in two files, with a memory of how often it was written."""

    suffix, beside, packages, extra = ".pair", (".two",), {}, "pair"
    written = 0
    brighter = 0.0

    def write(self, onnx, path, about):
        Pair.written += 1
        path.write_bytes(onnx.read_bytes())
        path.with_suffix(".two").write_text("2")

    def about(self, path):
        return kinds.export_formats.create("onnx").about(path)

    def open(self, path, threads):
        assert path.with_suffix(".two").read_text() == "2"
        session = kinds.export_formats.create("onnx").open(path, threads)
        return lambda x: session(x) + np.float32(Pair.brighter / 255)


class PairEngine(ExportRunner):
    export_format = "pair"
    speed = 1000.0
