"""Files into indexed arrays: readers, the synthetic data, and splits.

Knows neither encoders nor graphs. Import from the modules; nothing is re-exported,
because ``tables`` is both a module and its main function.
"""
