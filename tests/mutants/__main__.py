"""
Plant each fault on file in a throw-away copy, run the tests that are to notice it, and say whether they did.

Before that the same tests run without any fault: one that fails then can notice nothing. What became of each
is noted in `test-results/`, so that a run can be resumed, or done in pieces.
"""

import argparse
import queue
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence

from tests.mutants.bed import Bed
from tests.mutants.mutant import Mutant, load
from tests.mutants.notes import Notes
from tests.mutants.trial import judge, learn

#: So many faults' tests run unharmed in one go before they are planted.
_BATCH = 12
#: What is not tried again when a run is resumed.
_SETTLED = {"killed", "explained", "survived"}


class Run:
    """Some faults, each tried once, until its time is up."""

    def __init__(self, mutants: Sequence[Mutant], notes: Notes, until: float) -> None:
        self._all, self._notes, self._until = mutants, notes, until
        self._batches: queue.SimpleQueue[Sequence[Mutant]] = queue.SimpleQueue()
        for at in range(0, len(mutants), _BATCH):
            self._batches.put(mutants[at : at + _BATCH])
        self._tried = 0
        self._lock = threading.Lock()

    def work(self, jobs: int) -> None:
        """In so many copies at once."""
        workers = [threading.Thread(target=self._work) for _ in range(jobs)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()

    def _is_over(self) -> bool:
        return time.monotonic() > self._until

    def _work(self) -> None:
        with Bed() as bed:
            while not self._is_over():
                try:
                    batch = self._batches.get_nowait()
                except queue.Empty:
                    return
                unknown = {t for m in batch for t in m.tests if self._notes.seconds(t) is None}
                if said := learn(bed, self._notes, sorted(unknown)):
                    print(f"without any fault:\n{said}", flush=True)
                for mutant in batch:
                    if self._is_over():
                        return
                    self._try(bed, mutant)

    def _try(self, bed: Bed, mutant: Mutant) -> None:
        outcome = judge(bed, self._notes, mutant)
        with self._lock:
            self._tried += 1
            self._notes.add(mutant, *outcome)
        word, more, _ = outcome
        print(f"{self._tried:3}/{len(self._all)} {word:14} {mutant.name:48} {more}", flush=True)


def main() -> None:
    """Exits with 1 when a fault survives that has no reason to, cannot be planted or was not tried."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument(
        "--only", default=[""], nargs="+", help="those whose name, module or test has one of these"
    )
    parser.add_argument("--resume", action="store_true", help="go on with what earlier runs have noted")
    parser.add_argument("--again", default=[], nargs="+", help="with --resume: what came to these ends, too")
    parser.add_argument("--jobs", type=int, default=1, help="copies that work at once")
    parser.add_argument("--for", dest="seconds", type=float, default=float("inf"), help="begin no more after")
    parser.add_argument("--list", action="store_true", help="only name them, with what is noted")
    options = parser.parse_args()
    mutants = [each for each in load() if any(word in each.known_by for word in options.only)]
    notes = Notes(resume=options.resume or options.list)
    if options.list:
        for mutant in mutants:
            print(f"{notes.word(mutant):14} {mutant.at:44} {mutant.name}: {mutant.breaks}")
        return
    settled = _SETTLED - set(options.again)
    left = [mutant for mutant in mutants if notes.word(mutant) not in settled]
    run = Run(left, notes, time.monotonic() + options.seconds)
    run.work(options.jobs)
    counts = Counter(notes.word(mutant) or "not-tried" for mutant in mutants)
    killed, planted = counts["killed"], len(mutants)
    print(f"{killed} of {planted} killed ({killed / max(1, planted):.0%})", dict(counts))
    sys.exit(bool(planted - killed - counts["explained"]))


if __name__ == "__main__":
    main()
