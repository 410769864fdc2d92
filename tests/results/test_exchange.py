"""A run as a folder: nothing lost, nothing doubled, nothing believed that is not as it was written."""

import json
import sqlite3
import tomllib

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qrtui.errors import QrtuiError
from qrtui.judge.verdict import Verdict
from qrtui.perturb.dose import Dose, LayerDose
from qrtui.perturb.sentences import sources
from qrtui.perturb.spans import natural_language_spans
from qrtui.results.exchange.exporting import export_run
from qrtui.results.exchange.importing import import_run
from qrtui.results.exchange.lines import FILES, ExchangeError
from qrtui.results.records import Completion, PlannedCondition, PlannedResult
from qrtui.results.store import Store

from .conftest import determinants, fill

PROMPT = '"""\nWrite a function that returns the sum of the three numbers.\nassert f(1, 2, 3) == 6\n"""\n'
NOISE = {"kind": "gaussian", "level": 1e-05, "protocol": "after", "seed": 3}
EXPERIMENT = {
    "name": "study",
    "seed": None,
    "attacks": [{"kind": "sentence"}, {"kind": "char", "probability": 0.5}],
    "noise": {"levels": [1e-05, 1e22], "kinds": ["gaussian", None]},
}
ENVIRONMENT = {
    "device": "cpu",
    "judge_level": None,
    "versions": {"torch": "2"},
    "git_revision": None,
    "odd": {"ü\n": 1},
}


def rich(store):
    """An unfinished run with all there is: noise and doses, samples, odd text, two judges, a translation, tags."""
    noisy = [determinants("int8", "", "T/1", noise=NOISE, prompt=PROMPT, sample=n, seed=1) for n in range(3)]
    cells = [
        PlannedCondition(
            model="org/m",
            precision="int8",
            is_baseline=False,
            dataset="own/set.jsonl",
            perturbation=label,
            results=[PlannedResult("../T/1", n, "hash", PROMPT, each.key()) for n, each in enumerate(wanted)],
        )
        for label, wanted in (
            ("gaussian 1e-05 after", noisy),
            ("clean", [determinants("int8", "", "T/1", prompt=PROMPT)]),
        )
    ]
    run = store.begin_run("study", EXPERIMENT, cells, ENVIRONMENT)
    layer = LayerDose(kind="mlp", weights=10, reached=3, noise=0.1, moved=None)
    for each in noisy[:2]:
        text = f"odd \x00\x1b[31m \u2028 ü\udc80 {each.sample}"
        store.add_completion(
            Completion(
                determinants=each,
                text=text,
                solution=text,
                finish="length",
                tokens=3,
                seconds=1e-07,
                memory=10**12,
                dose=Dose(share=0.3, noise=0.1, layers=(layer,)),
            )
        )
        store.add_verdict(text, "hash", Verdict(base="failed", got="\x07", plus="timeout"))
    with store.writing() as db:
        db.execute(
            "INSERT INTO verdicts SELECT solution_hash, task_hash, '0', 'passed', NULL, NULL, NULL, NULL, NULL,"
            " 'L3', 0.5, created FROM verdicts WHERE plus = 'timeout' LIMIT 1"
        )
    wanted = sources(PROMPT, natural_language_spans(PROMPT))
    assert wanted
    store.add_translations("mbart-50", "r1", {wanted[0]: "sum up", "of another run": "no"})
    store.add_translations("apertium", "r1", {wanted[0]: "not asked for"})
    store.tag_run(run, ["paper", "gpu"])
    store.end_run(run, "stopped")
    return run


def folder_of(path):
    return {file.name: file.read_bytes() for file in path.iterdir()}


@pytest.fixture
def other(tmp_path):
    with Store(tmp_path / "other.db") as opened:
        yield opened


@pytest.fixture(params=[rich, fill, lambda store: fill(store, upto=2)], ids=["rich", "finished", "unfinished"])
def exported(request, store, tmp_path):
    run = request.param(store)
    export_run(store, store.run(str(run)), tmp_path / "a")
    return tmp_path / "a"


def test_there_and_back_gives_the_same_folder_and_the_same_run(store, other, exported, tmp_path):
    found = import_run(other, exported)
    assert found.is_new
    export_run(other, other.run(), tmp_path / "b")
    assert folder_of(tmp_path / "b") == folder_of(exported)
    here, there = store.run(), other.run()
    # A run that is under way here is under way nowhere else.
    status = "interrupted" if here.status == "running" else here.status
    assert there == msgspec.structs.replace(here, id=there.id, status=status)
    assert [msgspec.structs.replace(c, id=0) for c in other.conditions(there.id)] == [
        msgspec.structs.replace(c, id=0) for c in store.conditions(here.id)
    ]
    assert [msgspec.structs.replace(o, condition=0) for o in other.outcomes(there.id)] == [
        msgspec.structs.replace(o, condition=0) for o in store.outcomes(here.id)
    ]


def test_what_is_here_already_is_not_doubled_and_what_is_lacking_is_added(store, other, tmp_path):
    run = fill(store, upto=1)
    export_run(store, store.run(), tmp_path / "begun")
    fill(store)
    store.end_run(run, "finished")
    export_run(store, store.run(), tmp_path / "done")
    number = import_run(other, tmp_path / "begun").run
    other.rename_run(number, "mine")
    assert import_run(other, tmp_path / "begun")[1:] == (False, 16, 0, 0)
    assert import_run(other, tmp_path / "done")[:2] == (number, False)
    assert import_run(other, tmp_path / "begun").completions == 0
    record = other.run()
    assert (other.count_runs(), record.name, record.status, record.judged) == (1, "mine", "finished", 16)


def test_only_what_the_run_used_is_in_the_folder(store, tmp_path):
    fill(store)
    rich(store)
    export_run(store, store.run("study"), tmp_path / "a")
    lines = {file.name: (tmp_path / "a" / file.name).read_text().split("\n")[:-1] for file in FILES}
    counts = {name: len(of_it) for name, of_it in lines.items()}
    assert counts == {
        "conditions.jsonl": 2,
        "results.jsonl": 4,
        "prompts.jsonl": 1,
        "doses.jsonl": 1,
        "completions.jsonl": 2,
        "verdicts.jsonl": 3,
        "translations.jsonl": 1,
    }
    assert json.loads(lines["completions.jsonl"][0])["determinants"]["noise"] == NOISE
    table = tomllib.loads((tmp_path / "a" / "run.toml").read_text())
    assert table["run"]["tags"] == ["gpu", "paper"]
    assert ["environment", "judge_level"] in table["nulls"]


def test_a_run_that_was_imported_is_taken_up_where_it_was_left(store, other, tmp_path):
    fill(store, upto=2)
    store.end_run(1, "stopped")
    export_run(store, store.run(), tmp_path / "a")
    number = import_run(other, tmp_path / "a").run
    assert fill(other) == number
    assert other.run().judged == 16


def test_a_folder_that_is_there_is_never_touched(store, tmp_path):
    fill(store)
    for name in ("file", "folder", "link"):
        {"file": lambda p: p.write_text("x"), "folder": lambda p: p.mkdir(), "link": lambda p: p.symlink_to("nowhere")}[
            name
        ](tmp_path / name)
        with pytest.raises(ExchangeError, match="is there already"):
            export_run(store, store.run(), tmp_path / name)
    assert (tmp_path / "file").read_text() == "x"


def test_an_export_that_breaks_off_leaves_nothing(store, tmp_path, monkeypatch):
    fill(store)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("qrtui.results.exchange.exporting.write_header", full)
    with pytest.raises(ExchangeError, match="No space left"):
        export_run(store, store.run(), tmp_path / "new" / "a")
    assert list((tmp_path / "new").iterdir()) == []


# Hostile folders


def rows_of(store):
    tables = ("runs", "conditions", "results", "prompts", "completions", "verdicts", "doses", "translations", "tags")
    return {table: list(store.rows(f"SELECT * FROM {table}")) for table in tables}


def change_line(path, number, change):
    lines = path.read_bytes().split(b"\n")
    table = json.loads(lines[number])
    change(table)
    lines[number] = json.dumps(table).encode()
    path.write_bytes(b"\n".join(lines))


@pytest.mark.parametrize(
    ("file", "change", "said"),
    [
        ("completions", lambda t: t["determinants"].update(seed=9), "line 2: the completion's key is not"),
        ("completions", lambda t: t["determinants"].update(more=9, precision="fp32"), "line 2: the completion's key"),
        ("completions", lambda t: t.update(determinants=[1]), "line 2: determinants"),
        ("completions", lambda t: t.update(key="0" * 64), "line 2: the completion's key is not"),
        ("completions", lambda t: t.update(prompt="0" * 64), "line 2: the prompt 000000000000… is missing"),
        ("completions", lambda t: t.update(text="another"), "changed after it was written"),
        ("completions", lambda t: t.update(tokens="12"), "line 2: tokens: Expected int, got str"),
        ("completions", lambda t: t.update(tokens=10**30), "line 2: tokens:"),
        ("completions", lambda t: t.update(tokens=-1), "line 2: tokens:"),
        ("completions", lambda t: t.update(seconds=1e300), "line 2: seconds:"),
        ("completions", lambda t: t.update(dose="f" * 64), "line 2: the dose ffffffffffff… is missing"),
        ("completions", lambda t: t.pop("finish"), "line 2: Object missing required field finish"),
        ("completions", lambda t: t.update(path="/etc/passwd"), "line 2: Object contains unknown field path"),
        ("completions", lambda t: t.update(created="2026-99-01T00:00:00+00:00"), "line 2: 2026-99-01"),
        ("prompts", lambda t: t.update(text="another"), "line 1: the text is not the one of this hash"),
        ("doses", lambda t: t.update(dose={"share": "much"}), "line 1: the text is not the one of this hash"),
        ("results", lambda t: t.update(condition=7), "line 2: condition: 7"),
        ("results", lambda t: t.update(condition=-1), "line 2: condition:"),
        ("results", lambda t: t.update(sample=10**40), "line 2: sample:"),
        ("results", lambda t: t.update(task="\x1b[2J"), "line 2: task:"),
        ("conditions", lambda t: t.update(perturbation="gaussian x y"), "line 2: perturbation: 'gaussian x y'"),
        (
            "conditions",
            lambda t: t.update(perturbation="gaussian 1e-05 after"),
            "line 2: this condition is there twice",
        ),
        ("verdicts", lambda t: t.update(solution="0" * 64), "line 2: the verdict is of a program"),
        ("verdicts", lambda t: t.update(base="\x1b[31m"), "line 2: base:"),
        ("verdicts", lambda t: t.update(base="passed"), "changed after it was written"),
    ],
)
def test_a_changed_line_is_refused_by_file_and_line_and_nothing_stays(store, other, tmp_path, file, change, said):
    rich(store)
    export_run(store, store.run(), tmp_path / "a")
    path = tmp_path / "a" / f"{file}.jsonl"
    change_line(path, 0 if file in ("prompts", "doses") else 1, change)
    with pytest.raises(QrtuiError) as refused:
        import_run(other, tmp_path / "a")
    assert f"{file}.jsonl" in str(refused.value)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)
    assert not any(rows_of(other).values())


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ('name = "study"', "name = 3", "run.name: Expected str, got int"),
        ('name = "study"', 'name = "a\\nb"', "run.name"),
        ('status = "stopped"', 'status = "over"', "run.status"),
        ('started = "20', 'started = "99-20', "run.started"),
        ("format = 1", "format = 2", "reads format 1, not 2"),
        ("format = 1", "format = ", "not TOML"),
        ("format = 1", "format = 1" + "0" * 5000, "not TOML"),
        ("format = 1", "x = " + "[" * 5000, "not TOML"),
        ('device = "cpu"', "device = [1]", "device: Expected str"),
        ("nulls = [", 'nulls = [[], ["experiment", 0], ["a", "b"],', "nulls: there is no such place"),
        ('[files."prompts.jsonl"]', '[files."../prompts.jsonl"]', "has no prompts.jsonl"),
        ("lines = 2", "lines = 3", "was written with 3"),
        ("lines = 2", "lines = -3", "files"),
    ],
)
def test_a_changed_header_is_refused(store, other, tmp_path, before, after, said):
    rich(store)
    export_run(store, store.run(), tmp_path / "a")
    path = tmp_path / "a" / "run.toml"
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after, 1))
    with pytest.raises(ExchangeError) as refused:
        import_run(other, tmp_path / "a")
    assert said in str(refused.value)
    assert not any(rows_of(other).values())


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_random_damage_is_refused_in_one_line_and_leaves_nothing(store, tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("fuzz")
    if not store.count_runs():
        rich(store)
    export_run(store, store.run(), folder / "a")
    path = folder / "a" / data.draw(st.sampled_from(sorted(file.name for file in FILES[:6])))
    content = bytearray(path.read_bytes())
    at = data.draw(st.integers(0, len(content) - 1))
    match data.draw(st.sampled_from(["cut", "flip", "insert", "gone"])):
        case "cut":
            del content[at:]
        case "flip":
            content[at] ^= data.draw(st.integers(1, 255))
        case "insert":
            content[at:at] = data.draw(st.binary(min_size=1, max_size=20))
        case "gone":
            content = bytearray()
    path.write_bytes(content)
    with Store(folder / "other.db") as other:
        with pytest.raises(QrtuiError) as refused:
            import_run(other, folder / "a")
        assert path.name in str(refused.value)
        assert not any(rows_of(other).values())


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=12,
)


@settings(max_examples=60, deadline=None)
@given(table=st.dictionaries(st.text(), _json, max_size=4))
def test_whatever_an_experiment_holds_comes_back(tmp_path_factory, table):
    folder = tmp_path_factory.mktemp("table")
    with Store(folder / "a.db") as store, Store(folder / "b.db") as other:
        store.begin_run("any", table, [], {})
        export_run(store, store.run(), folder / "a")
        import_run(other, folder / "a")
        assert other.run().experiment == table
        export_run(other, other.run(), folder / "b")
        assert folder_of(folder / "a") == folder_of(folder / "b")


def test_a_pipe_or_a_link_to_nowhere_in_place_of_a_file_is_refused(store, other, tmp_path):
    import os

    fill(store)
    export_run(store, store.run(), tmp_path / "a")
    file = tmp_path / "a" / "verdicts.jsonl"
    file.unlink()
    os.mkfifo(file)
    with pytest.raises(ExchangeError, match=r"has no verdicts\.jsonl"):
        import_run(other, tmp_path / "a")
    assert not any(rows_of(other).values())


def test_another_program_may_write_while_a_run_is_exported(store, tmp_path, monkeypatch):
    from qrtui.results.exchange import exporting

    fill(store)
    really = exporting.write_lines

    def meanwhile(path, lines):
        with sqlite3.connect(store.path) as intruder:
            intruder.execute("PRAGMA foreign_keys = ON")
            intruder.execute("DELETE FROM runs")
        return really(path, lines)

    monkeypatch.setattr(exporting, "write_lines", meanwhile)
    export_run(store, store.run(), tmp_path / "a")
    assert store.runs() == []
    assert import_run(store, tmp_path / "a").is_new
