"""PyG's own LightGCN, trained in the manner of PyG's example; an epoch per turn.

As there: messages by edge index, a shuffled loader over all training pairs, one
uniform negative per pair, and the library's own loss.
"""

import itertools
import time

import numpy as np
import torch
from torch_geometric.nn.models import LightGCN
from turns import Turns, arguments

WARM_UP = 5

given = arguments()
data = np.load(given["data"])
num_users, num_items = int(data["num_users"]), int(data["num_items"])
pairs = torch.from_numpy(data["train"]) + torch.tensor([[0], [num_users]])
edge_index = torch.cat([pairs, pairs.flip(0)], dim=1)
torch.manual_seed(0)
loader = torch.utils.data.DataLoader(
    range(pairs.shape[1]), batch_size=given["batch_size"], shuffle=True
)
model = LightGCN(num_users + num_items, embedding_dim=64, num_layers=3)
optimizer = torch.optim.Adam(model.parameters(), lr=0.001)


def epoch(steps: int | None) -> None:
    """Train on every pair once, or for some steps."""
    for index in itertools.islice(loader, steps):
        pos = pairs[:, index]
        drawn = torch.randint(num_users, num_users + num_items, (len(index),))
        asked = torch.cat([pos, torch.stack([pos[0], drawn])], dim=1)
        optimizer.zero_grad()
        pos_rank, neg_rank = model(edge_index, asked).chunk(2)
        loss = model.recommendation_loss(pos_rank, neg_rank, node_id=asked.unique())
        loss.backward()
        optimizer.step()


turns = Turns()
epoch(WARM_UP)
turns.done()
while True:
    begin = time.perf_counter()
    epoch(None)
    turns.done(seconds=time.perf_counter() - begin)
