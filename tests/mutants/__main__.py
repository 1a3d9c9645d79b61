"""
Plant each fault on file in a throw-away copy, run the tests that are to notice it, and say whether they did.

Before that the same tests run without any fault: one that fails then can notice nothing. What became of each
is noted in `test-results/mutants.jsonl`, so that a run that was ended can be resumed.
"""

import argparse
import hashlib
import queue
import sys
import threading
from collections import Counter
from collections.abc import Sequence

import msgspec

from tests.mutants.bed import Bed
from tests.mutants.mutant import ROOT, DoesNotApply, Mutant, load

_LIMIT_S = 180.0
_NOTES = ROOT / "test-results" / "mutants.jsonl"


class Note(msgspec.Struct, frozen=True):
    """What became of one fault; *print* is that of its entry, which may have been sharpened since."""

    name: str
    print: str
    word: str
    more: str


def fingerprint(mutant: Mutant) -> str:
    """Another for every other entry."""
    return hashlib.sha256(msgspec.json.encode(mutant)).hexdigest()[:16]


def noted() -> dict[str, Note]:
    """What is known of earlier runs, the last by each fingerprint."""
    lines = _NOTES.read_bytes().splitlines() if _NOTES.exists() else []
    notes = [msgspec.json.decode(line, type=Note) for line in lines]
    return {note.print: note for note in notes}


def outcome(bed: Bed, mutant: Mutant, limit_s: float) -> tuple[str, str]:
    """One word for what became of it, and what there is to say."""
    try:
        with bed.planted(mutant):
            verdict = bed.run(mutant.tests, limit_s)
    except DoesNotApply as error:
        return "does-not-apply", str(error)
    seconds = f"{verdict.seconds:.0f} s"
    match verdict.kind:
        case "failed":
            return "killed", seconds
        case "late":
            return "killed", f"{seconds}, for they did not end"
        case "passed":
            return "survived", f"{seconds}; {mutant.survives or 'breaks ' + mutant.breaks}"
    return "not-run", verdict.output[-2000:]


def tests_without_faults(bed: Bed, mutants: Sequence[Mutant], limit_s: float) -> str:
    """What fails although nothing is planted; empty if nothing does."""
    tests = sorted({test for mutant in mutants for test in mutant.tests})
    verdict = bed.run(tests, limit_s * len(tests))
    return "" if verdict.kind == "passed" else verdict.output[-4000:]


def run_all(mutants: Sequence[Mutant], jobs: int, limit_s: float) -> Counter[str]:
    """Each once, *jobs* at a time, and noted; gives how many came to which end, explained survivors apart."""
    _NOTES.parent.mkdir(exist_ok=True)
    waiting: queue.SimpleQueue[Mutant] = queue.SimpleQueue()
    for mutant in mutants:
        waiting.put(mutant)
    counts: Counter[str] = Counter()

    def work() -> None:
        with Bed() as bed:
            while True:
                try:
                    mutant = waiting.get_nowait()
                except queue.Empty:
                    return
                word, more = outcome(bed, mutant, limit_s)
                if word == "survived" and mutant.survives is not None:
                    word = "explained"
                counts[word] += 1
                print(f"{counts.total():3}/{len(mutants)} {word:14} {mutant.name:48} {more}", flush=True)
                note = Note(mutant.name, fingerprint(mutant), word, more)
                with _NOTES.open("ab") as notes:
                    notes.write(msgspec.json.encode(note) + b"\n")

    workers = [threading.Thread(target=work) for _ in range(jobs)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return counts


def main() -> None:
    """Exits with 1 when a fault survives that has no reason to, or cannot be planted."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument(
        "--only", default=[""], nargs="+", help="those whose name, module or test has one of these"
    )
    parser.add_argument("--resume", action="store_true", help="only those that no earlier run has killed")
    parser.add_argument("--jobs", type=int, default=1, help="copies that work at once")
    parser.add_argument("--limit", type=float, default=_LIMIT_S, help="seconds for the tests of one fault")
    parser.add_argument("--unchecked", action="store_true", help="do not run the tests without faults first")
    parser.add_argument("--list", action="store_true", help="only name them")
    options = parser.parse_args()
    mutants = [each for each in load() if any(word in each.known_by for word in options.only)]
    if options.list:
        for mutant in mutants:
            print(f"{mutant.at:44} {mutant.name}: {mutant.breaks}")
        return
    if options.resume:
        known = noted()
        done = [m for m in mutants if (note := known.get(fingerprint(m))) and note.word == "killed"]
        print(f"{len(done)} of {len(mutants)} were killed before")
        mutants = [mutant for mutant in mutants if mutant not in done]
    if not options.unchecked:
        with Bed() as bed:
            if said := tests_without_faults(bed, mutants, options.limit):
                sys.exit(f"without any fault:\n{said}")
    counts = run_all(mutants, options.jobs, options.limit)
    killed, planted = counts["killed"], len(mutants)
    print(f"{killed} of {planted} killed ({killed / max(1, planted):.0%})", dict(counts))
    sys.exit(bool(planted - killed - counts["explained"]))


if __name__ == "__main__":
    main()
