package kdc.core;

import java.util.Arrays;

/** Code points, each with the place in the original text that it comes from. */
final class AlignedText {
    int[] codes;
    /** Where a code point comes from, in code points of the original text: [start, end). */
    int[] starts;
    int[] ends;
    int size;

    AlignedText(int capacity) {
        codes = new int[capacity];
        starts = new int[capacity];
        ends = new int[capacity];
    }

    /** Takes the code points from {@code start} to {@code end} of an original text. */
    static AlignedText of(int[] original, int start, int end) {
        AlignedText text = new AlignedText(end - start);
        for (int i = start; i < end; i++) text.add(original[i], i, i + 1);
        return text;
    }

    void add(int code, int start, int end) {
        if (size == codes.length) {
            int capacity = size + (size >> 1) + 8;
            codes = Arrays.copyOf(codes, capacity);
            starts = Arrays.copyOf(starts, capacity);
            ends = Arrays.copyOf(ends, capacity);
        }
        codes[size] = code;
        starts[size] = start;
        ends[size++] = end;
    }

    /** Adds a code point in the place of one of another text. */
    void addAs(int code, AlignedText other, int place) {
        add(code, other.starts[place], other.ends[place]);
    }

    /** Returns the part from {@code start} to {@code end}. */
    AlignedText part(int start, int end) {
        AlignedText part = new AlignedText(end - start);
        for (int i = start; i < end; i++) part.addAs(codes[i], this, i);
        return part;
    }
}
