"""What each rule means and what to do about it, in words that need no facts of the VM."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from thresher.plan.catalogue.english import ENGLISH
from thresher.plan.catalogue.korean import KOREAN


class Language(StrEnum):
    """Languages of the catalogue, by their ISO 639-1 codes."""

    ENGLISH = "en"
    KOREAN = "ko"


@dataclass(frozen=True, slots=True)
class Text:
    """What people are told of a rule.

    Attributes:
        means: what it means.
        do: what to do.
    """

    means: str
    do: str


CATALOGUE: Mapping[Language, Mapping[str, tuple[str, str]]] = {Language.ENGLISH: ENGLISH, Language.KOREAN: KOREAN}
_OTHER = {
    Language.ENGLISH: ("Something is special about this VM.", "Read the message."),
    Language.KOREAN: ("이 VM에는 특이한 점이 있습니다.", "메시지를 읽어 보십시오."),
}
"""For what a source names by the reason of an error, whose message says all of it."""


def text(rule: str, language: Language = Language.ENGLISH) -> Text:
    """What a rule means and what to do; for one that is not in the catalogue, to read its message."""
    return Text(*CATALOGUE[language].get(rule, _OTHER[language]))
