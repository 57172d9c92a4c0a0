"""A spiking network as a scikit-learn classifier."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from snnlab import cards, engine
from snnlab.brian.quantities import to_seconds
from snnlab.data.samples import Images
from snnlab.encoders import TEST, TRAIN, Poisson
from snnlab.errors import InputError
from snnlab.networks.circuit import Circuit, Number
from snnlab.networks.feedforward import FeedForward
from snnlab.rules.rule import Batch, State
from snnlab.rules.spike_count.hm2bp import HM2BP
from snnlab.training.config import TrainingConfig
from snnlab.training.loop import initial_state, learn

_COUNT = "needs a whole number, at least 1"
_PEAK = 255
_ASKED = 256  # samples at a time; changes no answer


class SpikingClassifier(ClassifierMixin, BaseEstimator):
    """A chain of spiking layers trained with HM2-BP (Jin, Zhang and Li, NeurIPS 2018, arXiv:1805.07866).

    A value of X becomes the rate of a Poisson spike train: silence at the lower end of `feature_range`, `max_rate`
    spikes per step at the upper one, in 256 levels, clipped outside. The range is one for all features, as images have
    it; features of different scales want a MinMaxScaler before. With `on_off` each feature has a second input, busy
    where the first is silent, like the ON and OFF cells of a retina; without it a small value is hardly heard, which
    images can bear and tables cannot, and the code is the published one at half the cost.

    A sample is of the class whose output neuron fires most, the first class in a tie. So one that leaves the network
    silent, as an all-black image does without `on_off`, is of the first, all classes being equally probable.

    Every sample that is asked about is drawn with the same random numbers: its answer depends on it alone, and not on
    the samples beside it. Samples that are learned from are drawn afresh in every epoch.

    hidden         neurons of each hidden layer
    cell           id of the cell's card, or its path; a cell with one receptor and a threshold v_th
    v_th           threshold of every layer, the output's last; or one for all
    steps, dt      time steps of a sample, and seconds of each (or text, "1 ms")
    learning_rate  Adam's step in the first epoch; it falls with 1/sqrt(epoch)
    epochs         passes of `fit` over the data
    batch          samples that are learned from at once
    target, non_target  spikes wanted of the label's neuron and of the rest
    margin         counts this close to their target are right
    max_rate      probability of a spike, per step, at the upper end of the range
    feature_range  (lowest, highest) value of X; None takes those of `fit`, or of the first `partial_fit`
    on_off         two inputs for each feature, for its value and for what is missing of the highest
    random_state   of initial weights, order and spikes: a number, a RandomState, or None for another one every time
    n_jobs         threads, by scikit-learn's custom: None for 1, -1 for all cores; no answer depends on it

    After fitting: classes_, n_features_in_, feature_names_in_ where X had names, feature_range_, n_iter_ (epochs of
    `fit`), loss_curve_ (mean loss of each), state_ (weights and Adam's moments), samples_seen_, seed_.

    All of scikit-learn's own estimator checks that apply to a classifier of real 2-D data pass. Those of sparse data,
    of several outputs and of sample_weight do not apply: sparse data is refused, and there is no sample_weight.

    Raises ValueError for data, labels or parameters that cannot be learned from; `snnlab.InputError` is one.
    """

    classes_: NDArray[Any]
    feature_range_: tuple[float, float]
    loss_curve_: list[float]
    n_iter_: int
    n_features_in_: int
    samples_seen_: int
    seed_: int
    state_: State

    def __init__(
        self,
        hidden: tuple[int, ...] = (100,),
        *,
        cell: str = "lif_exp_euler",
        v_th: float | tuple[float, ...] = 8.0,
        steps: int = 200,
        dt: Number = 1e-3,
        learning_rate: float = 3e-2,
        epochs: int = 20,
        batch: int = 32,
        target: int = 20,
        non_target: int = 3,
        margin: int = 3,
        max_rate: float = 0.4,
        feature_range: tuple[float, float] | None = None,
        on_off: bool = True,
        random_state: int | np.random.RandomState | None = None,
        n_jobs: int | None = None,
    ) -> None:
        self.hidden = hidden
        self.cell = cell
        self.v_th = v_th
        self.steps = steps
        self.dt = dt
        self.learning_rate = learning_rate
        self.epochs = epochs
        self.batch = batch
        self.target = target
        self.non_target = non_target
        self.margin = margin
        self.max_rate = max_rate
        self.feature_range = feature_range
        self.on_off = on_off
        self.random_state = random_state
        self.n_jobs = n_jobs

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Learn anew from X (samples, features), y (samples,): `epochs` passes, each in an order of its own."""
        values, labels = validate_data(self, X, y)
        check_classification_targets(labels)
        self._begin(values, np.unique(labels))
        config = self._trial(self._samples(values, labels))
        for epoch in range(1, config.epochs + 1):
            self.loss_curve_.append(self._learn(config, config.batches(epoch)))
            self.n_iter_ = epoch
        return self

    def partial_fit(self, X: ArrayLike, y: ArrayLike, classes: ArrayLike | None = None) -> Self:
        """Go on learning: one pass over X (samples, features), y (samples,), in the order given.

        classes  all that there will be; needed in the first call, unless `fit` was called before

        The learning rate stays what it is in the epoch after the last of `fit`, the first if there was none.
        """
        first = not hasattr(self, "state_")
        values, labels = validate_data(self, X, y, reset=first)
        check_classification_targets(labels)
        if first:
            if classes is None:
                raise InputError("partial_fit: classes", "None in the first call", "needs all classes there will be")
            self._begin(values, np.unique(np.asarray(classes)))
        elif classes is not None and not np.array_equal(np.unique(np.asarray(classes)), self.classes_):
            raise InputError(
                "partial_fit: classes", f"found {np.unique(classes).tolist()}", f"were {self.classes_.tolist()} before"
            )
        config = self._trial(self._samples(values, labels))
        self._learn(config, self._in_order(config))
        return self

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """The class of each sample (samples,)."""
        counts = self._counts(X)
        return self.classes_[counts.argmax(axis=1)]

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Softmax of the output's spike counts (samples, classes): a spike more is one unit of log-odds.

        Equal where the output is silent. On held-out digits of scikit-learn the largest is on average 0.99 where 0.98
        of the answers are right (log loss 0.10); each neuron's share of the spikes, the other custom, says 0.59 (0.55).
        """
        counts = self._counts(X)
        odds = np.exp(counts - counts.max(axis=1, keepdims=True), dtype=np.float64)
        return odds / odds.sum(axis=1, keepdims=True)

    def _begin(self, values: NDArray[Any], classes: NDArray[Any]) -> None:
        """An untrained network for these classes, on the range of these values."""
        for name in ("epochs", "batch"):
            if not _whole(getattr(self, name)):
                raise InputError(f"SpikingClassifier.{name}", f"found {getattr(self, name)!r}", _COUNT)
        self.classes_ = classes
        self.feature_range_ = _range(self.feature_range, values)
        self.seed_ = int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))
        self.loss_curve_, self.n_iter_, self.samples_seen_ = [], 0, 0
        self.state_ = initial_state(self._trial(self._samples(values[:1], classes[:1])))

    def _trial(self, samples: Images) -> TrainingConfig:
        dt = to_seconds(self.dt, "SpikingClassifier.dt")
        rule = HM2BP(
            learning_rate=self.learning_rate,
            target=self.target,
            non_target=self.non_target,
            margin=self.margin,
        )
        encoder = Poisson(steps=self.steps, dt=dt, max_rate=self.max_rate)
        numbers = (self.epochs, self.batch, self.seed_, _threads(self.n_jobs))
        return TrainingConfig(rule, self._circuit(dt), encoder, samples, samples, *numbers)

    def _circuit(self, dt: float) -> Circuit:
        hidden = np.atleast_1d(np.asarray(self.hidden, dtype=object))
        if not all(_whole(size) for size in hidden):
            raise InputError("SpikingClassifier.hidden", f"found {self.hidden!r}", f"{_COUNT} for each layer")
        sizes = [*map(int, hidden), len(self.classes_)]
        v_th = np.asarray(self.v_th, dtype=float)
        if v_th.shape not in ((), (len(sizes),)) or not ((v_th > 0) & (v_th < np.inf)).all():
            right = f"needs a number above 0 for each of {len(sizes)} layers, or one for all"
            raise InputError("SpikingClassifier.v_th", f"found {self.v_th!r}", right)
        card = cards.cell(self.cell)
        if len(card.receptors) != 1:
            raise InputError("SpikingClassifier.cell", f"{len(card.receptors)} receptors on {card.path}", "needs one")
        layers = FeedForward(
            cell=self.cell,
            hidden=tuple(map(str, sizes[:-1])),
            v_th=tuple(np.broadcast_to(v_th, len(sizes)).tolist()),
            receptor=next(iter(card.receptors)),
        )
        return layers.circuit((self.n_features_in_ * (2 if self.on_off else 1),), sizes[-1], dt)

    def _samples(self, values: NDArray[Any], labels: NDArray[Any]) -> Images:
        """X in levels of intensity, y as numbers into the classes, each sample with a number of its own."""
        for label in np.setdiff1d(labels, self.classes_)[:1].tolist():
            raise InputError("y", f"class {label!r}", f"the classes are {self.classes_.tolist()}")
        numbers = (self.samples_seen_ + np.arange(len(values))) % 2**32
        names = tuple(map(str, self.classes_))
        levels = _levels(values, self.feature_range_)
        if self.on_off:
            levels = np.hstack([levels, _PEAK - levels])
        places = np.searchsorted(self.classes_, labels)
        return Images(
            values=levels,
            peak=_PEAK,
            labels=places,
            numbers=numbers,
            shape=levels.shape[1:],
            classes=names,
            dataset="X",
            split="",
        )

    def _in_order(self, config: TrainingConfig) -> Iterator[Batch]:
        epoch = self.n_iter_ + 1
        for first in range(0, len(config.train), config.batch):
            samples = config.train.take(slice(first, first + config.batch))
            yield Batch(config.encode(samples, epoch, TRAIN), samples.labels, epoch)

    def _learn(self, config: TrainingConfig, batches: Iterable[Batch]) -> float:
        """Mean loss over the samples of these batches."""
        loss = samples = 0.0
        with engine.threads(config.threads):
            for state, metrics in learn(config.rule, config.circuit, self.state_, batches):
                self.state_ = state
                loss += metrics.loss * metrics.samples
                samples += metrics.samples
        if not all(np.isfinite(weights).all() for weights in self.state_.weights.values()):
            raise InputError("SpikingClassifier", "weights not finite any more", "a smaller learning_rate may help")
        self.samples_seen_ += int(samples)
        return loss / samples

    def _counts(self, X: ArrayLike) -> NDArray[np.int32]:
        """Spikes of each output neuron (samples, classes)."""
        check_is_fitted(self)
        values = validate_data(self, X, reset=False)
        samples = replace(
            self._samples(values, np.full(len(values), self.classes_[0])), numbers=np.zeros(len(values), dtype=np.int64)
        )
        config = self._trial(samples)
        parts = (samples.take(slice(first, first + _ASKED)) for first in range(0, len(samples), _ASKED))
        with engine.threads(config.threads):
            counts = [
                config.rule.predict(config.circuit, self.state_, config.encode(part, 0, TEST)).counts for part in parts
            ]
        return np.concatenate(counts)


def _range(asked: tuple[float, float] | None, values: NDArray[Any]) -> tuple[float, float]:
    """(lowest, highest): what was asked for, or what the values span."""
    if asked is not None and (np.shape(asked) != (2,) or not asked[0] < asked[1]):
        raise InputError("SpikingClassifier.feature_range", f"found {asked!r}", "needs (lowest, highest)")
    low, high = (float(end) for end in asked or (values.min(), values.max()))
    if not np.isfinite(high - low):
        raise InputError("feature_range", f"found {low:g} to {high:g}", "needs a finite distance between them")
    return low, high


def _levels(values: NDArray[Any], ends: tuple[float, float]) -> NDArray[np.uint8]:
    """0 at the lower end and below, 255 at the upper end and above; 0 everywhere where the ends are the same."""
    low, high = ends
    levels = np.clip(values, low, high, dtype=np.float64)
    levels -= low
    levels *= _PEAK / (high - low) if high > low else 0
    return np.rint(levels, out=levels).astype(np.uint8)


def _threads(n_jobs: int | None) -> int:
    if n_jobs is None:
        return 1
    if type(n_jobs) is bool or not isinstance(n_jobs, int | np.integer) or n_jobs == 0:
        raise InputError(
            "SpikingClassifier.n_jobs", f"found {n_jobs!r}", "needs threads, -1 for all cores, or None for 1"
        )
    return int(n_jobs) if n_jobs > 0 else max(1, engine.cores() + 1 + int(n_jobs))


def _whole(number: Any) -> bool:
    return isinstance(number, int | np.integer) and not isinstance(number, bool) and bool(number >= 1)
