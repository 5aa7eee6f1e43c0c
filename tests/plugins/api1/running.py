"""An engine, an export format and an importer of plugin API 1."""

import shutil

import numpy as np

from srzoo.errors import DeviceError


class Engine:
    """Repeats pixels, whatever the model."""

    devices, precisions, speed, packages = ("cpu",), ("fp32",), 0.0, {}
    reach, multiple, model, parameters = 0, 1, None, None

    def __init__(self, *, folder, device="auto", precision="auto"):
        if device not in ("auto", "cpu") or precision not in ("auto", "fp32"):
            raise DeviceError(f"no {device} in {precision}", 'Use engine="torch"')

    def __call__(self, x, scale):
        """Enlarges."""
        return x.repeat(scale, 2).repeat(scale, 3).astype(np.float32)

    def bytes_per_pixel(self, scale):
        """Of working memory."""
        return 100

    def bytes_aside(self, scale):
        """Of fixed memory."""
        return 0

    def free_memory(self):
        """No card."""
        return


class Copy:
    """The ONNX file, with a line behind it."""

    suffix, beside, packages, extra = ".api1", (), {"onnxruntime": "onnxruntime"}, "onnx"
    MARK = b"\napi1:"

    def write(self, onnx, path, about):
        """Write it."""
        shutil.copyfile(onnx, path)
        with path.open("ab") as file:
            file.write(self.MARK + about.encode())

    def about(self, path):
        """The line."""
        return path.read_bytes().rpartition(self.MARK)[2].decode()

    def open(self, path, threads):
        """Run it with ONNX Runtime."""
        import onnxruntime

        network = path.read_bytes().rpartition(self.MARK)[0]
        session = onnxruntime.InferenceSession(network, providers=["CPUExecutionProvider"])
        return lambda x: session.run(None, {session.get_inputs()[0].name: x})[0]


class Importer:
    """Knows networks of one tensor."""

    def recognise(self, shapes):
        """Whether it is one."""
        return "one" if list(shapes) == ["foreign.weight"] else None

    def convert(self, tensors, match):
        """Under our names."""
        return {"generator": "api1", "args": {}}, {"head.weight": tensors["foreign.weight"]}
