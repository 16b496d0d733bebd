"""joblib's backend "alongside": what scikit-learn computes on it, and what joblib's own tests do not look at."""

from __future__ import annotations

import itertools
import subprocess
import sys
import threading
import time
import types
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

joblib = pytest.importorskip("joblib", reason="joblib is not installed: pip install 'alongside[joblib]'")

import alongside.joblib  # noqa: E402
from alongside import WorkerLost  # noqa: E402
from alongside.faces.joblib import Flow  # noqa: E402
from tests.conftest import wait_until  # noqa: E402
from tests.faces.support import die_once, square, square_or_die  # noqa: E402


def squares(numbers: Any = range(20), **options: Any) -> list[int]:
    done: list[int] = joblib.Parallel(n_jobs=2, backend="alongside", **options)(
        joblib.delayed(square)(x) for x in numbers
    )
    return done


def test_the_name_is_known_once_the_module_is_imported() -> None:
    script = "import alongside.joblib, joblib\nwith joblib.parallel_config('alongside', n_jobs=2):\n"
    script += "    print(joblib.Parallel()(joblib.delayed(abs)(x) for x in [-1, -2]))"
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert (ended.stdout, ended.stderr) == ("[1, 2]\n", "")


def test_a_killed_worker_fails_the_call_and_the_next_works() -> None:
    with joblib.parallel_config("alongside", n_jobs=2), pytest.raises(WorkerLost):
        joblib.Parallel(batch_size=1)(joblib.delayed(square_or_die)(x) for x in range(20))
    assert squares() == [x * x for x in range(20)]


def test_a_killed_worker_may_be_tried_again(tmp_path: Path) -> None:
    with joblib.parallel_config("alongside", n_jobs=2, retries=1, backoff=0.001):
        call = joblib.delayed(die_once)
        done = joblib.Parallel(batch_size=1)(call(str(tmp_path / "died"), x) for x in range(20))
    assert done == [x * x for x in range(20)]


def write(array: Any, value: float) -> tuple[float, bool]:
    array[0] = value
    return float(array.sum()), bool(array.flags.writeable)


def test_arrays_can_be_written_to_and_the_caller_keeps_its_own() -> None:
    array = np.zeros(1_000_000)
    with joblib.parallel_config("alongside", n_jobs=2):
        done = joblib.Parallel()(joblib.delayed(write)(array, value) for value in range(6))
    assert done == [(float(value), True) for value in range(6)]
    assert array.sum() == 0


def threads_of_blas() -> list[int]:
    from threadpoolctl import threadpool_info

    np.ones((50, 50)) @ np.ones((50, 50))
    return [pool["num_threads"] for pool in threadpool_info()]


@pytest.mark.parametrize("asked", [1, 2, 3])
def test_libraries_use_as_many_threads_as_was_asked(asked: int) -> None:
    with joblib.parallel_config("alongside", n_jobs=2, inner_max_num_threads=asked):
        done = joblib.Parallel()(joblib.delayed(threads_of_blas)() for _ in range(4))
    assert {count for counts in done for count in counts} <= {asked}
    with joblib.parallel_config("alongside", n_jobs=2):
        again = joblib.Parallel()(joblib.delayed(threads_of_blas)() for _ in range(4))
    share = max(1, alongside.cpu_count() // 2)
    assert {count for counts in again for count in counts} <= {share}


def nested(x: int) -> list[int]:
    inner: list[int] = joblib.Parallel(n_jobs=2)(joblib.delayed(square)(x + y) for y in range(3))
    return inner


def test_calls_inside_calls() -> None:
    with joblib.parallel_config("alongside", n_jobs=2):
        done = joblib.Parallel()(joblib.delayed(nested)(x) for x in range(4))
    assert done == [[(x + y) ** 2 for y in range(3)] for x in range(4)]


def test_threads_share_memory() -> None:
    seen: list[int] = []
    with joblib.parallel_config(alongside.joblib.AlongsideBackend(backend="threads"), n_jobs=2):
        joblib.Parallel(require="sharedmem")(joblib.delayed(seen.append)(x) for x in range(20))
    assert sorted(seen) == list(range(20))


@pytest.mark.parametrize("return_as", ["generator", "generator_unordered"])
def test_a_generator_waits_for_its_reader(return_as: str) -> None:
    taken: list[int] = []

    def noted() -> Any:
        for number in itertools.count():
            taken.append(number)
            yield joblib.delayed(square)(number)

    results = joblib.Parallel(n_jobs=2, backend="alongside", return_as=return_as, batch_size=1)(noted())
    first = [next(results) for _ in range(10)]
    assert set(first) <= {x * x for x in taken}
    assert wait_until(lambda: len(taken) >= 10)
    count = -1
    while count != len(taken):  # until it has come to rest
        count = len(taken)
        wait_until(lambda: len(taken) > count, 0.2)  # noqa: B023  (it is called at once)
    assert count < 10 + 8 + 2 * 2 + 8
    assert next(results) in {x * x for x in taken}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        del results


def test_batches_grow_where_tasks_are_brief() -> None:
    with joblib.Parallel(n_jobs=2, backend="alongside") as parallel:
        assert parallel(joblib.delayed(square)(x) for x in range(5000)) == [x * x for x in range(5000)]
        assert parallel._backend.compute_batch_size() > 1


def test_whoever_wants_a_list_does_not_wait_for_joblibs_next_look(monkeypatch: pytest.MonkeyPatch) -> None:
    def sleep(seconds: float) -> None:
        raise AssertionError(f"joblib slept for {seconds} s, though all results were there")

    monkeypatch.setattr(joblib.parallel, "time", types.SimpleNamespace(time=time.time, sleep=sleep))
    assert squares(range(4)) == [0, 1, 4, 9]
    assert squares(range(50)) == [x * x for x in range(50)]


def asleep(x: int) -> int:
    time.sleep(600)
    return x


@pytest.mark.parametrize("batch_size", ["auto", 1])
def test_what_the_input_raises_does_not_wait_for_the_tasks_that_run(batch_size: Any) -> None:
    def noted() -> Any:
        yield joblib.delayed(asleep)(0)
        for number in range(3):
            yield joblib.delayed(square)(number)
        raise LookupError("no more of these")

    with pytest.raises(LookupError, match="no more of these"):
        joblib.Parallel(n_jobs=2, backend="alongside", batch_size=batch_size)(noted())


def refuse() -> None:
    raise RuntimeError("no licence")


def test_what_cannot_be_sent_any_more_fails_as_what_was_sent(caplog: pytest.LogCaptureFixture) -> None:
    refusing = joblib.parallel_config("alongside", n_jobs=2, initializer=refuse)
    with refusing, pytest.raises(RuntimeError, match="licence"):
        joblib.Parallel(pre_dispatch="all", batch_size=1)(joblib.delayed(square)(x) for x in range(50))
    assert caplog.records == []


def test_options_of_a_parallel_hold_after_a_call_that_failed(tmp_path: Path) -> None:
    with joblib.Parallel(n_jobs=2, backend="alongside", batch_size=1, retries=1, backoff=0.001) as parallel:
        with pytest.raises(ZeroDivisionError):
            parallel(joblib.delayed(divmod)(1, 0) for _ in range(4))
        done = parallel(joblib.delayed(die_once)(str(tmp_path / "died"), x) for x in range(20))
    assert done == [x * x for x in range(20)]


def test_a_flow_tells_when_all_was_told() -> None:
    flow, ended = Flow(most=1, ahead=None), threading.Event()

    def wait() -> None:
        flow.wait_for_all(lambda: False)
        ended.set()

    for _ in range(2):
        flow.pass_on(lambda: None)
    waiting = threading.Thread(target=wait)
    waiting.start()
    flow.done(None)
    flow.told(lambda: False)
    assert not ended.is_set(), "joblib has not heard of the second"
    flow.done(None)
    flow.told(lambda: False)
    waiting.join()
    flow.pass_on(lambda: None)
    flow.wait_for_all(lambda: True)


def test_what_is_held_back_is_sent_in_order_when_there_is_room() -> None:
    sent: list[int] = []
    flow = Flow(most=2, ahead=1)
    for number in range(6):
        flow.pass_on(lambda number=number: sent.append(number))  # type: ignore[misc]
    assert sent == [0, 1]
    results = flow.counted(["a"])
    flow.done(None)
    assert sent == [0, 1], "one batch of results waits for its reader"
    assert list(results) == ["a"]
    assert sent == [0, 1, 2]
    flow.close()
    flow.done(None)
    assert sent == [0, 1, 2]


# --- scikit-learn -----------------------------------------------------------------------------------------------------


def data(classes: int = 3) -> tuple[Any, Any]:
    datasets = pytest.importorskip("sklearn.datasets", reason="scikit-learn is not installed")
    x, y = datasets.make_classification(240, 12, n_informative=6, n_classes=classes, random_state=0)
    return x, y


def fitted(name: str, n_jobs: int) -> Any:
    """What an estimator predicts, or what a search or a validation finds."""
    x, y = data()
    return CASES[name](x, y, n_jobs)


def _estimator(module: str, kind: str, **options: Any) -> Any:
    def predict(x: Any, y: Any, n_jobs: int) -> Any:
        model = getattr(pytest.importorskip(f"sklearn.{module}"), kind)(**options, n_jobs=n_jobs)
        model.fit(x, y)
        found = [getattr(model, name)(x) for name in ("predict", "predict_proba", "transform") if hasattr(model, name)]
        return [one.toarray() if hasattr(one, "toarray") else one for one in found]

    return predict


def _wrapped(module: str, kind: str, **options: Any) -> Any:
    def predict(x: Any, y: Any, n_jobs: int) -> Any:
        from sklearn.linear_model import LogisticRegression

        outer = getattr(pytest.importorskip(f"sklearn.{module}"), kind)
        inner: Any = LogisticRegression(max_iter=300)
        if kind.startswith(("Voting", "Stacking")):
            from sklearn.tree import DecisionTreeClassifier

            inner = [("line", inner), ("tree", DecisionTreeClassifier(random_state=0))]
        if kind.startswith("MultiOutput"):
            y = np.column_stack([y, y[::-1]])
        return outer(inner, **options, n_jobs=n_jobs).fit(x, y).predict(x)

    return predict


def _search(kind: str, **options: Any) -> Any:
    def search(x: Any, y: Any, n_jobs: int) -> Any:
        import sklearn.experimental.enable_halving_search_cv  # noqa: F401
        from sklearn import model_selection
        from sklearn.tree import DecisionTreeClassifier

        tree = DecisionTreeClassifier(random_state=0)
        grid = {"max_depth": [2, 4, 6], "min_samples_leaf": [1, 5]}
        found = getattr(model_selection, kind)(tree, grid, cv=3, n_jobs=n_jobs, **options).fit(x, y)
        return found.best_params_, found.cv_results_["mean_test_score"], found.predict(x)

    return search


def _validation(name: str, **options: Any) -> Any:
    def validate(x: Any, y: Any, n_jobs: int) -> Any:
        from sklearn import model_selection
        from sklearn.tree import DecisionTreeClassifier

        found = getattr(model_selection, name)(
            DecisionTreeClassifier(random_state=0), x, y, cv=3, n_jobs=n_jobs, **options
        )
        if isinstance(found, dict):
            return found["test_score"]
        return found

    return validate


def _pipeline(x: Any, y: Any, n_jobs: int) -> Any:
    from sklearn.compose import ColumnTransformer
    from sklearn.decomposition import PCA
    from sklearn.pipeline import FeatureUnion
    from sklearn.preprocessing import StandardScaler

    union = FeatureUnion([("scaled", StandardScaler()), ("parts", PCA(3, random_state=0))], n_jobs=n_jobs)
    columns = ColumnTransformer(
        [("scaled", StandardScaler(), [0, 1]), ("parts", PCA(2, random_state=0), [2, 3, 4])], n_jobs=n_jobs
    )
    return union.fit_transform(x), columns.fit_transform(x)


def _importance(x: Any, y: Any, n_jobs: int) -> Any:
    from sklearn.inspection import permutation_importance
    from sklearn.tree import DecisionTreeClassifier

    tree = DecisionTreeClassifier(random_state=0).fit(x, y)
    return permutation_importance(tree, x, y, n_repeats=3, random_state=0, n_jobs=n_jobs).importances


def _regressors(x: Any, y: Any, n_jobs: int) -> Any:
    from sklearn import ensemble, linear_model

    kinds: list[Any] = [
        ensemble.RandomForestRegressor(8, random_state=0, n_jobs=n_jobs),
        ensemble.ExtraTreesRegressor(8, random_state=0, n_jobs=n_jobs),
        ensemble.BaggingRegressor(n_estimators=6, random_state=0, n_jobs=n_jobs),
        linear_model.LassoCV(cv=3, n_jobs=n_jobs),
        linear_model.ElasticNetCV(cv=3, n_jobs=n_jobs),
        linear_model.LinearRegression(n_jobs=n_jobs),
    ]
    return [model.fit(x, y).predict(x) for model in kinds]


CASES: dict[str, Any] = {
    "RandomForestClassifier": _estimator("ensemble", "RandomForestClassifier", n_estimators=10, random_state=0),
    "ExtraTreesClassifier": _estimator("ensemble", "ExtraTreesClassifier", n_estimators=10, random_state=0),
    "BaggingClassifier": _estimator("ensemble", "BaggingClassifier", n_estimators=6, random_state=0),
    "RandomTreesEmbedding": _estimator("ensemble", "RandomTreesEmbedding", n_estimators=6, random_state=0),
    "IsolationForest": _estimator("ensemble", "IsolationForest", n_estimators=10, random_state=0),
    "KNeighborsClassifier": _estimator("neighbors", "KNeighborsClassifier"),
    "SGDClassifier": _estimator("linear_model", "SGDClassifier", random_state=0),
    "Perceptron": _estimator("linear_model", "Perceptron", random_state=0),
    "regressors": _regressors,
    "OneVsRestClassifier": _wrapped("multiclass", "OneVsRestClassifier"),
    "OneVsOneClassifier": _wrapped("multiclass", "OneVsOneClassifier"),
    "OutputCodeClassifier": _wrapped("multiclass", "OutputCodeClassifier", random_state=0),
    "MultiOutputClassifier": _wrapped("multioutput", "MultiOutputClassifier"),
    "VotingClassifier": _wrapped("ensemble", "VotingClassifier"),
    "StackingClassifier": _wrapped("ensemble", "StackingClassifier", cv=3),
    "CalibratedClassifierCV": _wrapped("calibration", "CalibratedClassifierCV", cv=3),
    "RFECV": _wrapped("feature_selection", "RFECV", cv=3),
    "SequentialFeatureSelector": lambda x, y, n_jobs: _selected(x, y, n_jobs),
    "GridSearchCV": _search("GridSearchCV"),
    "RandomizedSearchCV": _search("RandomizedSearchCV", n_iter=4, random_state=0),
    "HalvingGridSearchCV": _search("HalvingGridSearchCV", random_state=0),
    "cross_val_score": _validation("cross_val_score"),
    "cross_validate": _validation("cross_validate"),
    "cross_val_predict": _validation("cross_val_predict"),
    "learning_curve": _validation("learning_curve"),
    "validation_curve": _validation("validation_curve", param_name="max_depth", param_range=[2, 4]),
    "permutation_test_score": _validation("permutation_test_score", n_permutations=6, random_state=0),
    "permutation_importance": _importance,
    "unions and columns": _pipeline,
}


def _selected(x: Any, y: Any, n_jobs: int) -> Any:
    from sklearn.feature_selection import SequentialFeatureSelector
    from sklearn.tree import DecisionTreeClassifier

    tree = DecisionTreeClassifier(random_state=0)
    return SequentialFeatureSelector(tree, n_features_to_select=2, cv=3, n_jobs=n_jobs).fit(x, y).get_support()


@pytest.mark.parametrize("name", CASES)
@pytest.mark.filterwarnings("ignore")  # of scikit-learn's, which are the same with one job and with two
def test_two_jobs_give_what_one_gives(name: str) -> None:
    alone = fitted(name, 1)
    with joblib.parallel_config("alongside"):
        together = fitted(name, 2)
    np.testing.assert_equal(together, alone)
