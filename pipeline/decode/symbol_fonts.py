"""Fonts of signs (Wingdings, Webdings, Dingbats): which sign stands for which code, as Unicode 7 encodes them.

Their codes are those of letters: a ticked box would be read as "þ", an arrow as "à". Where Unicode has a plainer sign
that looks alike (☑ ☐ ✓ → ▪), that one is taken, since more fonts can show it. A look-up costs nothing to speak of.
"""

from __future__ import annotations

from functools import lru_cache

_FIRST = 0x21  # the code of the tables' first sign; a blank in them is no sign
_PRIVATE = 0xF000  # where files put such codes that say that they are no letters

_WINGDINGS = (
    "✎✂✁👓🕭🕮🕯☎✆✉🖃📪📫📬📭🗀🗁🗎🗏🗐🗄⌛🖮🖰🖲🖳🖴🖫🖬✇✍🖎✌🖏👍👎☜☞☝☟🖐☺😐☹💣🕱🏳🏱✈☼🌢❄🕆✞🕈✠"
    "✡☪☯🕉☸♈♉♊♋♌♍♎♏♐♑♒♓🙰🙵●🔾■□□❑❒🞟⧫◆❖⬩☒⮹⌘🏵🏶🙶🙷▯⓪➀➁➂➃➄➅➆➇➈➉⓿➊➋➌➍➎"
    "➏➐➑➒➓🙢🙠🙡🙣🙞🙜🙝🙟·•▪○○○◉◎○▪☐🟁🟅★🟋🟏🟓🟑⯐⌖⯎⯏⯑✪✰🕐🕑🕒🕓🕔🕕🕖🕗🕘🕙🕚🕛⮰⮱⮲⮳⮴⮵"
    "⮶⮷🙪🙫🙕🙔🙗🙖🙐🙑🙒🙓⌫⌦◀➢▲▼◀➲▲▼←→↑↓↖↗↙↘←→↑↓↖↗↙↘⇦⇨⇧⇩↔⇳⬁⬀⬃⬂🢬🢭✗✓☒☑"
)
_WINGDINGS_2 = (
    "🖊🖋🖌🖍✄✀🕾🕽🗅🗆🗇🗈🗉🗊🗋🗌🗍📋🗑🗔🖵🖶🖷🖸🖭🖯🖱🖒🖓🖘🖙🖚🖛👈👉🖜🖝🖞🖟🖠🖡👆👇🖢🖣🖑✗✓☒☑☒☒⮾⮿🛇⦸"
    "🙱🙴🙲🙳‽🙹🙺🙻🙦🙤🙥🙧🙚🙘🙙🙛⓪①②③④⑤⑥⑦⑧⑨⑩⓿❶❷❸❹❺❻❼❽❾❿ ☉🌕☽☾⸿✝🕇🕜🕝🕞🕟🕠🕡🕢🕣🕤🕥"
    "🕦🕧🙨🙩·🞄⦁●○○○○⊙⦿◉■◾■□□□□🞔▣🞕🞖🞗🞘⬩⬥◇🞚◈🞛🞜🞝🞞⬪⬧◊🞠◖◗⯊⯋⯀⯁⬟⯂⬣⬢⯃⯄🞡🞢🞣"
    "🞤🞥🞦🞧🞨🞩🞪🞫🞬🞭🞮🞯🞰🞱🞲🞳🞴🞵🞶🞷🞸🞹🞺🞻🞼🞽🞾🞿🟀🟂🟄🟆🟉🟊✶🟌🟎🟐🟒✹🟃🟇✯🟍🟔⯌⯍※⁂     "
)
_WINGDINGS_3 = (
    "←→↑↓↖↗↙↘⭰⭲⭱⭳⭶⭸⭻⭽↔↕⭪⭬⭫⭭⭍⮠⮡⮢⮣⮤⮥⮦⮧⮐⮑⮒⮓⮀⮃⭾⭿⮄⮆⮅⮇⮏⮍⮎⮌⭮⭯⎋⌤⌃⌥␣⍽⇪"
    "⮸🢠🢡🢢🢣🢤🢥🢦🢧🢨🢩🢪🢫←→↑↓↖↗↙↘↔↕▲▼△▽◀▶◁▷◣◢◤◥◂▸▴ ▾▲▼◀▶◀▶▲▼🠐🠒🠑🠓🠔🠖🠕🠗"
    "🠘🠚🠙🠛🠜🠞🠝🠟🠀🠂🠁🠃🠄🠆🠅🠇🠈🠊🠉🠋🠠🠢🠤🠦🠨🠪🠬🢜🢝🢞🢟🠮🠰🠲🠴🠶🠸🠺🠹🠻🢘🢚🢙🢛🠼🠾🠽🠿🡀🡂🡁🡃🡄🡆🡅🡇"
    "⮨⮩⮪⮫⮬⮭⮮⮯←→↑↓↖↗↙↘←→↑↓↖↗↙↘🢀🢂🢁🢃🢄🢅🢇🢆🢐🢒🢑🢓🢔🢖🢕🢗              "
)
_WEBDINGS = (
    "🕷🕸🕲🕶🏆🎖🖇🗨🗩🗰🗱🌶🎗🙾🙼🗕🗖🗗◀▶▲▼⏪⏩⏮⏭⏸■⏺🗚🗳🛠🏗🏘🏙🏚🏜🏭🏛🏠🏖🏝🛣🔍🏔👁👂🏞🏕🛤🏟🛳🕬🕫🕨🔈"
    "🎔🎕🗬🙽🗭🗪🗫⮔✔🚲□🛡📦🛱■🚑🛈🛩🛰🟈🕴●🛥🚔🗘🗙❓🛲🚇🚍⛳⦸⊖🚭🗮⏐🗯🗲 🚹🚺🛉🛊🚼👽🏋⛷🏂🏌🏊🏄🏍🏎🚘🗠🛢"
    "💰🏷💳👪🗡🗢🗣✯🖄🖅🖃🖆🖹🖺🖻🕵🕰🖽🖾📋🗒🗓🕮📚🗞🗟🗃🗂🖼🎭🎜🎘🎙🎧💿🎞📷🎟🎬📽📹📾📻🎚🎛📺💻🖥🖦🖧🕹🎮🕻🕼📟🖁"
    "🖀🖨🖩🖿🖪🗜🔒🔓🗝📥📤🕳🌣🌤🌥🌦☁🌨🌧🌩🌪🌬🌫🌜🌡🛋🛏🍽🍸🛎🛍Ⓟ♿🛆🖈🎓🗤🗥🗦🗧🛪🐿🐦🐟🐕🐈🙬🙮🙭🙯🗺🌍🌏🌎"
)
# Glyphs of Zapf Dingbats by number, which stand for codes 32 higher: signs 0x21 to 0x3f.
_DINGBATS = " ✁✂✃✄☎✆✇✈✉☛☞✌✍✎✏✐✑✒✓✔✕✖✗✘✙✚✛✜✝✞✟"
_TABLES = {
    "wingdings2": _WINGDINGS_2,
    "wingdings3": _WINGDINGS_3,
    "wingdings": _WINGDINGS,
    "webdings": _WEBDINGS,
}


@lru_cache(maxsize=1024)
def signs_of(font: str) -> dict[str, str] | None:
    """What the letters of a font of signs stand for; None for every other font."""
    name = font.rpartition("+")[2].replace(" ", "").replace("-", "").lower()
    if name.endswith("dingbats"):
        return _BY_GLYPH
    return next((signs for start, signs in _SIGNS.items() if name.startswith(start)), None)


def _by_letter(signs: str) -> dict[str, str]:
    codes = {_FIRST + place: sign for place, sign in enumerate(signs) if sign != " "}
    return {chr(start + code): sign for start in (0, _PRIVATE) for code, sign in codes.items()}


_SIGNS = {name: _by_letter(signs) for name, signs in _TABLES.items()}
_BY_GLYPH = {chr(number): sign for number, sign in enumerate(_DINGBATS) if sign != " "}
