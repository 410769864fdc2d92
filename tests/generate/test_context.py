"""Prompts that are longer than a model has learned positions for."""

from types import SimpleNamespace

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM, OPTConfig, OPTForCausalLM

from qrtui.errors import ModelError
from qrtui.generate.context import refuse_too_long

TASK = SimpleNamespace(task_id="Own/0")


def loaded(model):
    return SimpleNamespace(model=model, info=SimpleNamespace(name="small"))


@pytest.mark.parametrize(
    "model",
    [
        GPT2LMHeadModel(GPT2Config(vocab_size=9, n_embd=8, n_layer=1, n_head=1, n_positions=16)),
        OPTForCausalLM(
            OPTConfig(
                vocab_size=9,
                hidden_size=8,
                ffn_dim=8,
                num_hidden_layers=1,
                num_attention_heads=1,
                max_position_embeddings=16,
                word_embed_proj_dim=8,
            )
        ),
    ],
    ids=["gpt2", "opt"],
)
def test_what_has_no_position_is_refused_before_it_is_read(model):
    refuse_too_long(loaded(model), TASK, 12, 4)
    model(torch.zeros(1, 16, dtype=torch.long))
    with pytest.raises(IndexError):
        model(torch.zeros(1, 17, dtype=torch.long))
    with pytest.raises(ModelError, match="small reads 16 tokens at most, and Own/0 has 12 before its answer") as told:
        refuse_too_long(loaded(model), TASK, 12, 5)
    assert told.value.way_out == "set generation.max_new_tokens to 4 or less, or leave the task out"
    with pytest.raises(ModelError, match="before its answer; leave the task out"):
        refuse_too_long(loaded(model), TASK, 16, 5)


def test_a_model_that_computes_its_positions_has_no_such_end():
    config = LlamaConfig(vocab_size=9, hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1)
    refuse_too_long(loaded(LlamaForCausalLM(config)), TASK, 10**6, 10**6)
