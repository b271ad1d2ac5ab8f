"""The words of the demo archive. The Alder, its authority and its people are invented."""

REPORT = (
    (
        "A year of high water",
        (
            "The Alder River Authority looks after 212 kilometres of river, 14 weirs and 3 reservoirs between the "
            "Carrow hills and the sea. This report tells what the authority did in 2024, what it cost, and what it "
            "plans for the coming year.",
            "The year will be remembered for the flood of 9 February, the highest since records began in 1931. At the "
            "Millbridge gauge the river rose to 5.84 metres. Four hundred and twelve homes were warned and ninety-six "
            "were flooded; nobody was hurt.",
            "Margaret Oyelaran, who had led the authority since 2015, retired in June. She was succeeded by Tomas "
            "Lindqvist, formerly the chief engineer.",
            "The board met nine times. Its decisions are set out in the minutes, which are open to everyone.",
        ),
    ),
    (
        "Flood defence",
        (
            "Work on the Millbridge wall was finished in October, five weeks late and within its budget of 2.3 million "
            "crowns. The wall is 640 metres long and protects 380 homes.",
            "Two pumping stations were rebuilt. The station at Hythe Lane can now lift 1,200 litres a second, twice what "
            "it could before.",
            "The warning service sent 31 messages. On average they reached people four hours and ten minutes before the "
            "water did, an hour more than in the year before.",
        ),
    ),
    (
        "Water levels",
        (
            "Levels are measured every fifteen minutes at eleven gauges. The table gives the highest and the lowest level "
            "of the year at four of them, in metres above the gauge's zero.",
        ),
    ),
    (
        "Fish and wildlife",
        (
            "The fish counter at Sallow Weir recorded 1,874 salmon, more than in any year since it was installed in 2009. "
            "The new fish pass, opened in April, is the likely reason.",
            "Otters were seen on all six survey reaches. Water voles have returned to the Carrow brook after an absence of "
            "twenty years.",
            "Mink were trapped at four places. The authority spent 18,000 crowns on this work.",
        ),
    ),
    (
        "Money",
        (
            "Income was 11.6 million crowns, of which 7.9 million came from the levy on landowners and 2.4 million from the "
            "state. Spending was 11.2 million.",
            "The largest single expense was the Millbridge wall. Wages came to 3.1 million crowns for a staff of 58.",
            "The reserve stood at 1.9 million crowns at the end of the year.",
        ),
    ),
    (
        "The year ahead",
        (
            "In 2025 the authority will rebuild the sluice at Penny Dock, survey the sea banks, and replace the telemetry of "
            "all eleven gauges.",
            "A public hearing on the removal of Sallow Weir will be held in September 2025.",
            "The authority thanks the volunteers who filled and laid nine thousand sandbags on the night of 9 February.",
        ),
    ),
)

LEVELS = (
    ("Gauge", "Highest", "Date", "Lowest"),
    ("Millbridge", "5.84", "9 February", "0.61"),
    ("Hythe Lane", "4.97", "9 February", "0.48"),
    ("Sallow Weir", "3.12", "10 February", "0.90"),
    ("Penny Dock", "2.75", "11 February", "1.02"),
)

ARTICLE = (
    "A weir is a promise made by the dead. Somebody, two centuries ago, wanted a mill to turn in a dry August, and the "
    "river has been held to that wish ever since.",
    "The mills are gone from the Alder. Of the fourteen weirs that served them, eleven serve nothing now but habit, and "
    "a few coots.",
    "Behind each lies the silt that the river would have carried to the marshes. At Sallow Weir the engineers found two "
    "metres of it, and in it, layer by layer, the history of the tannery upstream.",
    "Salmon come to the foot of the weir in October and wait for rain. Those that wait long grow a white fungus on their "
    "flanks. In a dry autumn half of them die there, within sight of the gravel on which they were hatched.",
    "To take a weir out costs less than to keep it. The authority's own figures put repair at 420,000 crowns and removal "
    "at 260,000, and a weir removed needs no repair again.",
    "Yet people love them. The sound of falling water is the sound of a summer's evening, and nobody votes against that.",
    "The compromise is the fish pass: a ladder of pools beside the fall, up which a fish of ordinary ambition can climb. "
    "The one at Sallow cost 150,000 crowns and opened in April.",
    "In its first season more salmon passed than in any year on record. Whether the pass did it, or a wet autumn, one "
    "season cannot tell.",
    "What the pass does not mend is the silt. The marshes sink by four millimetres a year, and the sea does not wait for "
    "a second opinion.",
    "There is a third way, tried on the Weser and the Elwha: lower the weir by a hand's breadth each year and let the "
    "river take the silt in small bites. It needs patience, which is cheap, and a decision, which is not.",
)

SURVEY = (
    "Six reaches were fished by electric current between 8 and 19 April 2024, each for one hundred metres. All fish were "
    "measured and put back. Counts are given below."
)

FISH = (
    ("Reach", "Trout", "Salmon", "Eel", "Total"),
    ("Carrow brook", "41", "0", "6", "47"),
    ("Upper Alder", "63", "12", "4", "79"),
    ("Millbridge", "18", "25", "9", "52"),
    ("Sallow Weir", "22", "58", "11", "91"),
    ("Hythe", "9", "14", "23", "46"),
    ("Penny Dock", "2", "5", "31", "38"),
)

STAFF = (
    ("Ines Farrow", "biologist", "10 days"),
    ("Piet Hallam", "technician", "10 days"),
    ("Ruth Adeyemi", "student", "6 days"),
)

LEASE = (
    "Alder River Authority\n14 Quay Street, Millbridge",
    "3 May 2024",
    "Dear Mrs Whitcombe,",
    "Thank you for your letter about the meadow at Hythe. The authority is glad to let it to you for grazing on the "
    "following terms.",
    "The lease runs for five years from 1 June 2024. The rent is 850 crowns a year, payable each June in advance. You may "
    "keep up to twelve cattle on the meadow between May and October, and none in winter.",
    "The authority keeps the right to flood the meadow when the Hythe Lane gauge stands above four metres. No "
    "compensation is paid for this; it is the reason why the rent is low.",
    "Please sign both copies and send one back to us by 20 May.",
    "Yours sincerely,\nTomas Lindqvist\nChief Engineer",
)

MINUTES = (
    (
        "Minutes of the board, 14 March 2024",
        (
            "Present: Margaret Oyelaran in the chair, Tomas Lindqvist, Ines Farrow, Joseph Bell, and four members of the "
            "public. Apologies: Ada Renner.",
            "1. The minutes of 8 February were read and signed.",
            "2. Mr Lindqvist reported on the flood of 9 February. The wall at Millbridge, then half built, had held. The "
            "pumps at Hythe Lane had run for sixty-one hours without a stop.",
            "3. The board resolved to buy two mobile pumps at a cost of 95,000 crowns. Mr Bell voted against.",
        ),
    ),
    (
        "Minutes of the board, continued",
        (
            "4. Dr Farrow presented the plan for a fish pass at Sallow Weir. It was approved unanimously.",
            "5. A member of the public asked why the warning had come at night. Mrs Oyelaran answered that the rain had come "
            "at night, too.",
            "6. The next meeting will be on 11 April at the boat house.",
        ),
    ),
)

GERMAN = (
    "Bei steigendem Wasser warnt die Behörde die Anlieger des Flusses durch Sirenen und Nachrichten auf das Telefon. Bitte "
    "bringen Sie Fahrzeuge und Tiere rechtzeitig in Sicherheit.",
    "Sandsäcke werden am Bauhof in der Mühlstraße ausgegeben, täglich von 7 bis 19 Uhr. Jeder Haushalt erhält höchstens "
    "vierzig Stück.",
    "Betreten Sie keine überfluteten Wege. Schon knietiefes Wasser kann einen Erwachsenen umreißen. Im Notfall wählen Sie "
    "die Nummer 112.",
)

FRENCH = (
    "En cas de crue, l'autorité avertit les riverains par sirène et par message. Mettez à l'abri les véhicules et les "
    "animaux avant la montée des eaux.",
    "Des sacs de sable sont distribués au dépôt de la rue du Moulin, tous les jours de 7 heures à 19 heures. Chaque foyer "
    "peut en recevoir quarante au plus.",
    "Ne traversez jamais une route inondée à pied ou en voiture. En cas d'urgence, composez le 112.",
)

CHINESE = (
    "河流水位上涨时，管理局将通过警报器和短信通知沿岸居民。请提前将车辆和牲畜转移到安全的地方。",
    "沙袋在磨坊街仓库发放，每天上午七点至晚上七点。每户最多领取四十个。",
    "请勿通过被淹没的道路。如遇紧急情况，请拨打112。",
)
