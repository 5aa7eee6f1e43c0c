"""The default plugins and model; the core names them only here."""

from typing import Any

ADVERSARIAL_LOSS = "vanilla"
BASELINE = "bicubic"
"""The generator that a card's figures are held against."""
CARRIED = "onnx"
"""The export format of what models carry for engines."""
DEGRADATION = "bicubic"
"""What makes LR pictures: the papers' choice."""
ENGINE = "torch"
"""The engine that can run every model on every device."""
GAME = "gan"
"""The task that a recipe's table ``adversarial`` stands for."""
METRICS = ("psnr_y", "ssim_y")
MODEL = "edsr-x4"
UNFOLDED_FORMAT = "openvino"
"""The export format of the bench's second baseline: what people take to be fast on a CPU."""
TRIED_IN: dict[str, Any] = {"name": "edsr", "n_resblocks": 2, "n_feats": 16}
"""The small network that a part of somebody's is tried in."""
TRIED_BESIDE: dict[str, dict[str, Any]] = {
    "generator": TRIED_IN, "block": {"name": "residual"}, "loss": {"name": "l1"},
    "discriminator": {"name": "patchgan", "n_feats": 8}, "metric": {"name": METRICS[0]},
    "adversarial-loss": {"name": ADVERSARIAL_LOSS}, "degradation": {"name": DEGRADATION},
}  # fmt: skip
"""For each kind the part that somebody's is tried beside."""
