"""The data of a run for the peers, as arrays; it does no turn.

Of every domain d: ``d/train`` and ``d/hidden`` (user, item), ``d/num_users``,
``d/num_items``, and ``d/text``, ``d/image``, the vectors of its items. A user of
several domains has one number in all of them. ``hidden`` has an item for every user,
which is all that a peer needs that asks for a validation part. The first domain stands
there without ``d/`` too.
"""

import numpy as np
import torch
from turns import Turns, arguments

from micrec_pyg.cli.config import experiment
from micrec_pyg.runs.inputs import load
from micrec_pyg.schema import ITEM, USER

turns = Turns()
given = arguments()
inputs = load(experiment(given["overrides"]))
found = {}
for domain, graph in inputs.train.graphs.items():
    users, items = (graph[kind].num_nodes for kind in (USER, ITEM))
    user, item = inputs.train.labels[domain]
    person = inputs.train.person[domain]
    if len(inputs.train.graphs) > 1:  # all have the same users
        user, users = person[user], int(person.max()) + 1
    everyone = torch.arange(users)
    found[f"{domain}/train"] = torch.stack([user, item]).numpy()
    found[f"{domain}/hidden"] = torch.stack([everyone, everyone % items]).numpy()
    found[f"{domain}/num_users"] = np.array(users)
    found[f"{domain}/num_items"] = np.array(items)
    for name, feature in graph[ITEM].items():
        if isinstance(feature, torch.Tensor) and name in ("text", "image"):
            found[f"{domain}/{name}"] = feature.numpy()
first = f"{next(iter(inputs.train.graphs))}/"
found |= {
    n.removeprefix(first): each for n, each in found.items() if n.startswith(first)
}
np.savez(given["data"], **found)
turns.done()
