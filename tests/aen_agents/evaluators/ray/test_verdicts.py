"""What is decided of units that failed: no child is forgotten, who is not at fault loses nothing, and it has an end."""

import pytest
from helpers.ray_trainers import specs
from hypothesis import given
from hypothesis import strategies as st

from aen.evaluators.processes import WorkerError
from aen_agents.evaluators.ray import faults
from aen_agents.evaluators.ray.work_units import MOST_MICRO_BATCHES, WorkUnit

RETRIES = 2


def unit(count=1, first=0, **options):
    return WorkUnit(
        {spec.key: spec for spec in specs(count, first)}, "data", size=options.pop("size", count), **options
    )


def keys(units):
    return [key for one in units for key in one.specs]


def raised(one, fault):
    return faults.raised(one, fault, "Traceback\nZeroDivisionError: no", seconds=1.5, worker=3, retries=RETRIES)


def died(*units):
    return faults.died(units, "it was killed", seconds=1.5, retries=RETRIES)


def overdue(*units, seconds, behind=False, timeout=None):
    return faults.overdue(units, seconds=seconds, behind=behind, timeout=timeout)


class TestRaised:
    def test_a_child_alone_is_tried_again_elsewhere_until_its_retries_are_used_up(self):
        verdict, workers = raised(unit(), "error"), []
        while verdict.next_tries:
            (again,) = verdict.next_tries
            workers.append(again.shunned)
            verdict = raised(again, "error")
        assert workers == [3] * RETRIES
        assert (verdict.kind, verdict.unit.tries) == ("error", RETRIES)

    def test_what_is_the_specs_own_fault_is_given_up_as_an_error(self):
        verdict = raised(unit(), "invalid")
        assert (verdict.kind, list(verdict.next_tries)) == ("error", [])

    @pytest.mark.parametrize("fault", ["error", "invalid"])
    def test_of_a_population_each_is_tried_alone_at_nobodys_cost(self, fault):
        together = unit(3, size=4)
        verdict = raised(together, fault)
        assert verdict.kind == fault
        assert keys(verdict.next_tries) == list(together.specs)
        assert [(one.size, one.strikes, one.alone) for one in verdict.next_tries] == [(1, 0, True)] * 3

    def test_want_of_memory_takes_no_strikes_and_ends_with_the_smallest_parts(self):
        verdict, parts = raised(unit(strikes=RETRIES), "out_of_memory"), [1]
        while verdict.next_tries:
            (again,) = verdict.next_tries
            parts.append(again.micro_batches)
            verdict = raised(again, "out_of_memory")
        assert parts == [1, 2, 4, MOST_MICRO_BATCHES]
        assert (verdict.kind, verdict.unit.strikes) == ("out_of_memory", RETRIES)


class TestDied:
    def test_of_several_nobody_has_a_strike_and_all_go_alone(self):
        suspects = [unit(first=0, strikes=RETRIES), unit(2, first=5)]
        verdicts = died(*suspects)
        assert [verdict.unit for verdict in verdicts] == suspects
        for verdict in verdicts:
            (again,) = verdict.next_tries
            assert again.alone
            assert (again.specs, again.size, again.strikes) == (
                verdict.unit.specs,
                verdict.unit.size,
                verdict.unit.strikes,
            )

    def test_a_population_is_halved(self):
        (verdict,) = died(unit(8))
        assert [one.size for one in verdict.next_tries] == [4, 4]
        assert keys(verdict.next_tries) == list(verdict.unit.specs)

    @pytest.mark.parametrize("strikes", range(RETRIES + 1))
    def test_a_child_alone_has_a_strike_each_time(self, strikes):
        (verdict,) = died(unit(strikes=strikes))
        assert [one.strikes for one in verdict.next_tries] == ([strikes + 1] if strikes < RETRIES else [])


class TestOverdue:
    def test_a_child_that_takes_too_long_is_given_up(self):
        why, (verdict,) = overdue(unit(), seconds=5.1, timeout=5.0)
        assert why == "a child took longer than 5 s"
        assert (verdict.kind, list(verdict.next_tries)) == ("timeout", [])
        assert verdict.text == "it took longer than evaluator.timeout, 5 s"

    def test_a_population_has_the_time_of_all_its_children_then_each_its_own(self):
        assert overdue(unit(3), seconds=14.9, timeout=5.0) is None
        _, (verdict,) = overdue(unit(3), seconds=15.1, timeout=5.0)
        assert [one.size for one in verdict.next_tries] == [1, 1, 1]

    def test_of_several_each_goes_alone(self):
        units = [unit(first=first) for first in range(3)]
        _, verdicts = overdue(*units, seconds=5.1, timeout=5.0)
        assert [verdict.unit for verdict in verdicts] == units
        assert [(len(v.next_tries), v.next_tries[0].alone, v.next_tries[0].strikes) for v in verdicts] == [
            (1, True, 0)
        ] * 3

    def test_who_holds_up_others_goes_again_and_who_holds_up_nobody_goes_on(self):
        seconds = faults.HELD_UP_SECONDS + 1
        assert overdue(unit(), seconds=seconds) is None
        assert overdue(unit(), unit(first=1), seconds=faults.HELD_UP_SECONDS) is None
        why, (verdict,) = overdue(unit(), seconds=seconds, behind=True)
        assert why == f"a child delayed others for {seconds:.0f} s"
        assert len(verdict.next_tries) == 1
        _, verdicts = overdue(unit(), unit(first=1), seconds=seconds)
        assert all(len(verdict.next_tries) == 1 for verdict in verdicts)


FAULTS = ["error", "invalid", "out_of_memory", "died", "timeout"]


@given(st.integers(1, 5), st.data())
def test_whatever_happens_each_child_fails_once_in_the_end(count, data):
    waiting, given_up = [unit(count, size=8 if count > 1 else 1)], []
    while waiting:
        one = waiting.pop()
        fault = data.draw(st.sampled_from(FAULTS if one.alone else [*FAULTS, "died with others"]))
        if fault == "timeout":
            _, (verdict,) = overdue(one, seconds=1e9, timeout=1.0)
        elif fault == "died":
            (verdict,) = died(one)
        elif fault == "died with others":
            verdict, _ = died(one, unit(first=900))
        else:
            verdict = raised(one, fault)
        if verdict.next_tries:
            assert keys(verdict.next_tries) == list(one.specs)
            assert all(again.tries == one.tries + 1 for again in verdict.next_tries)
            waiting += verdict.next_tries
        else:
            given_up += faults.failures(verdict, device="cpu", threads=1)
    assert sorted(evaluation.key for evaluation, _ in given_up) == sorted(spec.key for spec in specs(count))


def test_failures_are_results_that_say_why():
    verdict = faults.Verdict(unit(2, tries=3), "died", "x" * 30_000 + "the end", 2)
    for (evaluation, spec), expected in zip(faults.failures(verdict, device="cuda", threads=4), specs(2), strict=True):
        assert spec == expected
        assert (evaluation.key, evaluation.class_key, evaluation.seed) == (spec.key, spec.class_key, spec.seed)
        assert (evaluation.status, evaluation.seconds, evaluation.population) == ("failed", 2.0, 2)
        assert (evaluation.device, evaluation.threads) == ("cuda", 4)
        failure = evaluation.record["failure"]
        assert (failure["kind"], failure["tries"], len(failure["traceback"])) == ("died", 4, 20_000)
        assert failure["traceback"].endswith("the end")


def test_the_first_may_fail_but_not_too_many():
    ((last, _),) = faults.failures(raised(unit(strikes=RETRIES), "error"), device="cpu", threads=1)
    faults.check_first(faults.FAILURES_AT_FIRST - 1, last)
    with pytest.raises(WorkerError, match="each of the first 10 children failed; the last one: ZeroDivisionError: no"):
        faults.check_first(faults.FAILURES_AT_FIRST, last)


def test_users_are_told_the_last_line_without_colours():
    error = faults.as_aen_error(RuntimeError("first\n\x1b[31mlast\x1b[0m"))
    assert str(error) == "the evaluator failed: last"
    assert faults.as_aen_error(error) is error
    assert faults.text_of(KeyError()) == "KeyError: KeyError"
