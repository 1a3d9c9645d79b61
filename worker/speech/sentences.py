"""
Text as it comes, cut into the sentences that are spoken one by one, each with its place in the text.

Places tile the text: each sentence begins where the one before ended, and the last ends with the text. Where
a sentence ends depends on the text alone, never on how that was cut on its way. Code and tables are told of
in a few words and passed over.
"""

import re

import msgspec

from shared.segmenter import Piece, Segmenter
from worker.speech import wording
from worker.speech.language import language_of

#: A longer sentence is cut, between two clauses or words if it has any.
MOST_CHARS = 400
#: Characters of an address within one: of what is longer, letters are spoken.
_MOST_ADDRESS = 10_000
#: White space that is looked through, to see what follows.
_MOST_SPACE = 200

#: As much as takes so long to say as `MOST_CHARS` letters: a digit is a word.
_REACH = re.compile(rf"(?:\d|\D{{1,4}}){{0,{MOST_CHARS // 4}}}")
_FULL_STOPS = "。！？｡；।॥؟۔"
_MARK = re.compile(rf"\n|[.!?…]+|[{_FULL_STOPS}]+")
_CLOSERS = frozenset("\"'”’»)]}」』）】》〉*_~`.!?…。！？｡")
_WIDE = re.compile(r"[\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef]")
_LIST_NUMBER = re.compile(r"[\s>]*\d{1,9}")
_HEADING = re.compile(r"[ \t>]*#{1,6}[ \t]")
_BLOCK = re.compile(r"#{1,6}[ \t]|[-*+][ \t]|\d{1,9}[.)][ \t]|>|[-*_=](?:[ \t]*[-*_=]){2}")
_MAY_BE_BLOCK = re.compile(r"#{1,6}|[-*+_= \t]+|\d{1,9}[.)]?")
_WORD = re.compile(r"[^\s(\[{\"'“‘«*_~`]*$")
_CLAUSE = re.compile(r"[,;:，、；：)）][ ]?")
_SPACE = re.compile(r"\s")
_INITIALS = re.compile(r"(?:[^\W\d_]\.)+[^\W\d_]")

#: After these a sentence goes on.
_TITLES = """mr mrs ms mx dr prof rev hon st gen col capt lt sgt sen rep gov fig figs eq eqs vol vs cf e.g i.e
 viz al nos pp approx ca hr fr hrsg bzw z.b d.h u.a s.o m.e mme mlle"""
#: After these it does unless the next word begins with a capital.
_SHORT = """etc inc ltd co corp jr sr a.m p.m no ed eds est dept univ jan feb mar apr jun jul aug sep sept oct
 nov dec mon tue wed thu fri sat sun ave blvd rd mt ft min sec max usw"""
_NEVER_LAST, _SELDOM_LAST = frozenset(_TITLES.split()), frozenset(_SHORT.split())


class Sentence(msgspec.Struct, frozen=True):
    """
    A sentence from character *start* to before *end* of the text, with white space before it, and what is
    said of it in which language. Where nothing is, it is passed over in silence.
    """

    start: int
    end: int
    spoken: str
    language: str


class Sentences:
    """`feed` it the text in order, then `finish`."""

    def __init__(self, language: str = "en") -> None:
        """*language* is that of text which does not tell."""
        self._segmenter = Segmenter()
        self._language = language
        self._found: list[Sentence] = []
        #: Text of which the end of a sentence is not certain yet, and where in the text it begins.
        self._held = ""
        self._at = 0
        #: What is passed over since then.
        self._passed = 0
        self._begins_line = True
        self._in_fence = self._in_table = False

    def feed(self, text: str) -> list[Sentence]:
        """The sentences that are certain now."""
        return self._take(self._segmenter.feed(text), final=False)

    def finish(self) -> list[Sentence]:
        """The rest: nothing more comes."""
        return self._take(self._segmenter.finish(), final=True)

    def _take(self, pieces: list[Piece], *, final: bool) -> list[Sentence]:
        for piece in pieces:
            if piece.kind == "table":
                self._table(piece)
            elif piece.kind == "code":
                self._pass_over(piece.content)
            elif piece.data is not None and piece.data.markup:
                for line in piece.content.splitlines(keepends=True):
                    self._fence(line)
            else:
                self._end_passage()
                self._held += piece.content
                self._cut(final=False)
        if final:
            self._end_passage()
            self._cut(final=True)
        found, self._found = self._found, []
        return found

    # -- what is told of ---------------------------------------------------------------------------------

    def _fence(self, line: str) -> None:
        if self._in_fence:
            self._pass_over(line)
            self._in_fence = False
            return
        self._end_passage()
        self._cut(final=True)
        words = line.strip().lstrip("`~-*+>0123456789.) \t").split(maxsplit=1)
        name = words[0].strip("{}.") if words else ""
        self._say(len(line), wording.code(name, self._language))
        self._in_fence = True

    def _table(self, piece: Piece) -> None:
        rows = piece.data.table_data if piece.data else None
        content = piece.content
        if not self._in_table:
            self._end_passage()
            self._cut(final=True)
            head = content.find("\n", content.find("\n") + 1) + 1 or len(content)
            self._language = language_of(" ".join(rows[0])[:MOST_CHARS] if rows else "", self._language)
            self._say(head, wording.table(rows[0] if rows else [], self._language))
            content = content[head:]
            self._in_table = True
        self._pass_over(content)

    def _pass_over(self, content: str) -> None:
        self._passed += len(content)

    def _end_passage(self) -> None:
        self._in_table = False
        if self._passed:
            passed, self._passed = self._passed, 0
            self._say(passed, "")
            self._begins_line = True

    # -- prose -------------------------------------------------------------------------------------------

    def _cut(self, *, final: bool) -> None:
        while self._held:
            length = _sentence(self._held, self._begins_line, final)
            if not length:
                return
            raw, self._held = self._held[:length], self._held[length:]
            self._begins_line = raw.rstrip(" \t").endswith("\n")
            self._language = language_of(wording.spoken(raw), self._language)
            self._say(length, wording.spoken(raw, self._language))

    def _say(self, length: int, words: str) -> None:
        self._found.append(Sentence(self._at, self._at + length, words, self._language))
        self._at += length


def _sentence(text: str, begins_line: bool, final: bool) -> int:
    """How long the first sentence of *text* is; 0 when more must come to tell."""
    at = len(text) - len(text.lstrip())
    if at == len(text):
        return at if final or at > MOST_CHARS else 0
    begins_line = begins_line or "\n" in text[:at]
    reach = _REACH.match(text, at)
    beyond, begin = reach.end() if reach else at, at
    while (mark := _MARK.search(text, begin)) and mark.start() < beyond:
        begin = mark.end()
        if mark.group() == "\n":
            ends = _line_ends(text, mark.start(), at if begins_line else None, final)
        else:
            while begin < len(text) and text[begin] in _CLOSERS:
                begin += 1
            if begin == len(text):
                return begin if final else 0
            ends = _stops(text, at, mark, begin, begins_line, final)
        if ends is None:
            return 0
        if ends:
            return begin
    if len(text) > beyond:
        return _forced(text, at, beyond, final)
    return len(text) if final else 0


def _line_ends(text: str, at: int, first: int | None, final: bool) -> bool | None:
    """
    Whether a sentence ends with the line that ends at *at*; None when more must come to tell. *first* is
    where the first line begins, if what is looked at begins one.
    """
    begins = text.rfind("\n", 0, at) + 1 or first
    if begins is not None and _HEADING.match(text, begins, at + 1):
        return True
    if text[:at].endswith(("  ", "\\")):
        return True
    below = text[at + 1 :].lstrip(" \t\r")
    if not below:
        return True if final or len(text) - at > _MOST_SPACE else None
    if below[0] == "\n" or _BLOCK.match(below):
        return True
    return None if not final and _MAY_BE_BLOCK.fullmatch(below) else False


def _stops(text: str, at: int, mark: re.Match[str], end: int, begins_line: bool, final: bool) -> bool | None:
    """Whether the sentence from *at* ends with *mark*, and the quotes after it up to *end*."""
    stop, following = mark.group(), text[end]
    if stop[0] in _FULL_STOPS:
        return True
    before = text[mark.start() - 1 : mark.start()]
    if not following.isspace():
        return bool(_WIDE.match(following)) and ("." not in stop or bool(_WIDE.match(before)))
    if end > mark.end() or (stop.strip(".") and not stop.strip(".…")):
        return _begins_anew(text, end, final)
    if stop.strip("."):
        return True
    if begins_line and stop == "." and _LIST_NUMBER.fullmatch(text[at : mark.start()]):
        return False
    if len(stop) > 1:
        return _begins_anew(text, end, final)
    found = _WORD.search(text, max(at, mark.start() - 40), mark.start())
    word = found.group() if found else ""
    if word.lower() in _NEVER_LAST:
        return False
    if len(word) == 1 and word.isupper() and word.isascii() and word != "I":
        return False
    if word.lower() in _SELDOM_LAST or _INITIALS.fullmatch(word):
        return _begins_anew(text, end, final)
    return True


def _begins_anew(text: str, at: int, final: bool) -> bool | None:
    """Whether a new sentence begins after the white space at *at*: not with a small letter, or a number."""
    rest = text[at : at + _MOST_SPACE].lstrip()
    if not rest:
        return True if final or len(text) - at >= _MOST_SPACE else None
    return not (rest[0].islower() or rest[0].isdigit())


def _forced(text: str, at: int, most: int, final: bool) -> int:
    """
    Where a sentence without an end is cut: after its last clause or word before *most*, or after an address
    that reaches beyond; 0 when more must come to tell.
    """
    addresses = [found.span() for found in wording.ADDRESS.finditer(text, at) if found.start() < most]
    for between in (_CLAUSE, _SPACE):
        last = at
        for found in between.finditer(text, at + (most - at) // 4, most):
            if not any(begin <= found.start() < end for begin, end in addresses):
                last = found.end()
        if last > at:
            return last
    begin, end = addresses[-1] if addresses else (most, most)
    if end == len(text) and not final and end - begin < _MOST_ADDRESS:
        return 0
    return min(max(most, end), max(most, begin + _MOST_ADDRESS))
