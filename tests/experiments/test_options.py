"""Options of experiments: their names, documentation, types and errors."""

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
from small_run import EXPERIMENT, create_run

from snnlab.data.fields import option
from snnlab.encoders import Ear, Poisson, SimulatedCamera
from snnlab.engine import Precision
from snnlab.errors import InputError
from snnlab.experiments import EXPERIMENTS
from snnlab.experiments.core.options import option_of, options_of, parse
from snnlab.rules.common.schedule import Decay
from snnlab.rules.corinfomax.rule import CorInfoMax
from snnlab.rules.dendritic.continuous import Dendritic
from snnlab.rules.dendritic.two_pass import InterneuronInit, TwoPass
from snnlab.rules.rate.backprop import Backprop
from snnlab.rules.rate.backward_pass import WeightInit
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
    """Dotted names of all fields that are not dataclasses."""
    found: set[str] = set()
    for field in fields(value):
        inner = getattr(value, field.name)
        found |= leaves(inner, f"{prefix}{field.name}.") if is_dataclass(inner) else {f"{prefix}{field.name}"}
    return found


@pytest.mark.parametrize("name", NAMES)
def test_all_fields_are_options_except_the_identity_of_the_experiment(name: str) -> None:
    experiment = EXPERIMENTS[name]
    fixed = {"name", "summary", "reference", "reported", "dataset", "tested_on"}
    named = set() if isinstance(experiment.encoder, Poisson) else {"encoder"}
    assert set(experiment.options()) == leaves(experiment) - fixed | named


@pytest.mark.parametrize("name", NAMES)
def test_every_option_is_documented_with_all_of_its_values(name: str) -> None:
    experiment = EXPERIMENTS[name]
    text = experiment.option_help()
    assert text.keys() == experiment.options().keys()
    assert [each for each, words in text.items() if not words] == []
    literals = {
        "rule.schedule.decay": Decay,
        "rule.hidden_normalisation": HiddenNormalisation,
        "rule.decision": Decision,
        "rule.precision": Precision,
        "rule.interneuron_init": InterneuronInit,
        "rule.weight_init": WeightInit,
    }
    for name, kind in literals.items():
        assert name not in text or all(word in text[name] for word in get_args(kind))
    own = {HM2BP: "rule.schedule.decay", NormAD: "rule.hidden_normalisation",
           ReSuMe: "rule.non_hebbian", SPAN: "rule.tau",
           TwoPass: "rule.to_interneuron", Backprop: "rule.schedule.decay", FeedbackAlignment: "rule.feedback_scale",
           SelfAssembly: "rule.mirror_rate", Dendritic: "rule.learning_lag", ZIL: "rule.gamma",
           CorInfoMax: "rule.schedule.gamma"}  # fmt: skip
    assert own[type(experiment.rule)] in text and "rule.precision" in text


def test_inherited_and_own_options_of_a_rule_are_documented() -> None:
    text = EXPERIMENTS["normad-xor"].option_help()
    assert text["rule.schedule.warmup"].startswith("batches over which")
    assert text["rule.tau_L"] == "time constant of the leak h, in seconds"
    assert text["rule.targets.time"] == "time of the spike, in seconds"


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
    stored = json.loads(json.dumps(experiment.options()))
    assert experiment.with_options(stored) == experiment


@given(
    hidden=st.lists(st.from_regex(r"[1-9][0-9]{0,3}|[1-9][0-9]?C[1-9]|P[1-9]", fullmatch=True), max_size=4),
    rate=st.floats(1e-300, 1e300),
    steps=st.integers(1, 10**6),
    resample_each_epoch=st.booleans(),
    precision=st.sampled_from(["float32", "float64"]),
)
def test_options_have_the_same_meaning_as_text_and_as_values(
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


def test_an_option_changes_only_itself() -> None:
    changed = EXPERIMENT.with_options({"rule.optimiser.beta1": "0.5"})
    before, after = EXPERIMENT.options(), changed.options()
    assert {name for name in before if before[name] != after[name]} == {"rule.optimiser.beta1"}
    assert isinstance(changed.rule, HM2BP) and changed.rule.optimiser.beta1 == 0.5


@pytest.mark.parametrize(
    ("name", "given", "value"),
    [
        ("epochs", "0", 0),
        ("batch", "-1", -1),
        ("batch", "1e2", "1e2"),
        ("batch", str(2**31), 2147483647),
        ("rule.lerning_rate", "1", "'rule.learning_rate'"),
        ("rule", "1", "no such option"),
        ("rule.threads", "1", "no such option"),
        ("name", "mine", "no such option"),
        ("", "5", "=5"),
        ("__class__", "1", "no such option"),
        ("rule.__init__", "1", "no such option"),
        ("rule.learning_rate", "fast", "fast"),
        ("rule.learning_rate", "nan", "nan"),
        ("rule.learning_rate", "inf", "inf"),
        ("rule.learning_rate", "", "''"),
        ("rule.schedule.decay", "maybe", "cosine"),
        ("rule.self_term", "maybe", "true or false"),
        ("rule.precision", "float16", "float32"),
        ("network.hidden", "10,x", "'x'"),
        ("network.hidden", "10,0", "'0'"),
        ("network.hidden", "5C0", "5C0"),
        ("network.hidden", "P", "'P'"),
        ("network.inhibition", "-1", -1.0),
        ("network.v_th", "1,-1", -1.0),
        ("encoder.steps", "0", 0),
        ("encoder.max_rate", "2", 2.0),
        ("encoder.dt", "1 ms", "1 ms"),
    ],
)
def test_an_invalid_option_is_refused_by_name(name: str, given: str, value: Any) -> None:
    with raises_input_error(f"--set {name}".strip(), value):
        EXPERIMENT.with_options({name: given})


def test_there_must_be_as_many_thresholds_as_layers() -> None:
    with raises_input_error("network.v_th", 2, 3):
        create_run(Path("never created"), experiment=EXPERIMENT.with_options({"network.hidden": "20,20"}))
    assert not Path("never created").exists()


@given(value=st.one_of(st.none(), st.lists(st.none()), st.dictionaries(st.text(), st.none()), st.text()))
def test_any_json_value_is_parsed_as_a_number_or_refused(value: Any) -> None:
    try:
        found = parse(value, float, "here")
    except InputError as error:
        assert error.field == "here"
    else:
        assert type(found) is float and math.isfinite(found)


@pytest.mark.parametrize(
    ("value", "field", "name"),
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
def test_an_error_is_assigned_to_the_option_that_it_names(value: Any, field: str, name: str) -> None:
    """Also an option of a nested dataclass, and of a class that receives the value; file names are not options."""
    assert option_of(InputError(field, "got something"), value) == name
