"""The contrast of two colours, as WCAG 2 defines it."""


def contrast(first: list[float], second: list[float]) -> float:
    """Return the contrast of two colours, in 1 to 21; each is red, green, blue."""
    low, high = sorted(map(_luminance, (first, second)))
    return (high + 0.05) / (low + 0.05)


def _luminance(color: list[float]) -> float:
    parts = [value / 255 for value in color]
    linear = [
        p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts
    ]
    return sum(w * p for w, p in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
