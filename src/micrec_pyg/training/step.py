"""One training step; on CUDA it can be recorded once and replayed."""

import logging
from collections.abc import Callable, Mapping
from typing import Literal

import torch

from micrec_pyg.models.base import Model, check_losses, parts_of
from micrec_pyg.nn.kernels import recorded
from micrec_pyg.process_group import size, sum_gradients
from micrec_pyg.random_streams import RandomStreams
from micrec_pyg.schema import InputError, TrainStage
from micrec_pyg.training.neighborhoods import Neighborhoods
from micrec_pyg.training.sampler import Sampler
from micrec_pyg.training.shares import own_share, weight_of_share

logger = logging.getLogger(__name__)

WARM_UP = 3
"""Steps before a recording: libraries allocate what they keep in the first ones."""


class Step:
    """Draw a batch, compute the losses, move the parameters.

    Nothing in it waits for the device, and all shapes stay the same: a recording of
    one step is every step.
    """

    def __init__(
        self,
        model: Model,
        train: TrainStage,
        sampler: Sampler,
        terms: Mapping[str, float],
        optimizer: torch.optim.Optimizer,
        streams: RandomStreams,
        around: Neighborhoods | None = None,
    ) -> None:
        """Prepare the sums.

        Args:
            model: Trained.
            train: Graphs that the losses read.
            sampler: Draws the batches.
            terms: Weight of each loss by name, above 0.
            optimizer: Of the model's parameters.
            streams: Draw masks.
            around: Finds the graphs around a batch; None takes those of ``train``.
        """
        self.around = around
        self.model, self.train, self.sampler = model, train, sampler
        self.optimizer, self.streams = optimizer, streams
        self.shares = {
            name: weight_of_share(model, parts_of(model)[name], sampler.batch_size)
            for name in terms
        }
        """Of every loss, the factor that makes it this process's part of the whole."""
        self.terms = terms
        device = next(model.parameters()).device
        self.sums = {name: torch.zeros((), device=device) for name in terms}
        """Of every loss, unweighted, over the steps since they were last zero."""
        self._replay: Callable[[], None] | None = None

    def __call__(self) -> None:
        """Take the step."""
        (self._replay or self._take)()

    def record(self) -> None:
        """From now on replay the step as one CUDA graph.

        Small graphs are bound by the launches of their kernels; a replay launches
        once. The sampling is part of it: each replay draws on from the streams.

        Raises:
            InputError: The device refuses the recording. The step can be taken
                nevertheless, one launch after another.
        """
        if size() > 1:
            return  # several processes wait for each other within a step
        with recorded():
            warm_up(self)
        graph, stream = torch.cuda.CUDAGraph(), torch.cuda.current_stream()
        drawn = self.streams.state()
        for generator in self.streams.made.values():
            graph.register_generator_state(generator)
        try:
            with recorded(), torch.cuda.graph(graph):
                self._take()
        except RuntimeError as error:
            # torch leaves the stream and the generators as in the recording
            torch.cuda.set_stream(stream)
            self.streams.made.clear()
            self.streams.load(drawn)
            self.optimizer.zero_grad(set_to_none=True)
            raise InputError(
                f"the training step cannot be recorded as a CUDA graph ({error}); give "
                "fit.cuda_graph=false"
            ) from error
        self._replay = graph.replay

    def _take(self) -> None:
        batch, graphs = own_share(self.model, self.sampler.draw()), self.train.graphs
        if self.around is not None:
            graphs, batch = self.around(batch)
        if not self.terms:
            raise InputError(self._nothing_left())
        losses = self.model.losses(graphs, batch, self.streams)
        check_losses(self.model, losses)
        used = {name: losses[name] for name in self.terms if name in losses}
        if not used:
            raise InputError(self._nothing_left())
        weighted = [
            self.terms[name] * self.shares[name] * loss for name, loss in used.items()
        ]
        self.optimizer.zero_grad(set_to_none=True)
        torch.stack(weighted).sum().backward()
        sum_gradients(self.model.parameters())
        self.optimizer.step()
        for name, loss in used.items():
            self.sums[name].add_(loss.detach(), alpha=self.shares[name])

    def _nothing_left(self) -> str:
        return (
            "no loss is left to train: give one of model.weights."
            f"{', '.join(self.model.terms)} above 0 that these data have"
        )


def record(step: Step, wanted: bool | Literal["auto"]) -> None:
    """Record a step on CUDA, as ``fit.cuda_graph`` asks for; no effect on a CPU.

    Args:
        step: Recorded in place.
        wanted: ``auto`` goes on without a recording where the device refuses it.

    Raises:
        InputError: The device refuses the recording, and True asks for it.
    """
    if not wanted or step.streams.device.type != "cuda":
        return
    try:
        step.record()
    except InputError as error:
        if wanted != "auto":
            raise
        logger.info("the training step is not recorded: %s", error.__cause__)


def warm_up(step: Step) -> None:
    """Take a few steps on a side stream, and then put everything back in place.

    Optimiser and generators exist afterwards, in the state that they had or would
    start in: a recording must not contain their making.
    """
    model, optimizer, streams = step.model, step.optimizer, step.streams
    values = {name: value.clone() for name, value in model.state_dict().items()}
    moments = {
        param: {name: value.clone() for name, value in state.items()}
        for param, state in optimizer.state.items()
    }
    drawn = streams.state()
    _aside(step, WARM_UP)
    with torch.no_grad():
        for name, value in model.state_dict().items():
            value.copy_(values[name])
        for param, state in optimizer.state.items():
            for name, value in state.items():
                before = moments.get(param, {}).get(name)
                # Adam starts at zero
                value.zero_() if before is None else value.copy_(before)
        for total in step.sums.values():
            total.zero_()
    streams.load(drawn)


def _aside(step: Step, count: int) -> None:
    """Take steps on a stream of their own, where the device has streams."""
    if step.streams.device.type != "cuda":
        for _ in range(count):
            step()
        return
    current, side = torch.cuda.current_stream(), torch.cuda.Stream()
    side.wait_stream(current)
    with torch.cuda.stream(side):
        for _ in range(count):
            step()
    current.wait_stream(side)
