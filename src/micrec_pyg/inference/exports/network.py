"""An ONNX network, written node by node."""

from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from micrec_pyg.schema import InputError
from micrec_pyg.storage.writing import whole

OPSET = 18
LARGEST = 2**31 - 2**20
"""Bytes of a file: ONNX cannot hold more in one."""


class Network:
    """Names of values stand for them; every method adds one and returns its name."""

    def __init__(self) -> None:
        """Begin without nodes.

        Raises:
            InputError: onnx is not installed.
        """
        try:
            import onnx
        except ImportError as error:
            raise InputError(
                "export onnx: onnx is not installed; pip install 'micrec-pyg[onnx]'"
            ) from error
        self._onnx = onnx
        self._nodes: list[Any] = []
        self._constants: list[Any] = []

    def constant(self, value: Tensor | list[int] | float) -> str:
        """Add numbers: float32, or int64 of a list."""
        if isinstance(value, Tensor):
            array = value.detach().cpu().float().numpy()
        elif isinstance(value, list):
            array = np.array(value, dtype=np.int64)
        else:
            array = np.array(value, dtype=np.float32)
        name = f"constant{len(self._constants)}"
        made = self._onnx.numpy_helper.from_array(np.ascontiguousarray(array), name)
        self._constants.append(made)
        return name

    def node(
        self, operator: str, *inputs: str, outputs: int = 1, **options: Any
    ) -> Any:
        """Add an operator of ONNX; return its output, or a list of several."""
        names = [f"{operator.lower()}{len(self._nodes)}_{n}" for n in range(outputs)]
        made = self._onnx.helper.make_node(operator, inputs, names, **options)
        self._nodes.append(made)
        return names[0] if outputs == 1 else names

    def sum(self, value: str, axis: int) -> str:
        """Add the sum over an axis, which stays with the length 1."""
        return str(self.node("ReduceSum", value, self.constant([axis]), keepdims=1))

    def as_float(self, value: str) -> str:
        """Add a value as float32."""
        return str(self.node("Cast", value, to=self._onnx.TensorProto.FLOAT))

    def write(self, path: Path, result: str, *, width: int, note: str) -> None:
        """Write the network whole: history int64 [people, length] -> user [people, d].

        Args:
            path: The file.
            result: The value that is returned.
            width: d.
            note: What reads it must know.

        Raises:
            InputError: It is too large for one file.
        """
        helper, types = self._onnx.helper, self._onnx.TensorProto
        self._nodes.append(helper.make_node("Identity", [result], ["user"]))
        graph = helper.make_graph(
            self._nodes,
            "user_tower",
            [
                helper.make_tensor_value_info(
                    "history", types.INT64, ["people", "length"]
                )
            ],
            [helper.make_tensor_value_info("user", types.FLOAT, ["people", width])],
            self._constants,
            doc_string=note,
        )
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET)],
            producer_name="micrec",
        )
        model.ir_version = 9  # what the runtimes of the last years read
        if model.ByteSize() > LARGEST:
            raise InputError(
                f"export onnx: the network has {model.ByteSize():,} bytes, and a file "
                "of ONNX holds 2 GB; train with narrower features or fewer users"
            )
        self._onnx.checker.check_model(model)
        with whole(path) as part:
            part.write_bytes(model.SerializeToString())
