package kdc.core;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** Tokens that are found in a text before it is cut into words, such as [MASK]: leftmost, longest. */
final class AddedTokens {
    /** A token that may be found. */
    private static final class Added {
        final int[] codes;
        final int id;
        final boolean left;
        final boolean right;

        Added(int[] codes, int id, boolean left, boolean right) {
            this.codes = codes;
            this.id = id;
            this.left = left;
            this.right = right;
        }

        boolean isAt(AlignedText text, int place) {
            if (place + codes.length > text.size) return false;
            for (int i = 0; i < codes.length; i++) {
                if (text.codes[place + i] != codes[i]) return false;
            }
            return true;
        }
    }

    /** What happens to the parts of a text. */
    interface Parts {
        void token(int id, AlignedText text, int start, int end);

        void rest(AlignedText text);
    }

    private final Map<Integer, List<Added>> byFirst = new HashMap<>();
    private final UnicodeTables unicode;

    AddedTokens(UnicodeTables unicode) {
        this.unicode = unicode;
    }

    /** Adds a token that is written as {@code codes}; spaces around it may belong to it. */
    void add(int[] codes, Fields token) throws Refused {
        if (codes.length == 0) return;
        if (token.flag("single_word")) {
            throw new Refused(
                    "tokenizer.json has a token that is found as a whole word only ("
                            + token.text("content") + "), which this app cannot do");
        }
        Added added =
                new Added(codes, token.count("id"), token.flag("lstrip"), token.flag("rstrip"));
        List<Added> same = byFirst.get(codes[0]);
        if (same == null) byFirst.put(codes[0], same = new ArrayList<>());
        int place = 0;
        while (place < same.size() && same.get(place).codes.length >= codes.length) place++;
        same.add(place, added);
    }

    /** Splits a text at the tokens that are found in it. */
    void split(AlignedText text, Parts parts) {
        int done = 0;
        for (int i = 0; i < text.size && !byFirst.isEmpty(); ) {
            Added found = at(text, i);
            if (found == null) {
                i++;
                continue;
            }
            int start = i;
            int end = i + found.codes.length;
            i = end; // and not after the spaces: the next token may begin with one
            while (found.left && start > done && isSpace(text, start - 1)) start--;
            if (found.left && start < done && done < end) start = done; // taken by the one before
            while (found.right && end < text.size && isSpace(text, end)) end++;
            if (done < start) parts.rest(text.part(done, start));
            parts.token(found.id, text, start, end);
            done = end;
        }
        if (done == 0) parts.rest(text);
        else if (done < text.size) parts.rest(text.part(done, text.size));
    }

    private Added at(AlignedText text, int place) {
        List<Added> same = byFirst.get(text.codes[place]);
        if (same == null) return null;
        for (Added added : same) {
            if (added.isAt(text, place)) return added;
        }
        return null;
    }

    private boolean isSpace(AlignedText text, int place) {
        return unicode.space.has(text.codes[place]);
    }
}
