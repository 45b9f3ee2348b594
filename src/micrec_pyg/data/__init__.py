"""Files into indexed arrays: sources, the own format, splits, and looking at them.

Knows neither encoders nor graphs. ``data.sources`` and ``data.splits`` are what the
yaml files name.
"""
