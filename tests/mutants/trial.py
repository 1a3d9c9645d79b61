"""
One fault planted, and judged.

A test that fails has noticed the fault, unless it failed for want of time: then it runs again unharmed, on a
machine as busy, and where it fails there too, or takes half of the time there was, nothing is known.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

from tests.mutants.bed import Bed
from tests.mutants.mutant import DoesNotApply, Mutant
from tests.mutants.notes import Notes

#: What tests may take with a fault: so many times what they take unharmed, and no less than the seconds.
_PATIENCE, _AT_LEAST_S = 4.0, 20.0
_OF_TIME = re.compile(r"not within [\d.]+ s|time-?out|timed out", re.IGNORECASE)


class Outcome(NamedTuple):
    """One word for what became of a fault, what there is to say, and which test has noticed it."""

    word: str
    more: str
    by: str = ""


def learn(bed: Bed, notes: Notes, tests: Sequence[str]) -> str:
    """Run *tests* unharmed, and note what those that pass take; gives what is wrong with the others."""
    if not tests:
        return ""
    verdict = bed.run(tests, _AT_LEAST_S * (3 + len(tests)), first=False)
    if verdict.kind in {"late", "broken"}:
        return verdict.output[-4000:]
    for test in tests:
        mine = [ran for ran in verdict.ran if _is_of(ran.test, test)]
        if mine and not any(ran.failure for ran in mine):
            notes.passed(test, sum(ran.seconds for ran in mine))
    return "\n".join(f"{ran.test}: {ran.failure[-2000:]}" for ran in verdict.failed)


def judge(bed: Bed, notes: Notes, mutant: Mutant) -> Outcome:
    """Plant *mutant*, and run its tests, the fastest first, up to one that fails."""
    seconds = {test: known for test in mutant.tests if (known := notes.seconds(test)) is not None}
    if not seconds:
        return Outcome("not-run", "its tests fail without it")
    tests = sorted(seconds, key=lambda test: seconds[test])
    limit_s = max(_AT_LEAST_S, _PATIENCE * sum(seconds.values()))
    try:
        with bed.planted(mutant):
            verdict = bed.run(tests, limit_s)
    except DoesNotApply as error:
        return Outcome("does-not-apply", str(error))
    took = f"{verdict.seconds:.0f} s"
    if verdict.kind == "broken":
        return Outcome("not-run", verdict.output[-2000:])
    if verdict.kind == "passed":
        word = "survived" if mutant.survives is None else "explained"
        return Outcome(word, f"{took}; {mutant.survives or 'breaks ' + mutant.breaks}")
    by = verdict.failed[0].test.partition("[")[0] if verdict.failed else ""
    if by and not _OF_TIME.search(verdict.failed[0].failure.partition("\n")[0]):
        return Outcome("killed", took, by)
    again = bed.run([test for test in tests if _is_of(by, test)] or tests, limit_s)
    said = f"{took} up to a time-out, unharmed {again.seconds:.0f} s"
    if again.kind == "passed" and again.seconds < limit_s / 2:
        return Outcome("killed", said, by)
    return Outcome("unclear", f"{said}: {again.kind}", by)


def _is_of(test: str, entry: str) -> bool:
    """Whether *entry* of a fault's tests, a file or a test of it, means *test*."""
    file, _, name = entry.partition("::")
    its_file, _, its_name = test.partition("::")
    if not file.endswith(".py"):
        return its_file == file
    return its_file == file and name in {"", its_name, its_name.partition("[")[0]}
