"""Texts that tokenizers on devices get wrong: every app checks its own against them."""
# ruff: noqa: RUF001 - letters that look like others are what these texts are about

_SHORT = (
    "",
    "   \t \n ",
    "?!... --- ;;; (((",
    "Café déjà vu, naïve coöperation, Ærøskøbing",
    "Cafe\u0301 and A\u030angstro\u0308m in combining marks, Z\u0351\u036ba\u0349\u0367lgo",
    "İstanbul'da ılık bir IŞIK, DİYARBAKIR",
    "Straße, GROẞ, ﬁrst ﬂoor, oﬃce, ǆ",
    "我爱北京天安门,今天天气不错。",
    "東京タワーへ行きたいです カタカナ",
    "한국어 문장을 하나 적어 봅니다",
    "שלום עולם, مرحبا بالعالم، کتاب\u200cها",
    "हिन्दी में नमस्ते, ไทยไม่มีช่องว่าง",
    "Привет, как дела? Ελληνικά Σίσυφος",
    "Great 👍🏽 family 👨‍👩‍👧‍👦 flag 🇳🇱 heart ❤️ rainbow 🏳️‍🌈",
    "zero\u200bwidth\u200djoiner\ufeffbom\u00adsoft-hyphen\u2060",
    "null \u0000 bell \u0007 escape \u001b[31m delete \u007f next \u0085 line",
    "no\u00a0break thin\u2009space ideographic\u3000space line\u2028separator",
    "\u202eright-to-left override\u202c and replacement \ufffd",
    "𝔣𝔯𝔞𝔨𝔱𝔲𝔯 𝟙𝟚𝟛 Ⅷ ½ ①  𐍈 𠜎",
    "[CLS] [SEP] [MASK] [PAD] [UNK] <s> </s> <pad> <mask> ##ing ▁word Ġword",
    "https://user:pw@example.com:8080/a_b/c-d?q=1&r=%20#top me@example.org C:\\temp\\x",
    "3.14159 -1,234,567.89 1e-5 50% $9.99 €5 0x1F 12:30 2024-02-29 +31(0)20",
    "iPhone McDonald's O'Brien eBay SHOUTING camelCase snake_case don't it's",
    '<b>bold</b> &amp; {"json": [1, 2]} ``code`` `\'"',
)


def awkward_texts(max_length: int) -> list[str]:
    """Return awkward texts, the last of them longer than `max_length` tokens or one huge word."""
    return [*_SHORT, "the long way home " * max_length, "a" * 300, "语" * (2 * max_length)]
