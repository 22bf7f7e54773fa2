package kdc.core;

import java.util.Arrays;

/** Tokens of one text: ids, and where each comes from in code points of the text, [start, end). */
final class Tokens {
    private int[] ids = new int[16];
    private int[] starts = new int[16];
    private int[] ends = new int[16];
    private int size;

    int size() {
        return size;
    }

    int id(int place) {
        return ids[place];
    }

    int start(int place) {
        return starts[place];
    }

    int end(int place) {
        return ends[place];
    }

    /** Adds a token that stands for a part of a text. */
    void add(int id, AlignedText text, int start, int end) {
        add(id, text.starts[start], text.ends[end - 1]);
    }

    void add(int id, int start, int end) {
        if (size == ids.length) {
            ids = Arrays.copyOf(ids, 2 * size);
            starts = Arrays.copyOf(starts, 2 * size);
            ends = Arrays.copyOf(ends, 2 * size);
        }
        ids[size] = id;
        starts[size] = start;
        ends[size++] = end;
    }

    /** Keeps the first tokens only. */
    void cut(int length) {
        size = Math.min(size, length);
    }
}
