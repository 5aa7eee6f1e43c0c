"""The plugins that are meant where none is named: the only place of the core that names any."""

ADVERSARIAL_LOSS = "vanilla"
BASELINE = "bicubic"
"""The generator that a card's figures are held against."""
DEGRADATION = "bicubic"
"""What makes LR pictures: the papers' choice."""
ENGINE = "torch"
"""The engine that can run every model on every device."""
GAME = "gan"
"""The task that a recipe's table ``adversarial`` stands for."""
METRICS = ("psnr_y", "ssim_y")
UNFOLDED_FORMAT = "openvino"
"""The export format of the bench's second baseline: what people take to be fast on a CPU."""
