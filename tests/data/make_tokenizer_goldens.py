#!/usr/bin/env python3
"""Makes tests/data/tokenizers: small byte-level BPE tokenizers, and what independent libraries do with many texts.

    python3 -m venv /tmp/venv && /tmp/venv/bin/pip install tokenizers==0.23.3 sentencepiece==0.2.3
    /tmp/venv/bin/python tests/data/make_tokenizer_goldens.py

texts.json        the texts
<name>/tokenizer.json   a tokenizer trained here, with the parts of one model family (its patterns, normaliser, special
                  tokens), on the texts and the licence; files that exist are kept, for training is not the same everywhere
<name>.json       of the tokenizer <name>, here or in ../<name>: ids of every text ("ids", with BOS where the tokenizer adds
                  it), of those that differ when special tokens are read as text ("as_text": {index: ids}), and decoded
                  random ids ("decode": [ids, text, text with special tokens]); from Hugging Face's tokenizers, or from
                  SentencePiece's own library
"""

import json
import pathlib
import random

import sentencepiece
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

HERE = pathlib.Path(__file__).resolve().parent
OUT = HERE / "tokenizers"

LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
QWEN2 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def make_texts():
    texts = [
        "", " ", "  ", "   ", "\n", "\n\n", "\r\n", "\r\n\r\n", "\t", " \t \n ", "\n \n", " \n", "a\n", "a \n", "a\n ", "a  ",
        " a", "  a", "   a b", "a  b", "a   b", "a\tb", "\ta", "a\r\nb\r\n", "a\n\n\nb", "a \n\n b", "x" * 50, " " * 40,
        "\n" * 30, "a" + " " * 33 + "b", "tab\t\tspace \t mix", "line\x0bvertical\x0cform", "nel\x85here", "a\x85 b", "a  \x0b  b", "a  \x85  b", "a  \x1c  b", "a  \u180e  b",
        "nbsp\xa0here \xa0 there", "\u2028line\u2029para", "em\u2003space\u2009thin\u3000wide", "\u200bzero\u200cwidth\u200dj",
        "\ufeff", "\ufeffstart", "end\ufeff", "\ufffd", "a\ufffdb", "\x00", "a\x00b", "\x01\x02\x1b[0m\x7f", "\x1c\x1d\x1e\x1f a",
        "\xad soft\xadhyphen", "\u180e mongolian", "\u2060joiner", "\U000e0001\U000e0041 tags",
        # contractions
        "I'm you're he's we've they'll I'd don't", "I'M YOU'RE HE'S WE'VE THEY'LL I'D DON'T", "'s 't 're 've 'm 'll 'd",
        "'S'T'RE'VE'M'LL'D", "it''s", "x's's", "'sam", "'\u017fat \u017f's", "rock 'n' roll", "O\u2019Neil\u2019s", "'lL 'Ve",
        # numbers
        "0", "7", "42", "123", "1234", "12345", "123456", "1234567", "3.14159", "1,000,000", "-5 +7", "1e10", "0x1F", "x2y3z",
        "\u0663\u0664\u0665", "\u096a\u0968", "\u2162 \u216b \u2460\u2461", "\xbd \xbc \xb2\xb3", "\u4e00\u4e8c\u4e09",
        "\U0001d7d8\U0001d7d9\U0001d7da", "2024-01-31T23:59:59Z", "100%", "50 000", "No. 1", "1st 2nd 3rd",
        # letters
        "caf\u00e9", "cafe\u0301", "\u00c5 A\u030a \u212b", "na\u00efve fa\u00e7ade", "\u1e9b\u0323", "\ufb01 \ufb02 \ufb06",
        "Stra\u00dfe STRASSE", "\u0130stanbul \u0131", "\u01c4 \u01c5 \u01c6", "\u03a3\u03af\u03c3\u03c5\u03c6\u03bf\u03c2",
        "\u041f\u0440\u0438\u0432\u0435\u0442, \u043c\u0438\u0440!", "\u4f60\u597d\uff0c\u4e16\u754c\u3002", "\u65e5\u672c\u8a9e\u306e\u30c6\u30ad\u30b9\u30c8",
        "\ud55c\uad6d\uc5b4 \u1112\u1161\u11ab", "\u0645\u0631\u062d\u0628\u0627 \u0628\u0627\u0644\u0639\u0627\u0644\u0645", "\u05e9\u05dc\u05d5\u05dd \u05e2\u05d5\u05dc\u05dd",
        "\u0928\u092e\u0938\u094d\u0924\u0947 \u0926\u0941\u0928\u093f\u092f\u093e", "\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35", "\u12a0\u121b\u122d\u129b", "\u1019\u103c\u1014\u103a\u1019\u102c",
        "\u202eright to left\u202c", "e\u0301\u0302\u0303\u0304", "\u0301start", "a\u0328\u0301 \u0105\u0301", "q\u0307\u0323 q\u0323\u0307",
        "\U00010400\U00010428", "\U0001d518\U0001d52b\U0001d526", "\U00020000\U0002a6d6", "\u02bb\u02bc \u02b0", "\xaa\xba", "x\u0304y",
        "\u0958 \u0915\u093c", "\u2126 \u03a9", "\uac00\u11a8", "\uff21\uff22\uff11\uff12", "\xb5 \u03bc",
        # emoji
        "\U0001f600", "\U0001f44d\U0001f3fd", "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466", "\u2764\ufe0f", "\U0001f1e9\U0001f1ea\U0001f1eb\U0001f1f7",
        "ok\U0001f600\U0001f600 ok", "1\ufe0f\u20e3", " \U0001f680 ",
        # signs
        "!", "!!", "?!...", "...", "\u2026", "\u2014", " \u2014 ", "\u201cq\u201d \u2018q\u2019", "\xabq\xbb", "(a) [b] {c} <d>", "a.b.c", "a_b_c", "__init__", "--flag=1",
        "#!/bin/sh\n", "$x + $y", "a && b || c", "\\n \\t \\\\", "x^2~3`4", "\u20ac5 \xa35 \xa55", "a@b.c", "https://example.org/a?b=c&d=%20#e", "C:\\dir\\file.txt",
        "\u2581", "\u2581\u2581a", "a\u2581b", " \u2581 ", "\u0120a", "\u010a", "<0x41>", "<0x0A><0xFF>", "\u2047", " \u2047 ", "\xd7\xf7\xb1", "\u2200x\u2208\u2115",
        "!\n", "?!\r\n\r\n", " !", "  !", "!a", "! a", ".\n\n.", "...\n...", "\n!", " \n!", "a!\n\nb",
        # code
        "def f(x):\n    return x + 1\n", "if (a) {\n\tb();\n}\n", "for i in range(10):\n  print(i)", "{\"key\": [1, 2.5, null]}", "<p class=\"x\">text</p>",
        "SELECT * FROM t WHERE a='b';", "int main() { return 0; }", "a=1;b=2;c=a+b", "\t\t\tdeep\n\t\t\tdeeper", "// comment\n\n\n/* x */",
        # special tokens in the text
        "<|endoftext|>", "<|endoftext|>The end.<|endoftext|>", "a<|endoftext|>b", " <|endoftext|> ", "<|endoftext|><|endoftext|>", "<|endoftext|", "<<|endoftext|>>",
        "<s>", "</s>", "<unk>", "<s>hello</s>", "a</s> b", "<pad>", "<|begin_of_text|>Hi", "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>",
        "<|im_start|>user\nHi<|im_end|>\n", "<|im_start|", "<tool_call>{}</tool_call>", "[INST] Hi [/INST]", "<|BEGIN_OF_TEXT|>",
        "word [L] word", "word [R]  word", "word[W]word", "word [W] word", "[W]", "_[W]", "\u00e9[W]", "[W][W]", "  [L]  [R]  ", "\n[L]\t[R]\n", "[LR]", " [LR] ", "[L][L] [L]",
        "caf\u00e9s", "cafe\u0301s", "x caf\u00e9 x", "[LONG", "[LONGER]", "[LONG][LONGER]", "[LON",
        # words
        "Once upon a time, there was a little dog named Max.", "The quick brown fox jumps over the lazy dog.", "THE QUICK BROWN FOX", "the the the", "TheTheThe",
        "Lily said, \"I want to play!\" and she ran.", "antidisestablishmentarianism", "supercalifragilisticexpialidocious", "mixedCaseIdentifiers and_snake_case", "A", "a", "ab", "abc",
        "I", " I ", "Mr. O'Brien-Smith", "e.g. i.e. etc.", "hello world", "hello  world", " hello world", "hello world ", "Hello", "HELLO", "hELLO", "words,words;words:words",
        "She opened her eyes. \"Where am I?\" she asked. Nobody answered.", "One\nTwo\nThree\n", "aaaa aaaaa aaaaaa", "abababababab", "=====", "-----\n-----", "* item\n* item\n",
        "no space,after", "trailing space \nnext", "\u4e2d\u6587mixed\u82f1\u6587text123", "\u00a1Hola! \u00bfQu\u00e9 tal?", "Gr\u00fc\u00dfe aus K\u00f6ln", "\u0141\u00f3d\u017a", "Zo\u00eb's caf\u00e9",
        "naïve 'TIS 'twas", "\u1e63\u0307 s\u0323\u0307", "\u0344", "\u0f43 \u0f42\u0fb7", "\ufb1d \u05d9\u05b4", "\u2adc", "\ufdfa", "\u33a5 \u2460",
    ]
    # Any characters at all, with a bias to those that rules look at.
    rng = random.Random(20240613)
    favourites = " \n\t\r'sStTaeE109.,!?_-<>|[]\u00e9\u0301\u0327\u00a0\u2003\u4e2d\u0416\u0661\U0001f600\u200d"
    for _ in range(60):
        length = rng.randint(1, 14)
        texts.append("".join(rng.choice(favourites) if rng.random() < 0.8 else any_character(rng) for _ in range(length)))
    assert len(set(texts)) == len(texts), [t for t in texts if texts.count(t) > 1]
    return texts


def any_character(rng):
    """Assigned since Unicode 9 at the latest, so that every library knows its properties."""
    blocks = [(0x20, 0x7E), (0xA1, 0x17F), (0x391, 0x3A1), (0x410, 0x44F), (0x5D0, 0x5EA), (0x627, 0x63A), (0x905, 0x939),
              (0x4E00, 0x9FA5), (0xAC00, 0xD7A3), (0x2190, 0x21FF), (0x1F300, 0x1F320), (0x300, 0x33F), (0x2000, 0x200A)]
    low, high = rng.choice(blocks)
    return chr(rng.randint(low, high))


def byte_level(pattern=None, digits=None):
    if pattern:
        return pre_tokenizers.Sequence(
            [pre_tokenizers.Split(Regex(pattern), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
        )
    return pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=digits), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )


def train(tokenizer, texts, special, vocab_size=420, alphabet=True):
    tokenizer.decoder = decoders.ByteLevel()
    corpus = texts + (HERE.parent.parent / "LICENSE").read_text().split("\n\n")[:60]
    tokenizer.train_from_iterator(
        corpus,
        trainers.BpeTrainer(
            vocab_size=vocab_size,
            special_tokens=special,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet() if alphabet else [],
            show_progress=False,
        ),
    )
    return tokenizer


def llama3_style(texts):
    """Llama 3: digits in threes, words looked up whole before merging, BOS by a template."""
    tokenizer = Tokenizer(models.BPE(ignore_merges=True))
    tokenizer.pre_tokenizer = byte_level(LLAMA3)
    train(tokenizer, texts, [])
    tokenizer.add_special_tokens(
        ["<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"]
    )
    bos = tokenizer.token_to_id("<|begin_of_text|>")
    tokenizer.post_processor = processors.Sequence([
        processors.ByteLevel(trim_offsets=False),
        processors.TemplateProcessing(
            single="<|begin_of_text|> $A", pair="<|begin_of_text|> $A <|begin_of_text|>:1 $B:1",
            special_tokens=[("<|begin_of_text|>", bos)],
        ),
    ])
    return tokenizer


def qwen2_style(texts):
    """Qwen 2: NFC, digits one by one, special tokens and ordinary added ones ("<tool_call>")."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = byte_level(QWEN2)
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    train(tokenizer, [normalizers.NFC().normalize_str(text) for text in texts], [])
    tokenizer.add_special_tokens(["<|endoftext|>", "<|im_start|>", "<|im_end|>"])
    tokenizer.add_tokens([AddedToken("<tool_call>", normalized=False), AddedToken("</tool_call>", normalized=False)])
    return tokenizer


def digits_style(texts):
    """Small Llamas such as SmolLM: the Digits splitter before GPT-2's pattern; special tokens inside the vocabulary."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = byte_level(digits=True)
    return train(tokenizer, texts, ["<|endoftext|>", "<|im_start|>", "<|im_end|>"])


def oddities(texts):
    """Everything else the format has: all behaviours of Split, inversion, a prefix space, tokens that take white space along or
    stand alone, tokens of normalised text, an unknown token for bytes that the vocabulary lacks."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFD(), normalizers.NFKC()])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(r"[\r\n]+"), "merged_with_previous"),
        pre_tokenizers.Split(".", "contiguous"),
        pre_tokenizers.Split(Regex(r"[$@{}&\-\w]+|[^\w\S]+|\W"), "merged_with_next"),
        pre_tokenizers.Split("~", "removed"),
        pre_tokenizers.Split(Regex(r"\S+"), "isolated", invert=True),
        pre_tokenizers.Digits(individual_digits=False),
        pre_tokenizers.ByteLevel(add_prefix_space=True),
    ])
    train(tokenizer, ["hello world, the quick brown fox jumps over lazy dogs 0123456789 AEIST caf\u00e9"] * 3 + texts[-200:-150],
          ["<unk>"], vocab_size=300, alphabet=False)
    tokenizer.add_tokens([
        AddedToken("[L]", lstrip=True, normalized=False), AddedToken("[R]", rstrip=True, normalized=False),
        AddedToken("[LR]", lstrip=True, rstrip=True, normalized=False), AddedToken("[W]", single_word=True, normalized=False),
        AddedToken("[LONG", normalized=False), AddedToken("[LONGER]", normalized=False),
        AddedToken("caf\u00e9", normalized=True, single_word=True),
    ])
    return tokenizer


def write(path, value):
    path.write_text(json.dumps(value, ensure_ascii=True, separators=(",", ":")) + "\n")


def random_ids(rng, vocab_size, favourites):
    """Half of them from `favourites` (single bytes, special tokens), where broken characters come from."""
    return [rng.choice(favourites) if rng.random() < 0.5 else rng.randrange(vocab_size) for _ in range(rng.randint(1, 12))]


def byte_level_golden(name, tokenizer, texts):
    ids = [tokenizer.encode(text).ids for text in texts]
    tokenizer.encode_special_tokens = True
    as_text = {i: tokenizer.encode(text).ids for i, text in enumerate(texts)}
    tokenizer.encode_special_tokens = False
    as_text = {i: other for i, other in as_text.items() if other != ids[i]}
    rng = random.Random(name)
    vocab_size = tokenizer.get_vocab_size()
    added = {id: token.content for id, token in tokenizer.get_added_tokens_decoder().items()}
    special = {id for id, token in tokenizer.get_added_tokens_decoder().items() if token.special}
    high = [tokenizer.token_to_id(symbol) for symbol in sorted(pre_tokenizers.ByteLevel.alphabet()) if ord(symbol) > 0x7E]
    favourites = [id for id in high if id is not None] + sorted(special) * 8
    decode = []
    while len(decode) < 80:
        some = random_ids(rng, vocab_size, favourites)
        if any(not token.isascii() for id, token in added.items() if id in some):
            continue  # the library takes the characters of added tokens for bytes
        with_special = tokenizer.decode(some, skip_special_tokens=False)
        without = tokenizer.decode(some, skip_special_tokens=True)
        # The library joins characters over special tokens that it leaves out; ours ends them there.
        if special.intersection(some) and "\ufffd" in with_special:
            without = None
        decode.append([some, without, with_special])
    write(OUT / f"{name}.json", {"ids": ids, "as_text": as_text, "decode": decode})


def sentencepiece_golden(name, texts):
    processor = sentencepiece.SentencePieceProcessor(model_file=str(HERE / name / "tokenizer.model"))
    rng = random.Random(name)
    size = processor.get_piece_size()
    favourites = [i for i in range(size) if processor.is_byte(i) and int(processor.id_to_piece(i)[1:-1], 16) >= 0x80]
    favourites += [0, 1, 2] * 8 + [processor.piece_to_id("\u2581")] * 16
    decode = []
    for _ in range(80):
        some = random_ids(rng, size, favourites)
        text = processor.decode(some)
        decode.append([some, text, text if not {1, 2}.intersection(some) else None])
    write(OUT / f"{name}.json", {"ids": [processor.encode(text) for text in texts], "as_text": {}, "decode": decode})


def main():
    OUT.mkdir(exist_ok=True)
    texts = make_texts()
    write(OUT / "texts.json", texts)
    for make in (llama3_style, qwen2_style, digits_style, oddities):
        folder = OUT / make.__name__.replace("_", "-")
        path = folder / "tokenizer.json"
        if not path.exists():
            folder.mkdir(exist_ok=True)
            make(texts).save(str(path), pretty=False)
        byte_level_golden(folder.name, Tokenizer.from_file(str(path)), texts)
    byte_level_golden("stories-gpt2", Tokenizer.from_file(str(HERE / "stories-gpt2" / "tokenizer.json")), texts)
    for name in ("stories-llama-base", "stories260k-llama"):
        sentencepiece_golden(name, texts)


if __name__ == "__main__":
    main()
