"""Text, cut into sentences to be spoken: nothing is left out, and no cut on the way changes a sentence."""

import re
import time
from itertools import pairwise

import pytest

from tests.kit.texts import texts
from worker.speech.sentences import MOST_CHARS, Sentence, Sentences

_BITS = [
    *("Dr. Smith ", "e.g. this ", "3.14", " at 5 p.m. ", "Hello. ", "Why?! ", "Well... ", "U.S. troops "),
    *(
        "J. R. ",
        "No. 5 ",
        "你好。",
        "是吗？！”",
        "版本 2.0。",
        "你好.世界",
        "用 Python 写。",
        "…",
        "；",
        "」",
    ),
    *("```py\nx. y\n```\n", "~~~\n", "| a | b |\n|---|---|\n| 1. | 2 |\n", "\n\n", "\n", " \n", "1. one\n"),
    *("- two\n", "# Head\n", "> q\n", "**bold.** ", "[see. this](http://x.y/z.) ", "![a](b) ", "`a. b` "),
    *("https://x.org/a.b?c. ", "\\* ", "---\n", "  ", "🙂 ", "<b>x</b>"),
]
_ALPHABET = ".!?…。！？ \n\t\"'”)*_`#-1aA你"
_EXAMPLES = [("a.m. ", [[4]]), ("1. one. Two", [[1, 2]]), ("你好。” 是", [[3, 4]])]


def cut(text: str, at: list[int]) -> list[Sentence]:
    """Its sentences, when it comes cut at these places."""
    sentences, found = Sentences(), []
    for begin, end in pairwise([0, *sorted(place % (len(text) + 1) for place in at), len(text)]):
        found += sentences.feed(text[begin:end])
    return [*found, *sentences.finish()]


def said(text: str) -> list[str]:
    """What is spoken of it."""
    return [sentence.spoken for sentence in cut(text, []) if sentence.spoken]


def test_cut_anywhere() -> None:
    """Of a thousand texts the same sentences however they come; their places tile the text."""
    for text, cuts in [*_EXAMPLES, *texts(_BITS, _ALPHABET, ["", "\r\n"])]:
        whole = cut(text, [])
        for at in cuts:
            assert cut(text, at) == whole, (text, at)
        places = [0, *(sentence.end for sentence in whole)]
        assert [sentence.start for sentence in whole] == places[:-1], text
        assert places[-1] == len(text), text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello there. How are you? Fine!", ["Hello there.", "How are you?", "Fine!"]),
        (
            "Dr. Smith met Mr. J. R. Jones at 5 p.m. on Monday. He left.",
            ["Dr. Smith met Mr. J. R. Jones at 5 p.m. on Monday.", "He left."],
        ),
        (
            "It costs 3.14 euros, e.g. in v1.2 of example.com. Yes.",
            ["It costs 3.14 euros, e.g. in v1.2 of example.com.", "Yes."],
        ),
        ("We sell pens, paper, etc. They are cheap.", ["We sell pens, paper, etc.", "They are cheap."]),
        ("Wait... what? So do I. Right.", ["Wait... what?", "So do I.", "Right."]),
        (
            "你好。今天是 2.5 度吗？是的！“好。”他说。",
            ["你好。", "今天是 2.5 度吗？", "是的！", "“好。”", "他说。"],
        ),
        ("He said “Stop.” Then (really!) he left.", ["He said “Stop.”", "Then (really!) he left."]),
        (
            "# A title\nSome text that\ngoes on. No list: - x",
            ["A title", "Some text that goes on.", "No list: - x"],
        ),
        ("Take:\n- one\n* two\n1. three\n2. four", ["Take:", "one", "two", "1. three", "2. four"]),
        (
            "A **bold** and _soft_ word, `f(x)`, 2*3 and ~~no~~ snake_case.",
            ["A bold and soft word, f(x), 2*3 and no snake case."],
        ),
        ("See [the docs](https://x.org/a.b) or https://www.y.org/c?d=1.", ["See the docs or y.org."]),
        (
            "Before.\n```python\nprint('x. y')\n```\nAfter.",
            ["Before.", "Here is some python code.", "After."],
        ),
        ("看代码：\n```\nx\n```\n完。", ["看代码：", "这里有一段代码。", "完。"]),
        ("| Name | Price |\n|---|---|\n| Tea | 2.50 |\n\nDone.", ["Here is a table: Name, Price.", "Done."]),
        ("Good 🙂 &amp; fine <br> now.\n\n---\n\n", ["Good & fine now."]),
        ("一行\n没有句号\n\n另一段", ["一行没有句号", "另一段"]),
        ("So $$x^2$$ is a square.", ["So formula is a square."]),
        ("请看https://x.org/a?b=1，这里有说明。", ["请看x.org，这里有说明。"]),
        ("（见 https://x.org/a）好（https://y.org/b）。", ["（见 x.org）好（y.org）。"]),
        ("नमस्ते दुनिया। कैसे हो?", ["नमस्ते दुनिया।", "कैसे हो?"]),
        ("كيف حالك؟ أنا بخير.", ["كيف حالك؟", "أنا بخير."]),
    ],
)
def test_what_is_said(text: str, expected: list[str]) -> None:
    """Abbreviations, numbers, quotes, both punctuations, and nothing of what is for the eye alone."""
    assert said(text) == expected


def test_a_sentence_is_told_as_soon_as_it_ends() -> None:
    """Nothing is waited for but what could still change it."""
    sentences = Sentences()
    assert sentences.feed("Hello there") == []
    assert sentences.feed(".") == []
    assert [it.spoken for it in sentences.feed(" ")] == ["Hello there."]
    assert [it.spoken for it in sentences.feed("你好。再")] == ["你好。"]


@pytest.mark.parametrize(
    "bit", [". ", "1. ", "![a](", "\\[", "[^", "a ", "| \\[", "a\n", "mr. ", "https://x"]
)
def test_a_long_text_of_anything(bit: str) -> None:
    """Takes no time that grows with its square."""
    begun, text = time.process_time(), (bit * 16_000)[:16_000]
    assert cut(text, list(range(0, len(text), 1000)))[-1].end == len(text)
    assert time.process_time() - begun < 4, "it takes 0.1 to 0.5 s"


def test_a_table_of_a_thousand_columns() -> None:
    """Nobody listens to all their names."""
    [told] = said("| " + "name | " * 1000 + "\n" + "|-" * 1000 + "|\n| 1 |\n")
    assert told == f"Here is a table: {', '.join(['name'] * 12)}."


def test_without_an_end() -> None:
    """What never ends is cut between words."""
    found = said("word " * 1000)
    assert all(len(words) <= MOST_CHARS for words in found)
    assert " ".join(found) == ("word " * 1000).strip()


@pytest.mark.parametrize(
    "address", ["https://x.org/?q=" + "a%20" * 400, "data:image/png;base64," + "iVBO" * 900]
)
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("See [the link]({}). Fine.", ["See the link.", "Fine."]),
        ("It is seen in ![a picture]({}) here.", ["It is seen in a picture", "here."]),
    ],
)
def test_an_address_longer_than_a_sentence(address: str, text: str, expected: list[str]) -> None:
    """Nobody listens to its letters, of which none is said, however it comes."""
    text = text.format(address)
    found = cut(text, list(range(0, len(text), 50)))
    assert found == cut(text, [])
    words = " ".join(sentence.spoken for sentence in found)
    assert re.sub(r"\W+", " ", words) == re.sub(r"\W+", " ", " ".join(expected))


def test_digits_are_long_to_say() -> None:
    """A sentence of them is cut sooner: one process makes the sound for everybody, one after another."""
    assert max(len(words) for words in said("1234567 " * 100)) < MOST_CHARS // 3


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("What is the time?", "en"),
        ("今天天气很好。", "zh"),
        ("用 Python 写代码。", "zh"),
        ("The word 你 means you, and it is common in Chinese.", "en"),
        ("Das ist nicht der Weg, den ich gehe.", "de"),
        ("Où est la gare ? C'est dans le centre, avec vous.", "fr"),
        ("Привет, как дела?", "ru"),
        ("これはペンです。", "ja"),
        ("ภาษาไทย", "th"),
        ("বাংলা ভাষা", "bn"),
        ("این زبان پارسی است", "fa"),
        ("مرحبا بالعالم", "ar"),
        ("Hmm.", "en"),
    ],
)
def test_language(text: str, language: str) -> None:
    """A voice is chosen by the language of each sentence."""
    assert cut(text, [])[-1].language == language
