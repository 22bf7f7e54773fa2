package kdc.core;

/** What a model is given for a text, and where each token comes from. */
public final class Encoding {
    /** (T,) the tokens' ids. */
    public final int[] ids;
    /** (T,) 0 for the first text and what stands around it, 1 for the second. */
    public final int[] typeIds;
    /** (T,) where a token starts, in code points of its text; 0 for what was added. */
    public final int[] starts;
    /** (T,) the code point after a token's last; 0 for what was added. */
    public final int[] ends;

    Encoding(int length) {
        ids = new int[length];
        typeIds = new int[length];
        starts = new int[length];
        ends = new int[length];
    }

    void set(int place, int id, int type, int start, int end) {
        ids[place] = id;
        typeIds[place] = type;
        starts[place] = start;
        ends[place] = end;
    }
}
