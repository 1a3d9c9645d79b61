"""Which language a sentence is in, as far as its letters and its small words tell."""

import re
from collections.abc import Iterator

_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")
_LATIN = re.compile(r"[A-Za-z\u00c0-\u024f]")
_WORD = re.compile(r"[^\W\d_]+")
#: A Chinese character says about as much as so many letters.
_LETTERS_A_CHARACTER = 3
#: Scripts that name their language, the more particular first.
_SCRIPTS = (
    ("ja", re.compile(r"[\u3040-\u30ff]")),
    ("ko", re.compile(r"[\uac00-\ud7af\u1100-\u11ff]")),
    ("uk", re.compile(r"[\u0404\u0406\u0407\u0454\u0456\u0457\u0490\u0491]")),
    ("ru", re.compile(r"[\u0400-\u04ff]")),
    ("el", re.compile(r"[\u0370-\u03ff]{2}")),
    ("he", re.compile(r"[\u0590-\u05ff]")),
    ("ur", re.compile(r"[\u0679\u0688\u0691\u06ba\u06d2]")),
    ("fa", re.compile(r"[\u067e\u0686\u0698\u06af]")),
    ("ar", re.compile(r"[\u0600-\u06ff]")),
    ("hi", re.compile(r"[\u0900-\u097f]")),
    ("bn", re.compile(r"[\u0980-\u09ff]")),
    ("pa", re.compile(r"[\u0a00-\u0a7f]")),
    ("gu", re.compile(r"[\u0a80-\u0aff]")),
    ("or", re.compile(r"[\u0b00-\u0b7f]")),
    ("ta", re.compile(r"[\u0b80-\u0bff]")),
    ("te", re.compile(r"[\u0c00-\u0c7f]")),
    ("kn", re.compile(r"[\u0c80-\u0cff]")),
    ("ml", re.compile(r"[\u0d00-\u0d7f]")),
    ("si", re.compile(r"[\u0d80-\u0dff]")),
    ("th", re.compile(r"[\u0e00-\u0e7f]")),
    ("my", re.compile(r"[\u1000-\u109f]")),
    ("ka", re.compile(r"[\u10a0-\u10ff]")),
    ("am", re.compile(r"[\u1200-\u137f]")),
    ("hy", re.compile(r"[\u0530-\u058f]")),
)
_OTHER = "|".join(script.pattern for _, script in (*_SCRIPTS, ("zh", _HAN)))
#: From a letter of another script to the last before one of ours, or a number.
_FOREIGN = re.compile(rf"(?:{_OTHER})(?:[^{_LATIN.pattern[1:-1]}0-9]*(?:{_OTHER}))?")
#: Words that hardly a sentence is without, and that the others do not have.
_SMALL_WORDS = {
    "en": "the and is are was of to you that this with for have not it what how can will from they your",
    "de": "der die das und ist nicht ein eine mit auf für sich den dem werden auch wird sind ich sie",
    "fr": "le les des est une dans pour que qui avec vous nous sont cette sur ce pas du et je",
    "es": "el los las una para que con por está son como más pero esta muy del y usted es",
    "it": "il gli che una per non con sono della questo anche più nel è di lo ma",
    "pt": "o os uma para não com são você mais como isso pelo pela é do em ao",
    "nl": "het een van en niet dat zijn voor met ook worden deze naar bij wordt de ik",
}
_SPEAKERS = {
    word: [language for language, words in _SMALL_WORDS.items() if word in words.split()]
    for words in _SMALL_WORDS.values()
    for word in words.split()
}
#: So many small words more than of any other language are no accident.
_SURE = 2


def language_of(text: str, before: str = "en") -> str:
    """The language of *text*, such as `en` or `zh`; where it does not tell, that of what came *before*."""
    latin, han = len(_LATIN.findall(text)), len(_HAN.findall(text))
    for language, script in _SCRIPTS:
        if len(script.findall(text)) * _LETTERS_A_CHARACTER >= max(1, latin):
            return language
    if han and han * _LETTERS_A_CHARACTER >= latin:
        return "zh"
    if not latin:
        return before
    votes = dict.fromkeys(_SMALL_WORDS, 0)
    for word in _WORD.findall(text.lower()):
        for language in _SPEAKERS.get(word, ()):
            votes[language] += 1
    first, second = sorted(votes, key=lambda language: -votes[language])[:2]
    if votes[first] - votes[second] >= _SURE or (votes[first] and first == "en" and not votes[second]):
        return first
    return before if before in _SMALL_WORDS else "en"


def runs(text: str) -> Iterator[tuple[str, str]]:
    """*text* in its order, what is in another script apart: each with its language, '' for Latin."""
    begin = 0
    for found in _FOREIGN.finditer(text):
        yield "", text[begin : found.start()]
        yield language_of(found.group()), found.group()
        begin = found.end()
    yield "", text[begin:]
