"""The gate lets real text of any language pass, and stops scans, hidden OCR and ciphers."""

from __future__ import annotations

import io
from pathlib import Path

import pymupdf
import pytest
from PIL import Image

from folioscope.pipeline.decode.layer_quality import LayerFacts, classify_text_layer
from folioscope.pipeline.decode.text_layer import extract_text_layer

PROSE = {
    "en": "The committee met on Tuesday to consider the accounts of the harbour, which had been delayed by the illness of "
    "the treasurer. After a long discussion it was agreed that the dredging should go on through the winter, and that "
    "the lighthouse keeper be given a second assistant for the months of storm.",
    "de": "Der Ausschuss trat am Dienstag zusammen, um die Rechnungen des Hafens zu prüfen, die sich durch die Krankheit des "
    "Kassenwarts verzögert hatten. Nach langer Beratung wurde beschlossen, die Baggerarbeiten über den Winter "
    "fortzusetzen und dem Leuchtturmwärter einen zweiten Gehilfen zu geben.",
    "fr": "Le comité s'est réuni mardi pour examiner les comptes du port, retardés par la maladie du trésorier. Après une "
    "longue discussion, il fut convenu que le dragage continuerait tout l'hiver et que le gardien du phare recevrait un "
    "second aide pendant les mois de tempête.",
    "es": "El comité se reunió el martes para examinar las cuentas del puerto, retrasadas por la enfermedad del tesorero. Tras "
    "una larga discusión se acordó que el dragado continuara durante el invierno y que el farero tuviera un segundo "
    "ayudante en los meses de tormenta.",
    "pl": "Komitet zebrał się we wtorek, aby zbadać rachunki portu, opóźnione przez chorobę skarbnika. Po długiej dyskusji "
    "uzgodniono, że pogłębianie będzie trwało przez zimę, a latarnik otrzyma drugiego pomocnika na miesiące burz.",
    "ru": "Комитет собрался во вторник, чтобы рассмотреть счета порта, задержанные болезнью казначея. После долгого "
    "обсуждения было решено продолжать углубление дна всю зиму и дать смотрителю маяка второго помощника.",
    "zh": "委员会于星期二开会审议港口的账目，由于司库生病，账目有所延误。经过长时间的讨论，会议决定疏浚工程在整个冬季继续进行，"
    "并在风暴季节为灯塔看守人增派一名助手。会议还批准了明年的预算。",
    "ar": "اجتمعت اللجنة يوم الثلاثاء للنظر في حسابات الميناء التي تأخرت بسبب مرض أمين الصندوق وبعد نقاش طويل تم الاتفاق على "
    "أن يستمر التجريف طوال فصل الشتاء وأن يمنح حارس المنارة مساعدا ثانيا.",
}
NOT_PROSE = {
    "numbers": " ".join(f"{n * 37 % 1000}.{n % 10} {n}% {n * n}" for n in range(200)),
    "code": "def page_ranges(count, settled, size):\n    first = None\n    for page in range(1, count + 2):\n"
    "        if first is not None and page in settled:\n            yield first, page - 1\n            first = None\n"
    * 3,
    "names": "Millbridge Hythe Sallow Carrow Penny Dock Upper Alder Quay Street North Reach Tannery Lane Old Wharf "
    "Bishop's Meadow Long Acre Ferry Steps Mill Leat Fuller's Yard Gasworks Road Priory Field " * 2,
}


def shifted(text: str, by: int) -> str:
    """What a broken ToUnicode map makes of a text: each Latin letter some places on."""

    def move(char: str) -> str:
        base = ord("a") if "a" <= char <= "z" else ord("A") if "A" <= char <= "Z" else 0
        return chr((ord(char) - base + by) % 26 + base) if base else char

    return "".join(map(move, text))


def facts(text: str, hidden: int = 0, coverage: float = 0.0) -> LayerFacts:
    solid = sum(not c.isspace() for c in text)
    return LayerFacts(text, solid - hidden, hidden, coverage)


@pytest.mark.parametrize("language", PROSE)
def test_prose_of_any_language_passes_and_is_named(language: str) -> None:
    judgement = classify_text_layer(facts(PROSE[language]))
    assert (judgement.verdict, judgement.language) == ("usable", language)


@pytest.mark.parametrize("kind", NOT_PROSE)
def test_tables_code_and_names_pass(kind: str) -> None:
    assert classify_text_layer(facts(NOT_PROSE[kind])).verdict == "usable"


@pytest.mark.parametrize("language", ["en", "de", "fr", "es"])
@pytest.mark.parametrize("by", [1, 3, 13, 25])
def test_shifted_letters_are_a_cipher(language: str, by: int) -> None:
    assert classify_text_layer(facts(shifted(PROSE[language], by))).verdict == "garbled"


def test_characters_that_stand_for_nothing_are_garbled() -> None:
    assert classify_text_layer(facts("\ue001\ue002 readable \ue003\ue004\ufffd" * 20)).verdict == "garbled"
    assert classify_text_layer(facts(PROSE["en"] + " \uf0b7")).verdict == "usable", "one odd bullet is no reason"


def test_short_text_counts_where_nothing_else_is_there() -> None:
    assert classify_text_layer(facts("Chapter 1")).verdict == "usable"
    assert classify_text_layer(facts("Chapter 1", coverage=0.6)).verdict == "absent"
    assert classify_text_layer(facts("")).verdict == "absent"


def scan_with_hidden_words(words: str) -> pymupdf.Page:
    document = pymupdf.open()
    page = document.new_page()
    picture = io.BytesIO()
    Image.effect_noise((400, 560), 40).save(picture, "PNG")
    page.insert_image(page.rect, stream=picture.getvalue())
    page.insert_textbox(pymupdf.Rect(50, 50, 550, 800), words, fontsize=11, render_mode=3)
    return page


def test_invisible_text_over_a_scan_is_somebody_elses_ocr() -> None:
    layer = extract_text_layer(scan_with_hidden_words(PROSE["en"]), "fast")
    assert layer.verdict == "hidden_ocr"
    assert "harbour" in " ".join(block.text for block in layer.blocks), "kept for comparison"


def test_the_two_ciphers_of_the_corpus(corpus: Path) -> None:
    for name in ("doc/olmocr/dolma-page-1.pdf", "doc/pdf.js/TAMReview.pdf"):
        with pymupdf.open(corpus / name) as document:
            assert extract_text_layer(document[min(1, len(document) - 1)], "fast").verdict == "garbled"


def test_no_false_alarm_on_the_corpus(corpus: Path) -> None:
    alarms = []
    for path in sorted((corpus / "doc").rglob("*.pdf")):
        if path.name in ("dolma-page-1.pdf", "TAMReview.pdf"):
            continue
        with pymupdf.open(path) as document:
            if document.needs_pass:
                continue
            for page in list(document)[:3]:
                layer = extract_text_layer(page, "fast")
                if layer.verdict == "garbled":
                    alarms.append((path.name, page.number, layer.reason))
    assert alarms == []
