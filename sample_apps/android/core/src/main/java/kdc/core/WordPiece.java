package kdc.core;

import java.util.HashMap;
import java.util.Map;

/** Cuts words into the longest pieces that a vocabulary has, from left to right (Wu et al. 2016). */
final class WordPiece {
    private final Map<String, Integer> vocabulary = new HashMap<>();
    private final String prefix;
    private final int unknown;
    private final int mostCodes;
    private int longest;

    WordPiece(Fields model) throws Refused {
        prefix = model.text("continuing_subword_prefix");
        mostCodes = model.count("max_input_chars_per_word");
        Fields entries = model.object("vocab");
        for (String token : entries.names()) {
            vocabulary.put(token, entries.count(token));
            longest = Math.max(longest, token.length());
        }
        Integer id = vocabulary.get(model.text("unk_token"));
        if (id == null) throw model.wrong("unk_token");
        unknown = id;
    }

    /** Adds a word's tokens: the code points from {@code start} to {@code end} of a text. */
    void tokenize(AlignedText text, int start, int end, Tokens out) {
        int mark = out.size();
        if (end - start <= mostCodes && pieces(text, start, end, out)) return;
        out.cut(mark);
        out.add(unknown, text, start, end);
    }

    private boolean pieces(AlignedText text, int start, int end, Tokens out) {
        String word = new String(text.codes, start, end - start);
        int from = 0; // in characters of the word, as `start` is in code points of the text
        while (start < end) {
            String before = from == 0 ? "" : prefix;
            int stop = end;
            int to = word.length();
            Integer id = null;
            while (to > from) {
                if (to - from + before.length() <= longest) {
                    id = vocabulary.get(before.concat(word.substring(from, to)));
                    if (id != null) break;
                }
                to -= Character.charCount(text.codes[--stop]);
            }
            if (id == null) return false;
            out.add(id, text, start, stop);
            start = stop;
            from = to;
        }
        return true;
    }
}
