"""Everything that an experiment may change has a name and an explanation, and is read as its type or refused."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, get_args

import pytest
from errors_in_tests import raises_input_error
from hypothesis import given
from hypothesis import strategies as st
from small_run import EXPERIMENT, begun

from snnlab.encoders import Ear, Poisson, SimulatedCamera
from snnlab.engine import Precision
from snnlab.errors import InputError
from snnlab.experiments import EXPERIMENTS
from snnlab.experiments.core.options import option_of, options_of, parse
from snnlab.fields import option
from snnlab.rules.common.schedule import Decay
from snnlab.rules.corinfomax.rule import CorInfoMax
from snnlab.rules.dendritic.continuous import Dendritic
from snnlab.rules.dendritic.two_pass import Start, TwoSweep
from snnlab.rules.rate.backprop import Backprop
from snnlab.rules.rate.descent import Initial
from snnlab.rules.rate.feedback_alignment import FeedbackAlignment
from snnlab.rules.rate.self_assembly import SelfAssembly
from snnlab.rules.rate.z_il import ZIL
from snnlab.rules.spike_count.hm2bp import HM2BP
from snnlab.rules.spike_time.base import Decision
from snnlab.rules.spike_time.normad import HiddenNormalisation, NormAD
from snnlab.rules.spike_time.resume import ReSuMe
from snnlab.rules.spike_time.span import SPAN

NAMES = sorted(EXPERIMENTS)


def leaves(value: Any, prefix: str = "") -> set[str]:
    """Dotted names of all fields that are no dataclasses, found by walking."""
    found: set[str] = set()
    for field in fields(value):
        inner = getattr(value, field.name)
        found |= leaves(inner, f"{prefix}{field.name}.") if is_dataclass(inner) else {f"{prefix}{field.name}"}
    return found


@pytest.mark.parametrize("name", NAMES)
def test_everything_is_an_option_but_what_the_experiment_is_and_the_machine(name: str) -> None:
    experiment = EXPERIMENTS[name]
    fixed = {"name", "summary", "reference", "reported", "dataset", "tested_on"}
    named = set() if isinstance(experiment.encoder, Poisson) else {"encoder"}
    assert set(experiment.options()) == leaves(experiment) - fixed | named


@pytest.mark.parametrize("name", NAMES)
def test_every_option_is_explained_and_every_word_it_may_be(name: str) -> None:
    experiment = EXPERIMENTS[name]
    told = experiment.option_help()
    assert told.keys() == experiment.options().keys()
    assert [option for option, text in told.items() if not text] == []
    words = {
        "rule.schedule.decay": Decay,
        "rule.hidden_normalisation": HiddenNormalisation,
        "rule.decision": Decision,
        "rule.precision": Precision,
        "rule.start": Start,
        "rule.initial": Initial,
    }
    for name, kind in words.items():
        assert name not in told or all(word in told[name] for word in get_args(kind))
    own = {HM2BP: "rule.schedule.decay", NormAD: "rule.hidden_normalisation",
           ReSuMe: "rule.non_hebbian", SPAN: "rule.tau",
           TwoSweep: "rule.interneuron", Backprop: "rule.schedule.decay", FeedbackAlignment: "rule.feedback",
           SelfAssembly: "rule.mirror", Dendritic: "rule.lag", ZIL: "rule.gamma",
           CorInfoMax: "rule.schedule.gamma"}  # fmt: skip
    assert own[type(experiment.rule)] in told and "rule.precision" in told


def test_what_a_rule_has_from_another_class_is_told_by_that_and_what_it_says_itself_by_it() -> None:
    told = EXPERIMENTS["normad-xor"].option_help()
    assert told["rule.schedule.warmup"].startswith("batches over which")
    assert told["rule.tau_L"] == "time constant of the leak h, in seconds"
    assert told["rule.targets.time"] == "time of the spike, in seconds"


@dataclass(frozen=True)
class Inner:
    depth: int = option(1, "the depth")
    shade: str = "dark"


@dataclass(frozen=True)
class Outer:
    inner: Inner = Inner()
    plain: float = option(0.0, "a number")


def test_options_are_the_fields_of_nested_dataclasses_with_their_documentation() -> None:
    found = {each.name: (each.value, each.help) for each in options_of(Outer())}
    assert found == {"inner.depth": (1, "the depth"), "inner.shade": ("dark", ""), "plain": (0.0, "a number")}
    assert [each.name for each in options_of(Outer(), skip=("inner",))] == ["plain"]


@pytest.mark.parametrize("name", NAMES)
def test_options_survive_json(name: str) -> None:
    experiment = EXPERIMENTS[name]
    kept = json.loads(json.dumps(experiment.options()))
    assert experiment.with_options(kept) == experiment


@given(
    hidden=st.lists(st.from_regex(r"[1-9][0-9]{0,3}|[1-9][0-9]?C[1-9]|P[1-9]", fullmatch=True), max_size=4),
    rate=st.floats(1e-300, 1e300),
    steps=st.integers(1, 10**6),
    resample_each_epoch=st.booleans(),
    precision=st.sampled_from(["float32", "float64"]),
)
def test_options_mean_the_same_as_text_and_as_values(
    hidden: list[str], rate: float, steps: int, resample_each_epoch: bool, precision: str
) -> None:
    values = {
        "network.hidden": hidden,
        "rule.learning_rate": rate,
        "encoder.steps": steps,
        "encoder.resample_each_epoch": resample_each_epoch,
        "rule.precision": precision,
    }
    texts = {
        name: ",".join(map(str, value)) if isinstance(value, list) else str(value) for name, value in values.items()
    }
    by_value, by_text = EXPERIMENT.with_options(values), EXPERIMENT.with_options(texts)
    assert by_value == by_text
    assert by_value.network.hidden == tuple(hidden)
    assert by_value.encoder.resample_each_epoch is resample_each_epoch
    assert isinstance(by_value.rule, HM2BP) and by_value.rule.learning_rate == rate


def test_an_option_changes_itself_alone() -> None:
    changed = EXPERIMENT.with_options({"rule.optimiser.beta1": "0.5"})
    before, after = EXPERIMENT.options(), changed.options()
    assert {name for name in before if before[name] != after[name]} == {"rule.optimiser.beta1"}
    assert isinstance(changed.rule, HM2BP) and changed.rule.optimiser.beta1 == 0.5


@pytest.mark.parametrize(
    ("name", "given", "says"),
    [
        ("epochs", "0", "--set epochs: found 0; needs at least 1"),
        ("batch", "-1", "--set batch: found -1; needs at least 1"),
        ("batch", "1e2", "--set batch: found '1e2'; needs a whole number"),
        ("batch", str(2**31), "--set batch: found '2147483648'; needs a whole number up to 2147483647"),
        ("rule.lerning_rate", "1", "did you mean 'rule.learning_rate'"),
        ("rule", "1", "--set rule: no such option"),
        ("rule.threads", "1", "--set rule.threads: no such option"),
        ("name", "mine", "--set name: no such option"),
        ("", "5", "^--set: found '=5'; needs NAME=VALUE, such as epochs=5$"),
        ("__class__", "1", "no such option"),
        ("rule.__init__", "1", "no such option"),
        ("rule.learning_rate", "fast", "--set rule.learning_rate: found 'fast'; needs a number"),
        ("rule.learning_rate", "nan", "found 'nan'; needs a number"),
        ("rule.learning_rate", "inf", "found 'inf'; needs a number"),
        ("rule.learning_rate", "", "found ''; needs a number"),
        ("rule.schedule.decay", "maybe", "--set rule.schedule.decay: found 'maybe'; known: cosine, exponential"),
        ("rule.self_term", "maybe", "found 'maybe'; needs true or false"),
        ("rule.precision", "float16", "--set rule.precision: found 'float16'; did you mean"),
        (
            "network.hidden",
            "10,x",
            "--set network.hidden: found 'x' in '10,x'; needs layers of 1 to 9999999 neurons, as 800",
        ),
        ("network.hidden", "10,0", "--set network.hidden: found '0' in '10,0'; needs layers of 1 to"),
        ("network.hidden", "5C0", "--set network.hidden: found '5C0'"),
        ("network.hidden", "P", "--set network.hidden: found 'P'"),
        ("network.inhibition", "-1", "--set network.inhibition: found -1.0; needs a weight, at least 0"),
        ("network.v_th", "1,-1", "--set network.v_th: .* above 0"),
        ("encoder.steps", "0", "--set encoder.steps: found 0"),
        ("encoder.max_rate", "2", "--set encoder.max_rate: found 2.0; needs a probability"),
        ("encoder.dt", "1 ms", "--set encoder.dt: found '1 ms'; needs a number"),
    ],
)
def test_an_impossible_option_is_refused_by_name(name: str, given: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        EXPERIMENT.with_options({name: given})


def test_layers_and_thresholds_must_be_as_many() -> None:
    with raises_input_error("network.v_th", 2, 3):
        begun(Path("never made"), experiment=EXPERIMENT.with_options({"network.hidden": "20,20"}))
    assert not Path("never made").exists()


@given(value=st.one_of(st.none(), st.lists(st.none()), st.dictionaries(st.text(), st.none()), st.text()))
def test_whatever_stands_in_a_file_is_read_as_a_number_or_refused(value: Any) -> None:
    try:
        found = parse(value, float, "here")
    except InputError as refused:
        assert refused.field == "here"
    else:
        assert type(found) is float and math.isfinite(found)


@pytest.mark.parametrize(
    ("value", "where", "option"),
    [
        (SimulatedCamera(), "Sensor.pool", "sensor.pool"),
        (SimulatedCamera(), "Camera.on_threshold", "camera.on_threshold"),
        (SimulatedCamera(), "SimulatedCamera.seed", "seed"),
        (Ear(), "Lyon.sample_rate", "sample_rate"),
        (Ear(), "Ear.steps", "steps"),
        (EXPERIMENT, "epochs", "epochs"),
        (SimulatedCamera(), "/data/recordings.pool", ""),
        (SimulatedCamera(), "encode: samples", ""),
        (Ear(), "Sensor.pool", ""),
    ],
)
def test_a_refusal_is_about_the_option_that_it_names(value: Any, where: str, option: str) -> None:
    """Within a dataclass, and where another class takes its value; a file's name is no option."""
    assert option_of(InputError(where, "found something"), value) == option
