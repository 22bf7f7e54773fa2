package kdc.core;

import java.util.Arrays;
import java.util.List;

/**
 * BERT's tokenizer as {@code tokenizer.json} describes it, with offsets.
 *
 * <p>It gives the ids and offsets of the Rust library tokenizers, with which the model was made.
 * Safe to use from several threads.
 */
public final class Tokenizer {
    private final UnicodeTables unicode;
    private final BertNormalizer normalizer;
    private final AddedTokens raw;
    private final AddedTokens normalized;
    private final WordPiece model;
    private final Template single;
    private final Template pair;
    private final int most;

    private Tokenizer(Fields file, UnicodeTables unicode) throws Refused {
        this.unicode = unicode;
        model = new WordPiece(of(file, "model", "WordPiece"));
        normalizer = new BertNormalizer(unicode, of(file, "normalizer", "BertNormalizer"));
        of(file, "pre_tokenizer", "BertPreTokenizer");
        single = Template.read(file.object("post_processor"), false);
        pair = Template.read(file.object("post_processor"), true);
        raw = new AddedTokens(unicode);
        normalized = new AddedTokens(unicode);
        readAdded(file.objects("added_tokens"));
        most = file.has("truncation") ? length(file.object("truncation")) : Integer.MAX_VALUE;
    }

    /** Reads {@code tokenizer.json}; {@code tables} is what {@code unicode.txt} holds. */
    public static Tokenizer parse(String json, UnicodeTables tables) throws Refused {
        return new Tokenizer(Json.object(json, "tokenizer.json"), tables);
    }

    private static Fields of(Fields file, String name, String type) throws Refused {
        Fields part = file.object(name);
        if (part.text("type").equals(type)) return part;
        throw new Refused(
                "tokenizer.json has the " + name + " " + part.text("type")
                        + ", and this app knows " + type + " alone: bundle a BERT model");
    }

    private void readAdded(List<Fields> tokens) throws Refused {
        for (Fields token : tokens) {
            int[] codes = CodePoints.of(token.text("content"));
            if (!token.flag("normalized")) {
                raw.add(codes, token);
                continue;
            }
            AlignedText text = normalizer.normalize(AlignedText.of(codes, 0, codes.length));
            normalized.add(Arrays.copyOf(text.codes, text.size), token);
        }
    }

    private int length(Fields truncation) throws Refused {
        checkCut(truncation, "strategy", "LongestFirst");
        checkCut(truncation, "direction", "Right");
        int length = truncation.count("max_length");
        if (length < pair.added()) throw truncation.wrong("max_length");
        return length;
    }

    private static void checkCut(Fields truncation, String name, String known) throws Refused {
        if (truncation.has(name) && !truncation.text(name).equals(known)) {
            throw new Refused(
                    "tokenizer.json cuts texts otherwise than BERT does (from the right, the "
                            + "longer first), which this app cannot do");
        }
    }

    /** Encodes a text, or a pair of them; {@code second} is null for one text alone. */
    public Encoding encode(String text, String second) {
        Tokens first = tokens(text);
        Tokens other = second == null ? null : tokens(second);
        Template template = other == null ? single : pair;
        cut(first, other, most - template.added());
        return template.fill(first, other);
    }

    private Tokens tokens(String text) {
        Tokens out = new Tokens();
        int[] codes = CodePoints.of(text);
        raw.split(AlignedText.of(codes, 0, codes.length), new Around(out) {
            @Override
            public void rest(AlignedText part) {
                normalized.split(normalizer.normalize(part), new Around(out) {
                    @Override
                    public void rest(AlignedText words) {
                        cutWords(words, out);
                    }
                });
            }
        });
        return out;
    }

    /** Takes the tokens that are found as they are; the rest is cut further. */
    private abstract static class Around implements AddedTokens.Parts {
        private final Tokens out;

        Around(Tokens out) {
            this.out = out;
        }

        @Override
        public void token(int id, AlignedText text, int start, int end) {
            out.add(id, text, start, end);
        }
    }

    /** Cuts a text at white space, which is dropped, and around punctuation. */
    private void cutWords(AlignedText text, Tokens out) {
        int start = 0;
        for (int i = 0; i < text.size; i++) {
            boolean punctuation = unicode.punctuation.has(text.codes[i]);
            if (!punctuation && !unicode.space.has(text.codes[i])) continue;
            if (start < i) model.tokenize(text, start, i, out);
            if (punctuation) model.tokenize(text, i, i + 1, out);
            start = i + 1;
        }
        if (start < text.size) model.tokenize(text, start, text.size, out);
    }

    /** Cuts texts to {@code room} tokens together, the longer one first, from the right. */
    private static void cut(Tokens first, Tokens second, int room) {
        if (second == null) {
            first.cut(room);
            return;
        }
        int shorter = Math.min(first.size(), second.size());
        int longer = Math.max(first.size(), second.size());
        if (shorter + longer <= room) return;
        longer = Math.max(shorter, room - shorter);
        if (shorter + longer > room) {
            shorter = room / 2;
            longer = shorter + room % 2;
        }
        boolean swapped = first.size() > second.size();
        first.cut(swapped ? longer : shorter);
        second.cut(swapped ? shorter : longer);
    }
}
