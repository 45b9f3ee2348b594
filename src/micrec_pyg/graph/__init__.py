"""Arrays in, ``HeteroData`` out: the only place where graphs are made.

No learnable parameter lives here. ``build`` makes the stages; the other modules
are the parts it is made of.
"""
