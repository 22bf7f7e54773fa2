package kdc.core;

import java.util.Arrays;

/** A set of code points: a bit for each up to the last plane that the tables name. */
final class CodePoints {
    private final long[] bits = new long[0x110000 >> 6];

    void add(int first, int last) {
        for (int code = first; code <= last; code++) bits[code >> 6] |= 1L << (code & 63);
    }

    boolean has(int code) {
        return (bits[code >> 6] >> (code & 63) & 1) != 0;
    }

    /** Returns the code points of a text; lone surrogates, which UTF-8 has not, become U+FFFD. */
    static int[] of(String text) {
        int[] codes = new int[text.length()];
        int count = 0;
        for (int i = 0; i < text.length(); ) {
            int code = text.codePointAt(i);
            i += Character.charCount(code);
            codes[count++] = code >= 0xD800 && code < 0xE000 ? 0xFFFD : code;
        }
        return Arrays.copyOf(codes, count);
    }
}
