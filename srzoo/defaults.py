"""The default plugins and model; the core names them only here."""

from typing import Any

ADVERSARIAL_LOSS = "vanilla"
BASELINE = "bicubic"
"""The generator that the figures of a card are compared with."""
CARRIED = "onnx"
"""The export format of the exports that model folders carry."""
DEGRADATION = "bicubic"
"""The degradation that makes LR pictures, as in the papers."""
ENGINE = "torch"
"""The engine that can run every model on every device."""
GAME = "gan"
"""The task that the table ``adversarial`` of a recipe abbreviates."""
METRICS = ("psnr_y", "ssim_y")
MODEL = "edsr-x4"
UNFOLDED_FORMAT = "openvino"
"""The export format of the second baseline in ``srzoo bench``, a common fast way on a CPU."""
TRIED_IN: dict[str, Any] = {"name": "edsr", "n_resblocks": 2, "n_feats": 16}
"""The small network in which ``srzoo plugins try`` runs an author's plugin."""
TRIED_BESIDE: dict[str, dict[str, Any]] = {
    "generator": TRIED_IN, "block": {"name": "residual"}, "loss": {"name": "l1"},
    "discriminator": {"name": "patchgan", "n_feats": 8}, "metric": {"name": METRICS[0]},
    "adversarial-loss": {"name": ADVERSARIAL_LOSS}, "degradation": {"name": DEGRADATION},
}  # fmt: skip
"""For each kind, the plugin that ``srzoo plugins try`` compares an author's plugin with."""
