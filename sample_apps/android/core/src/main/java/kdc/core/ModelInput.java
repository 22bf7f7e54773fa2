package kdc.core;

import java.util.Arrays;
import java.util.Collection;

/** What a model takes for one text: rows of 64-bit whole numbers, by name. */
public final class ModelInput {
    private static final String IDS = "input_ids";
    private static final String MASK = "attention_mask";
    private static final String TYPES = "token_type_ids";

    private final long[] ids;
    private final long[] mask;
    private final long[] types;

    /**
     * Fills a model's inputs.
     *
     * @param encoding (T,) tokens
     * @param length the one length that the model takes, or 0 for any
     * @param padding the id that fills up a shorter text
     */
    public ModelInput(Encoding encoding, int length, int padding) throws Refused {
        int tokens = encoding.ids.length;
        if (length > 0 && tokens > length) {
            throw new Refused(
                    "the model takes texts of " + length + " tokens, and this one has " + tokens
                            + ": bundle again");
        }
        int size = length > 0 ? length : tokens;
        ids = new long[size];
        mask = new long[size];
        types = new long[size];
        Arrays.fill(ids, tokens, size, padding);
        for (int i = 0; i < tokens; i++) {
            ids[i] = encoding.ids[i];
            mask[i] = 1;
            types[i] = encoding.typeIds[i];
        }
    }

    /** Returns a (T,) input by its name. */
    public long[] row(String name) {
        if (name.equals(IDS)) return ids;
        return name.equals(MASK) ? mask : types;
    }

    /** Checks that a model wants nothing else than what a text has. */
    public static void check(Collection<String> names) throws Refused {
        for (String name : names) {
            if (!name.equals(IDS) && !name.equals(MASK) && !name.equals(TYPES)) {
                throw new Refused(
                        "the model wants the input " + name + ", which this app does not know: "
                                + "export it again");
            }
        }
        if (!names.contains(IDS)) throw new Refused("the model takes no " + IDS + ": export again");
    }
}
