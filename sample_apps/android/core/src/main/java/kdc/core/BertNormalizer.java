package kdc.core;

import java.util.Arrays;

/**
 * What BERT does to a text before it is cut into words, with the place each code point had.
 *
 * <p>The same steps in the same order as {@code BertNormalizer} of the Rust tokenizers.
 */
final class BertNormalizer {
    private final UnicodeTables unicode;
    private final boolean clean;
    private final boolean chinese;
    private final boolean strip;
    private final boolean lowercase;

    BertNormalizer(UnicodeTables unicode, Fields fields) throws Refused {
        this.unicode = unicode;
        clean = fields.flag("clean_text");
        chinese = fields.flag("handle_chinese_chars");
        lowercase = fields.flag("lowercase");
        strip = fields.has("strip_accents") ? fields.flag("strip_accents") : lowercase;
    }

    AlignedText normalize(AlignedText text) {
        if (clean) text = cleaned(text);
        if (chinese) text = spaced(text);
        if (strip) text = stripped(decomposed(text));
        return lowercase ? lowered(text) : text;
    }

    private AlignedText cleaned(AlignedText text) {
        AlignedText out = new AlignedText(text.size);
        for (int i = 0; i < text.size; i++) {
            int code = text.codes[i];
            if (!unicode.removed.has(code)) out.addAs(unicode.space.has(code) ? ' ' : code, text, i);
        }
        return out;
    }

    private AlignedText spaced(AlignedText text) {
        AlignedText out = new AlignedText(text.size);
        for (int i = 0; i < text.size; i++) {
            boolean apart = unicode.chinese.has(text.codes[i]);
            if (apart) out.addAs(' ', text, i);
            out.addAs(text.codes[i], text, i);
            if (apart) out.addAs(' ', text, i);
        }
        return out;
    }

    /**
     * Canonical decomposition (NFD).
     *
     * <p>Marks are sorted by class, and only then take their places, one after the other: so a
     * mark that moved has the place of the one whose turn it took, as in the Rust library.
     */
    private AlignedText decomposed(AlignedText text) {
        AlignedText out = new AlignedText(text.size);
        for (int i = 0; i < text.size; i++) { // for now, starts holds whether one was inserted
            int[] parts = unicode.decomposed(text.codes[i]);
            if (parts == null) out.add(text.codes[i], 0, 0);
            for (int k = 0; parts != null && k < parts.length; k++) out.add(parts[k], k, 0);
        }
        sortMarks(out);
        int place = 0;
        for (int i = 0; i < out.size; i++) {
            boolean inserted = out.starts[i] > 0;
            if (!inserted) place++;
            int from = Math.max(0, place - 1);
            out.starts[i] = text.starts[from];
            out.ends[i] = text.ends[from];
        }
        return out;
    }

    /** Sorts each run of code points that have a combining class by it, stably. */
    private void sortMarks(AlignedText text) {
        for (int start = 0; start < text.size; start++) {
            int end = start;
            while (end < text.size && unicode.rank(text.codes[end]) > 0) end++;
            if (end - start > 1) sortMarks(text, start, end);
            start = end;
        }
    }

    private void sortMarks(AlignedText text, int start, int end) {
        long[] order = new long[end - start]; // class and place in one number
        for (int i = start; i < end; i++) {
            order[i - start] = (long) unicode.rank(text.codes[i]) << 32 | i;
        }
        Arrays.sort(order);
        int[] codes = Arrays.copyOfRange(text.codes, start, end);
        int[] inserted = Arrays.copyOfRange(text.starts, start, end);
        for (int i = start; i < end; i++) {
            int from = (int) order[i - start] - start;
            text.codes[i] = codes[from];
            text.starts[i] = inserted[from];
        }
    }

    private AlignedText stripped(AlignedText text) {
        AlignedText out = new AlignedText(text.size);
        for (int i = 0; i < text.size; i++) {
            if (!unicode.mark.has(text.codes[i])) out.addAs(text.codes[i], text, i);
        }
        return out;
    }

    private AlignedText lowered(AlignedText text) {
        AlignedText out = new AlignedText(text.size);
        for (int i = 0; i < text.size; i++) {
            int[] lower = unicode.lower(text.codes[i]);
            if (lower == null) out.addAs(text.codes[i], text, i);
            else for (int code : lower) out.addAs(code, text, i);
        }
        return out;
    }
}
