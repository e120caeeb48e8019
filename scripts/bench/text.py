"""Made-up text that compresses as real text does: several languages, PHP, JavaScript and CSS.

Only `random()`, `choices()` and `randbytes()` of Python's generator are used, whose output for a seed is the same
in every version and on every machine.
"""

import random

SYLLABLES = {
    "en": "the and ing er tion re al en con ly ed in st ough ment a o pro com per able est i for ter".split(),
    "de": "sch ein ung ver ge lich keit an ü ber aus ö ä ich der die das heit en st mit auf ß zu er".split(),
    "fr": "é tion ment ai eau oi qu est le la que è re dé con ç pour ée ou un en ir ant eux à par".split(),
    "ru": "про ста но ва ть ко ни ра по ет ли ки го ель ный ств мо ре жи ще ло да ся пе об ча".split(),
    "el": "κα τη στ ου αι με πρ ος να τα λο γι ση δε ει ον θα πα ρε κο μα ών έ ί ό ά".split(),
    "ja": "の に は を た が で て と し れ さ ある 日 本 人 大 年 中 会 国 見 出 者 時 行 ス ト ン ー ル".split(),
    "ar": "ال من في على ها ون ين ات مع قد كان ان هذا لا ما عن إلى ر ب م ل و ي ت ن س".split(),
}
LANGUAGES = tuple(SYLLABLES)
CODE_LINES = {
    "php": [
        "\tif ( ! isset( ${a}['{b}'] ) ) {{", "\t}}", "\t\treturn ${a}->{b}( ${c} );", "",
        "\t/** @param string ${a} The {b} {c}. */", "\tadd_action( '{a}_{b}', array( $this, '{c}' ), {n} );",
        "\t${a} = apply_filters( '{b}_{c}', ${a}, ${d} );", "\tpublic function {a}_{b}( ${c}, ${d} = null ) {{",
        "\t\techo esc_html__( '{a} {b} {c}', '{d}' );", "\t * {a} {b} the {c} of {d}, since {n}.",
        "\t\t${a}[] = array( '{b}' => {n}, '{c}' => '{d}' );", "\t\tforeach ( ${a} as ${b} => ${c} ) {{",
    ],
    "js": [
        "  const {a} = {b}.{c}( {d} );", "  if ( {a} === undefined || {b}.length > {n} ) {{", "  }}", "",
        "  {a}.addEventListener( '{b}', function ( {c} ) {{", "    return {a}.{b}.{c}( {n} );",
        "  // {a} {b} when {c} is {d}", "  export function {a}{b}( {c}, {d} ) {{", "    {a}[ '{b}' ] = {c} + {n};",
    ],
    "css": [
        ".{a}-{b} .{c} {{", "  margin: {n}px auto;", "  background-color: #{n}{n};", "}}", "",
        "  font-family: {a}, {b}, sans-serif;", ".{a}__{b}:hover > .{c}--{d},", "  padding: {n}px;",
    ],
}


class Prose:
    """Phrases of one language; common ones come often."""

    def __init__(self, language, words=3000, phrases=20000):
        rng = random.Random(f"prose {language}")
        syllables = SYLLABLES[language]
        space = "" if language == "ja" else " "
        vocabulary = ["".join(rng.choices(syllables, k=1 + int(rng.random() * 4))) for _ in range(words)]
        weights = accumulated(1 / (rank + 20) for rank in range(words))
        self.phrases = [
            space.join(rng.choices(vocabulary, cum_weights=weights, k=2 + int(rng.random() * 6))) + space
            for _ in range(phrases)
        ]
        self.weights = accumulated(1 / (rank + 250) for rank in range(phrases))

    def text(self, rng, phrases):
        """So many phrases, drawn with `rng`."""
        return "".join(rng.choices(self.phrases, cum_weights=self.weights, k=phrases)).strip()

    def paragraphs(self, rng, count, phrases):
        """Paragraphs as WordPress's editor stores them."""
        return "\n\n".join(
            f"<!-- wp:paragraph -->\n<p>{self.text(rng, phrases)}.</p>\n<!-- /wp:paragraph -->" for _ in range(count)
        )


class Code:
    """Lines of one programming language."""

    def __init__(self, language, lines=30000):
        rng = random.Random(f"code {language}")
        names = ["".join(rng.choices(SYLLABLES["en"], k=1 + int(rng.random() * 3))) for _ in range(2500)]
        weights = accumulated(1 / (rank + 8) for rank in range(len(names)))
        self.lines = []
        for template in rng.choices(CODE_LINES[language], k=lines):
            a, b, c, d = rng.choices(names, cum_weights=weights, k=4)
            self.lines.append(template.format(a=a, b=b, c=c, d=d, n=int(rng.random() * 1000)) + "\n")
        self.mean = sum(map(len, self.lines)) / lines

    def bytes(self, rng, size):
        """Exactly `size` bytes of code, drawn with `rng`."""
        text = "".join(rng.choices(self.lines, k=2 + int(size / self.mean * 1.3)))
        while len(text) < size:
            text += text
        return text.encode()[:size]


def accumulated(weights):
    """Running sums, as `choices` wants them."""
    total, sums = 0.0, []
    for weight in weights:
        total += weight
        sums.append(total)
    return sums
