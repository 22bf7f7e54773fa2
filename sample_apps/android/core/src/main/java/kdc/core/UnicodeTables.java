package kdc.core;

import java.util.HashMap;
import java.util.Map;

/**
 * Unicode as the Rust tokenizer sees it, read from {@code unicode.txt}.
 *
 * <p>Devices bring Unicode of different versions, so that their own functions cut newer letters
 * differently; these tables were found by asking the Rust tokenizer about every code point.
 */
public final class UnicodeTables {
    private static final String FORMAT = "kdc.unicode/1";
    private static final int LAST = 0x10FFFF;
    // Hangul syllables (The Unicode Standard, 3.12)
    private static final int S = 0xAC00, L = 0x1100, V = 0x1161, T = 0x11A7;
    private static final int TS = 28, VTS = 21 * TS, SYLLABLES = 19 * VTS;

    final CodePoints removed = new CodePoints();
    final CodePoints space = new CodePoints();
    final CodePoints punctuation = new CodePoints();
    final CodePoints chinese = new CodePoints();
    final CodePoints mark = new CodePoints();
    private final byte[] ranks = new byte[LAST + 1];
    private final Map<Integer, int[]> decompositions = new HashMap<>();
    private final Map<Integer, int[]> lowers = new HashMap<>();

    /** Reads the text of {@code unicode.txt}. */
    public static UnicodeTables parse(String text) throws Refused {
        UnicodeTables tables = new UnicodeTables();
        String[] lines = text.split("\n");
        if (!lines[0].equals(FORMAT)) {
            throw new Refused("unicode.txt is not of the format " + FORMAT + ": bundle again");
        }
        try {
            for (int i = 1; i < lines.length; i++) tables.table(lines[i].split(" "));
        } catch (IllegalArgumentException | IndexOutOfBoundsException error) {
            throw new Refused("unicode.txt is damaged: bundle again");
        }
        return tables;
    }

    private void table(String[] entries) {
        for (int i = 1; i < entries.length; i++) {
            switch (entries[0]) {
                case "removed": addRun(removed, entries[i]); break;
                case "space": addRun(space, entries[i]); break;
                case "punctuation": addRun(punctuation, entries[i]); break;
                case "chinese": addRun(chinese, entries[i]); break;
                case "mark": addRun(mark, entries[i]); break;
                case "class": addClass(entries[i].split(":")); break;
                case "decompose": addMapping(decompositions, entries[i].split(">")); break;
                case "lower": addMapping(lowers, entries[i].split(">")); break;
                default: throw new IllegalArgumentException(entries[0]);
            }
        }
    }

    private static void addRun(CodePoints set, String entry) {
        int[] ends = run(entry);
        set.add(ends[0], ends[1]);
    }

    private void addClass(String[] entry) {
        int[] ends = run(entry[0]);
        for (int code = ends[0]; code <= ends[1]; code++) ranks[code] = (byte) hex(entry[1]);
    }

    private static void addMapping(Map<Integer, int[]> mapping, String[] entry) {
        String[] parts = entry[1].split(",");
        int[] codes = new int[parts.length];
        for (int i = 0; i < codes.length; i++) codes[i] = hex(parts[i]);
        mapping.put(hex(entry[0]), codes);
    }

    private static int[] run(String entry) {
        int dash = entry.indexOf('-');
        int first = hex(dash < 0 ? entry : entry.substring(0, dash));
        int last = dash < 0 ? first : hex(entry.substring(dash + 1));
        return new int[] {first, last};
    }

    private static int hex(String digits) {
        int code = Integer.parseInt(digits, 16);
        if (code < 0 || code > LAST) throw new IllegalArgumentException(digits);
        return code;
    }

    /** Returns the rank of a code point's canonical combining class; 0 for those that stay. */
    int rank(int code) {
        return ranks[code] & 0xFF;
    }

    /** Returns the full canonical decomposition, or null where a code point is its own. */
    int[] decomposed(int code) {
        int place = code - S;
        if (place < 0 || place >= SYLLABLES) return decompositions.get(code);
        int first = L + place / VTS;
        int second = V + place % VTS / TS;
        int third = T + place % TS;
        return third == T ? new int[] {first, second} : new int[] {first, second, third};
    }

    /** Returns lower case, or null where a code point is its own. */
    int[] lower(int code) {
        return lowers.get(code);
    }
}
