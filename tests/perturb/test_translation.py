"""Translators: the real code on tiny random models, the real apertium where it is, and a false one that misbehaves."""

import shutil
import time
from pathlib import Path

import pytest

from qrtui.errors import AttackError
from qrtui.perturb.translation.apertium import find_apertium
from qrtui.perturb.translation.engine import ENGINES, is_available, open_engine
from qrtui.perturb.translation.shipped import shipped_files, shipped_translations

SENTENCES = [
    "Sort the list of words.",
    "Count them.",
    "Return a number, if there is one, and the list of all words if there is none.",
    "Count them.",
]


def nothing(done, total):
    """A progress listener."""


def tiny(kind, config, size, **more):
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(0)
    made = kind(
        config(
            vocab_size=size,
            d_model=16,
            encoder_layers=1,
            decoder_layers=1,
            encoder_attention_heads=2,
            decoder_attention_heads=2,
            encoder_ffn_dim=16,
            decoder_ffn_dim=16,
            max_position_embeddings=64,
            init_std=1.0,
            **more,
        )
    )
    made.generation_config.num_beams = 2
    made.generation_config.max_length = 12
    return made


@pytest.fixture(scope="module")
def tiny_mbart(tmp_path_factory):
    from transformers import MBart50Tokenizer, MBartConfig, MBartForConditionalGeneration
    from transformers.models.mbart50.tokenization_mbart50 import FAIRSEQ_LANGUAGE_CODES

    special = ["<s>", "<pad>", "</s>", "<unk>"]
    letters = [*"abcdefghijklmnopqrstuvwxyzABCRS.,▁", "▁the", "▁of", "▁list"]
    words = [(word, 0.0) for word in special] + [(word, -2.0) for word in letters]
    words += [(code, 0.0) for code in (*FAIRSEQ_LANGUAGE_CODES, "<mask>")]
    tokenizer = MBart50Tokenizer(vocab=words, src_lang="en_XX")
    folder = tmp_path_factory.mktemp("tiny-mbart")
    tokenizer.save_pretrained(folder)
    tiny(MBartForConditionalGeneration, MBartConfig, len(tokenizer), decoder_start_token_id=2).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def tiny_marian(tmp_path_factory):
    sentencepiece = pytest.importorskip("sentencepiece", reason="OPUS-MT's vocabulary needs sentencepiece")
    import json

    from transformers import MarianConfig, MarianMTModel

    folder = tmp_path_factory.mktemp("tiny-marian")
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(SENTENCES * 9),
        model_prefix=str(folder / "source"),
        vocab_size=40,
        hard_vocab_limit=False,
        minloglevel=3,
    )
    (folder / "source.model").rename(folder / "source.spm")
    shutil.copy(folder / "source.spm", folder / "target.spm")
    spm = sentencepiece.SentencePieceProcessor(model_file=str(folder / "source.spm"))
    pieces = ["</s>", "<unk>", *(spm.id_to_piece(number) for number in range(3, spm.get_piece_size())), "<pad>"]
    (folder / "vocab.json").write_text(json.dumps({piece: number for number, piece in enumerate(pieces)}))
    (folder / "tokenizer_config.json").write_text('{"source_lang": "en", "target_lang": "de"}')
    last = len(pieces) - 1
    model = tiny(MarianMTModel, MarianConfig, len(pieces), pad_token_id=last, decoder_start_token_id=last)
    model.generation_config.bad_words_ids = [[last]]
    model.save_pretrained(folder)
    return folder


def watch(engine):
    """Let the engine's model note what it is given and what it writes."""
    calls = []
    model = engine._legs[0].model
    generate = model.generate

    def noting(**options):
        written = generate(**options)
        calls.append((options, written))
        return written

    model.generate = noting
    return calls


def test_mbart_is_told_both_languages(tiny_mbart, capfd):
    engine = open_engine("mbart-50", "cpu", [tiny_mbart])
    calls = watch(engine)
    told = []
    results = engine.translate(SENTENCES, lambda done, total: told.append((done, total)))
    assert len(results) == 4
    assert results[1] == results[3]
    assert all("\n" not in result and "_XX" not in result and "</s>" not in result for result in results)
    assert told == [(0, 6), (3, 6), (3, 6), (6, 6)]

    code = engine._legs[0].tokenizer.convert_tokens_to_ids
    (out, german), (back, english) = calls
    assert set(out["input_ids"][:, 0].tolist()) == {code("en_XX")}
    assert set(german[:, 1].tolist()) == {code("de_DE")}
    assert set(back["input_ids"][:, 0].tolist()) == {code("de_DE")}
    assert set(english[:, 1].tolist()) == {code("en_XX")}
    assert code("de_DE") != code("en_XX")
    assert german.shape[1] <= 12
    assert not out["do_sample"]

    assert engine.translate(SENTENCES[::-1], nothing) == results[::-1]
    assert engine.translate([], nothing) == []
    engine.close()
    assert capfd.readouterr() == ("", "")


def test_a_batch_that_does_not_fit_is_halved(tiny_mbart):
    import torch

    engine = open_engine("mbart-50", "cpu", [tiny_mbart])
    expected = engine.translate(SENTENCES, nothing)
    model = engine._legs[0].model
    generate, sizes, most = model.generate, [], 1

    def small(**options):
        sizes.append(len(options["input_ids"]))
        if sizes[-1] > most:
            raise torch.OutOfMemoryError
        return generate(**options)

    model.generate = small
    assert engine.translate(SENTENCES, nothing) == expected
    assert max(sizes) == 3
    most = 0
    with pytest.raises(AttackError, match="does not fit into memory"):
        engine.translate(SENTENCES, nothing)


def test_what_the_libraries_raise_is_one_line(tiny_mbart):
    with pytest.raises(AttackError, match=r"mbart-50 cannot be loaded \(RuntimeError") as caught:
        open_engine("mbart-50", "nowhere", [tiny_mbart])
    assert "\n" not in str(caught.value)
    engine = open_engine("mbart-50", "cpu", [tiny_mbart])

    def fail(**options):
        raise RuntimeError("CUDA error:\ndevice-side assert")

    engine._legs[0].model.generate = fail
    with pytest.raises(AttackError, match=r"the translator failed \(CUDA error: device-side assert\)"):
        engine.translate(SENTENCES, nothing)


def test_an_exception_out_of_progress_ends_the_work(tiny_mbart):
    engine = open_engine("mbart-50", "cpu", [tiny_mbart])
    calls = watch(engine)

    def stop(done, total):
        if done:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        engine.translate(SENTENCES, stop)
    assert len(calls) == 1


def test_a_vocabulary_as_the_hub_has_it(tiny_mbart, tmp_path):
    """The paper's model comes with a sentencepiece file and no tokenizer.json."""
    sentencepiece = pytest.importorskip("sentencepiece", reason="mBART-50's vocabulary needs sentencepiece")
    pytest.importorskip(
        "sentencepiece.sentencepiece_model_pb2", reason="and a protobuf that goes with it", exc_type=Exception
    )
    from transformers import MBartConfig, MBartForConditionalGeneration

    folder = tmp_path / "snapshots" / "0123abc"
    folder.mkdir(parents=True)
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(SENTENCES * 9),
        model_prefix=str(folder / "sentencepiece.bpe"),
        vocab_size=40,
        hard_vocab_limit=False,
        minloglevel=3,
    )
    spm = sentencepiece.SentencePieceProcessor(model_file=str(folder / "sentencepiece.bpe.model"))
    size = spm.get_piece_size() + 1 + 52 + 1
    tiny(MBartForConditionalGeneration, MBartConfig, size, decoder_start_token_id=2).save_pretrained(folder)
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "MBart50Tokenizer", "language_codes": "ML50"}')
    engine = open_engine("mbart-50", "cpu", [folder])
    assert engine.revision == "0123abc"
    tokenizer = engine._legs[0].tokenizer
    # As fairseq numbers them: after <s>, <pad>, </s>, <unk> the pieces, then the languages, <mask> last.
    assert tokenizer.convert_tokens_to_ids("ar_AR") == spm.get_piece_size() + 1
    assert tokenizer.convert_tokens_to_ids("<mask>") == size - 1
    ids = tokenizer(SENTENCES[0])["input_ids"]
    assert ids == [tokenizer.convert_tokens_to_ids("en_XX"), *(n + 1 for n in spm.encode(SENTENCES[0])), 2]
    assert len(engine.translate(SENTENCES, nothing)) == 4


def test_opus_takes_one_model_out_and_one_back(tiny_marian, capfd):
    engine = open_engine("opus-mt", "cpu", [tiny_marian, tiny_marian])
    results = engine.translate(SENTENCES, nothing)
    assert len(results) == 4
    assert results[1] == results[3]
    assert results == engine.translate(SENTENCES, nothing)
    first, second = (leg.model for leg in engine._legs)
    assert first is not second
    engine.close()
    assert capfd.readouterr() == ("", "")


def test_weights_that_are_not_whole_are_not_used(tiny_mbart, tmp_path):
    from safetensors.torch import load_file, save_file

    broken = tmp_path / "mbart"
    shutil.copytree(tiny_mbart, broken)
    weights = load_file(broken / "model.safetensors")
    del weights["model.encoder.layers.0.fc1.weight"]
    save_file(weights, broken / "model.safetensors", {"format": "pt"})
    with pytest.raises(AttackError, match=r"lack model\.encoder\.layers\.0\.fc1\.weight"):
        open_engine("mbart-50", "cpu", [broken])
    (broken / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(AttackError, match="mbart-50 cannot be loaded") as caught:
        open_engine("mbart-50", "cpu", [broken])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("engine", ENGINES)
def test_an_absent_engine_is_one_line_that_says_what_would_serve(engine, monkeypatch, tmp_path):
    for name in ("QRTUI_CACHE", "HF_HUB_CACHE", "PATH"):
        monkeypatch.setenv(name, str(tmp_path))
    assert not is_available(engine)
    with pytest.raises(AttackError, match="is not on this machine; ") as caught:
        open_engine(engine)
    assert "\n" not in str(caught.value)


def test_missing_libraries_are_named(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda module: None)
    with pytest.raises(AttackError, match="needs the Python package sentencepiece; install it with: pip install 'sent"):
        open_engine("opus-mt", "cpu", [tmp_path, tmp_path])
    with pytest.raises(AttackError, match="needs the Python package sentencepiece"):
        open_engine("mbart-50", "cpu", [tmp_path])


needs_apertium = pytest.mark.skipif(find_apertium() is None, reason="Debian's apertium-eng-spa is not installed")


@needs_apertium
def test_apertium_translates_there_and_back():
    engine = open_engine("apertium")
    assert is_available("apertium")
    told = []
    results = engine.translate(
        [
            "Convert the given text to capital letters.",
            'Check that "x" [q] {z} <w> ^a$ @b #c *d / \\ stay.',
            "the number of",
            "zxqyr",
            "Two lines\nof\0one sentence",
        ],
        lambda done, total: told.append((done, total)),
    )
    assert results[0] == "Convert the text given to capital letters."
    for kept in ('"x"', "[q]", "{z}", "<w>", "@b", "#c", "*d", "/", "\\"):
        assert kept in results[1]
    assert results[2:4] == ["The number of", "zxqyr"]
    assert "\n" not in results[4]
    assert told == [(0, 10), (5, 10), (10, 10)]
    assert engine.translate([], nothing) == []


@needs_apertium
def test_what_ships_can_be_recorded_again():
    engine = open_engine("apertium")
    recorded = next(file for file in shipped_files() if file.provenance.engine == "apertium")
    if engine.revision != recorded.provenance.revision:
        pytest.skip(f"recorded with {recorded.provenance.revision}, here is {engine.revision}")
    known = shipped_translations("apertium")
    assert dict(zip(known, engine.translate(list(known), nothing), strict=True)) == known


@pytest.fixture
def false_apertium(tmp_path, monkeypatch):
    """Put a program named apertium first on PATH that runs the given lines of shell."""

    def make(lines, modes=("eng-spa", "spa-eng")):
        (tmp_path / "bin").mkdir()
        program = tmp_path / "bin" / "apertium"
        program.write_text(f"#!/bin/sh\n{lines}\n")
        program.chmod(0o755)
        folder = tmp_path / "share" / "apertium" / "modes"
        folder.mkdir(parents=True)
        for mode in modes:
            (folder / f"{mode}.mode").write_text("cat\n")
        monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
        monkeypatch.setenv("APERTIUM_DATADIR", str(folder.parent))

    return make


def test_a_faithful_program_gives_back_what_it_got(false_apertium):
    false_apertium("cat; printf '\\0\\0'")
    engine = open_engine("apertium")
    assert engine.revision.startswith("data:")
    assert engine.translate(SENTENCES, nothing) == SENTENCES


def test_marks_of_unknown_words_are_taken_off(false_apertium):
    false_apertium("sed 's/Sort/*Sort/g; s/list/#list/g; s/words/@words/g'")
    assert open_engine("apertium").translate(["Sort the list (words)."], nothing) == ["Sort the list (words)."]


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ("echo 'Error: Mode eng-spa does not exist' >&2; exit 1", "eng-spa failed .Error: Mode eng-spa does not exist"),
        ("echo 'Error: Install an UTF-8 locale in your system'; exit 1", "Install an UTF-8 locale"),
        ("exit 3", "failed .exit status 3"),
        ("cat | tr -d '\\000'", "gave 1 answer to 3 sentences"),
        ("head -c 30", "gave . answers to 3 sentences"),
        ("cat; printf 'one more\\0'", "gave 4 answers to 3 sentences"),
        ("tr '012' '120'", "mixed up its answers"),
        ("kill -9 $$", "failed .exit status -9"),
    ],
)
def test_a_program_that_fails_is_one_line(false_apertium, lines, problem):
    false_apertium(lines)
    with pytest.raises(AttackError, match=problem) as caught:
        open_engine("apertium").translate(SENTENCES, nothing)
    assert "\n" not in str(caught.value)


def test_a_program_that_hangs_is_ended_with_its_children(false_apertium, tmp_path):
    false_apertium(f"sleep 300 & echo $! > {tmp_path}/pid; wait")
    engine = open_engine("apertium")
    engine._seconds = 0.5
    started = time.monotonic()
    with pytest.raises(AttackError, match="did not answer within"):
        engine.translate(SENTENCES, nothing)
    assert time.monotonic() - started < 10
    child = Path("/proc", (tmp_path / "pid").read_text().strip(), "stat")
    for _ in range(50):
        if not child.exists() or child.read_text().split()[2] == "Z":
            break
        time.sleep(0.05)
    else:
        pytest.fail("the child lives on")


def test_apertium_without_both_directions_is_not_there(false_apertium):
    false_apertium("cat", modes=["eng-spa"])
    assert not is_available("apertium")
    with pytest.raises(AttackError, match="no English-Spanish data; install"):
        open_engine("apertium")
