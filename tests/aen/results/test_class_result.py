from dataclasses import replace

import pytest

from aen.results.class_result import ClassResult, rank


@pytest.fixture
def result_of(spec, invent):
    def make(*accuracies, class_key="a", parameters=100):
        """A class with these validation accuracies; None: it failed on that seed."""
        return ClassResult(
            spec=spec,
            group="C4",
            evaluations=tuple(
                replace(
                    invent(spec.with_seed(seed)),
                    class_key=class_key,
                    status="failed" if accuracy is None else "ok",
                    validation_accuracy=accuracy or 0.0,
                    parameters=0 if accuracy is None else parameters,
                )
                for seed, accuracy in enumerate(accuracies)
            ),
        )

    return make


def test_seeds_that_failed_count_with_accuracy_0_and_are_named(result_of):
    found = result_of(None, 0.8, None, 0.4).row().to_json()
    assert found["failed_seeds"] == [0, 2]
    assert found["validation_accuracies"] == [0.0, 0.8, 0.0, 0.4]
    assert found["validation_accuracy_mean"] == pytest.approx(0.3)
    assert found["parameters"] == 100
    assert "failed_seeds" not in result_of(0.1, 0.2).row().to_json()


def test_a_class_that_failed_is_ranked_by_what_is_left_of_it(result_of):
    best, half, none = (
        result_of(0.5, 0.5, class_key="b"),
        result_of(0.9, None, class_key="a"),
        result_of(None, None, class_key="0", parameters=1),
    )
    assert rank([none, half, best]) == [best, half, none]


def test_at_equal_means_the_smaller_network_stands_first_though_a_seed_of_the_larger_failed(result_of):
    small = result_of(0.4, 0.4, class_key="b", parameters=10)
    large = result_of(None, 0.8, class_key="a", parameters=20)
    assert rank([large, small]) == [small, large]
