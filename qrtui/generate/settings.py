"""How completions are generated: the settings that a preset's `[generation]` table holds."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

PromptStyle = Literal["auto", "completion", "chat"]


class Generation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Settings of the decoder.

    `max_new_tokens` caps each completion. `temperature` 0 is greedy decoding (the paper's setting); above 0, tokens are
    sampled and `samples` completions are made per prompt. `batch_size` counts prompts decoded together; it changes
    speed, float rounding and, in precisions that see their batch, completions. `prompt` puts the task to the model as
    text to continue (`completion`) or as an instruction in its chat template (`chat`); `auto` takes `chat` for models
    that come with a template.
    `extra_memory` is the share of libraries, model and cache that may be taken on top of them on a CPU; what is left of
    it holds weights so that they are multiplied with faster, rounding apart.
    """

    max_new_tokens: Annotated[int, msgspec.Meta(ge=1)] = 512
    samples: Annotated[int, msgspec.Meta(ge=1)] = 1
    temperature: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    batch_size: Annotated[int, msgspec.Meta(ge=1)] | Literal["auto"] = "auto"
    prompt: PromptStyle = "auto"
    extra_memory: Annotated[float, msgspec.Meta(ge=0)] = 0.2

    def determining(self) -> dict[str, Any]:
        """The settings that decide what a completion says, and so belong in its key; speed settings do not."""
        return {"max_new_tokens": self.max_new_tokens, "temperature": self.temperature}
