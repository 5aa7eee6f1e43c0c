"""What is taken where nothing is said: the only plugins that the core knows by name."""

from __future__ import annotations

ENGINE = "torch"
"""The engine that can run every model on every device."""
UNFOLDED_FORMAT = "openvino"
"""The export format of the bench's second baseline: what people take to be fast on a CPU."""
