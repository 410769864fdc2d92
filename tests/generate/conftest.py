from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from qrtui.models.catalog import resolve
from qrtui.models.load import LoadedModel, load
from qrtui.models.precisions import PRECISIONS


@pytest.fixture(scope="session")
def far_seeing(tiny_llama) -> Callable[[], LoadedModel]:
    """Loads a model, in fp32 on one thread, whose every token depends much on all those before it."""

    def load_it() -> LoadedModel:
        torch.set_num_threads(1)
        loaded = load(resolve(str(tiny_llama)), PRECISIONS["fp32"], "cpu")
        torch.manual_seed(1)
        with torch.no_grad():
            for name, weight in loaded.model.named_parameters():
                if weight.dim() > 1 and "embed" not in name:
                    weight.normal_(std=0.25)
        return loaded

    return load_it
