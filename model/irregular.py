"""English verbs whose past is another word: *rose* and *risen* meet *rise*. A table, since no rule gives them.

Forms that are words of their own as well (*found*, *saw*, *left*, *felt*, *wound*) are taken as the verb's past, which
they mostly are; *lay*, *fell* and *bore* stay themselves.
"""

from __future__ import annotations

from typing import Final

_FORMS: Final = """
    arise arose arisen; awake awoke awoken; become became; begin began begun; bend bent; bind bound; bite bit
    bitten; blow blew blown; break broke broken; bring brought; build built; burn burnt; buy bought; catch
    caught; choose chose chosen; come came; creep crept; deal dealt; dig dug; draw drew drawn; drink drank
    drunk; drive drove driven; eat ate eaten; fall fallen; feed fed; feel felt; fight fought; find found; flee
    fled; fly flew flown; forbid forbade forbidden; forget forgot forgotten; forgive forgave forgiven; freeze
    froze frozen; get got gotten; give gave given; go went gone; grow grew grown; hang hung; hear heard; hide
    hid hidden; hold held; keep kept; know knew known; lead led; leave left; lend lent; light lit; lose lost;
    make made; mean meant; meet met; pay paid; ride rode ridden; ring rang rung; rise rose risen; run ran; say
    said; see saw seen; seek sought; sell sold; send sent; shake shook shaken; shine shone; shoot shot; show
    shown; shrink shrank shrunk; sing sang sung; sink sank sunk; sit sat; sleep slept; slide slid; speak spoke
    spoken; spend spent; spin spun; spring sprang sprung; stand stood; steal stole stolen; stick stuck; strike
    struck; swear swore sworn; sweep swept; swim swam swum; swing swung; take took taken; teach taught; tear
    tore torn; tell told; think thought; throw threw thrown; undergo underwent undergone; understand understood;
    undertake undertook undertaken; wake woke woken; wear wore worn; weave wove woven; win won; wind wound;
    withdraw withdrew withdrawn; withstand withstood; write wrote written
"""
BASE_OF: Final[dict[str, str]] = {
    form: words[0] for words in (group.split() for group in _FORMS.split(";")) for form in words[1:]
}
