"""AVIF and HEIC: what their boxes and AV1's own data tell besides the pixels."""
