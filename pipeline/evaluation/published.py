"""Published figures of Kimi-VL, as its technical report (arXiv 2504.07491, table 3) and model cards give them.

Data, not measurements of ours. ``Instruct`` is table 3; ``Thinking-2506`` is the card of that checkpoint, for the
benchmarks that it names. The cards' own column for Instruct differs from table 3 by up to a point.
"""

from __future__ import annotations

from typing import Final, Literal

Variant = Literal["Instruct", "Thinking-2506"]
SOURCE: Final = "Kimi-VL technical report, table 3, and the card of Kimi-VL-A3B-Thinking-2506"

PUBLISHED: Final[dict[Variant, dict[str, float]]] = {
    "Instruct": {
        "mmmu-val": 57.0,
        "videommmu": 52.6,
        "mmvu": 52.2,
        "mmbench-en-v1.1": 83.1,
        "mmstar": 61.3,
        "mmvet": 66.7,
        "realworldqa": 68.1,
        "ai2d": 84.9,
        "blink": 57.3,
        "mathvista": 68.7,
        "mathvision": 21.4,
        "infovqa": 83.2,
        "ocrbench": 867.0,
        "screenspot-v2": 92.8,
        "screenspot-pro": 34.5,
        "osworld": 8.22,
        "windowsagentarena": 10.4,
        "mmlongbench-doc": 35.1,
        "video-mme": 67.8,
        "video-mme-subtitled": 72.6,
        "mlvu-mcq": 74.2,
        "longvideobench": 64.5,
        "egoschema": 78.5,
        "vsi-bench": 37.4,
        "tomato": 31.7,
    },
    "Thinking-2506": {
        "mmmu-val": 64.0,
        "videommmu": 65.2,
        "mmvu": 57.5,
        "mmbench-en-v1.1": 84.4,
        "mmstar": 70.4,
        "mmvet": 78.1,
        "realworldqa": 70.0,
        "mathvista": 80.1,
        "mathvision": 56.9,
        "ocrbench": 869.0,
        "screenspot-v2": 91.4,
        "screenspot-pro": 52.8,
        "mmlongbench-doc": 42.1,
        "video-mme-subtitled": 71.9,
    },
}
