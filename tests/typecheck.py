"""How signatures are checked while tests run (see addopts in pyproject.toml)."""

from beartype import BeartypeConf, beartype

# As mypy has it, an int will do where a float is asked for: `gamma: 1` in a yaml.
check = beartype(conf=BeartypeConf(is_pep484_tower=True))
