package kdc.core;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;

/**
 * The self-test: texts with the ids, logits and labels that this device must reproduce.
 *
 * <p>A text is wrong where its ids or its label are others, or its score is far off. Runtimes round
 * the activations of quantized models differently, which moves the logits of a few texts while
 * their labels stay; so the test is passed where no text is wrong and four in five are exact.
 */
public final class Golden {
    private static final double ENOUGH = 0.8;
    private static final double FAR = 10; // tolerances that a score may be off, or, if more,
    private static final double FAR_SHARE = 0.05; // this share of the range of all golden scores
    private static final int RUNS = 100; // answers that are timed, or as many as a second has
    private static final double MOST_MS = 1000; // for a text that somebody types has to wait
    private static final int WARM_UP = 5; // answers before those
    private static final int USUAL = 16; // texts of the task itself, which come before the awkward ones

    /** How one text came out. */
    public static final class Row {
        public final String text;
        /** The second text, or null. */
        public final String pair;
        /** Whether the tokens are the same, and of a pair which text each belongs to. */
        public final boolean sameIds;
        /** Whether the label is the same, or was a tie; of a score, whether it is near. */
        public final boolean sameLabel;
        /** The largest difference of a logit; infinite where one is not finite. */
        public final double off;
        private final double tolerance;

        Row(String text, String pair, boolean sameIds, boolean sameLabel, double off,
                double tolerance) {
            this.text = text;
            this.pair = pair;
            this.sameIds = sameIds;
            this.sameLabel = sameLabel;
            this.off = off;
            this.tolerance = tolerance;
        }

        public boolean isWrong() {
            return !sameIds || !sameLabel || Double.isInfinite(off);
        }

        public boolean isExact() {
            return !isWrong() && off <= tolerance;
        }
    }

    /** How all of them came out. */
    public static final class Report {
        public final List<Row> rows;
        private final double[] times; // sorted

        Report(List<Row> rows, double[] times) {
            this.rows = Collections.unmodifiableList(rows);
            this.times = times;
            Arrays.sort(times);
        }

        public int wrong() {
            int count = 0;
            for (Row row : rows) if (row.isWrong()) count++;
            return count;
        }

        public int exact() {
            int count = 0;
            for (Row row : rows) if (row.isExact()) count++;
            return count;
        }

        public boolean isPassed() {
            return wrong() == 0 && exact() >= ENOUGH * rows.size();
        }

        /**
         * Returns the time from text to logits below which a share of the answers lies, 0 to 1, in
         * milliseconds, of a model that is warm and of texts of the task itself.
         */
        public double latency(double share) {
            return times[Math.max(0, (int) Math.ceil(share * times.length) - 1)];
        }
    }

    private final List<String> texts;
    private final List<String> pairs;
    private final List<int[]> ids;
    private final List<int[]> types; // of pairs alone, else null
    private final List<double[]> logits;
    private final double tolerance;

    private Golden(Fields file) throws Refused {
        texts = file.texts("texts");
        pairs = file.has("pairs") ? file.texts("pairs") : null;
        ids = file.counts("input_ids");
        types = file.has("token_type_ids") ? file.counts("token_type_ids") : null;
        logits = file.numbers("logits");
        tolerance = file.number("tolerance");
        if (texts.isEmpty() || ids.size() != texts.size() || logits.size() != texts.size()) {
            throw file.wrong("texts");
        }
        if (pairs != null && pairs.size() != texts.size()) throw file.wrong("pairs");
        if (types != null && types.size() != texts.size()) throw file.wrong("token_type_ids");
        for (double[] row : logits) if (row.length == 0) throw file.wrong("logits");
    }

    /** Reads {@code golden.json}. */
    public static Golden parse(String json) throws Refused {
        return new Golden(Json.object(json, "golden.json"));
    }

    public int size() {
        return texts.size();
    }

    /** Asks every text, then takes the time of warm answers. */
    public Report run(Classifier classifier) throws Refused {
        List<Row> rows = new ArrayList<>();
        for (int i = 0; i < texts.size(); i++) rows.add(row(classifier, i));
        return new Report(rows, times(classifier));
    }

    private double[] times(Classifier classifier) throws Refused {
        double[] times = new double[RUNS];
        int usual = Math.min(USUAL, texts.size());
        double total = 0;
        int count = -WARM_UP;
        for (; count < usual || (count < RUNS && total < MOST_MS); count++) {
            int place = (count + WARM_UP) % usual;
            long start = System.nanoTime();
            classifier.logits(classifier.encode(texts.get(place), pair(place)));
            double took = (System.nanoTime() - start) / 1e6;
            total += took;
            if (count >= 0) times[count] = took;
        }
        return Arrays.copyOf(times, count);
    }

    private String pair(int place) {
        return pairs == null ? null : pairs.get(place);
    }

    private Row row(Classifier classifier, int place) throws Refused {
        String text = texts.get(place);
        Encoding encoding = classifier.encode(text, pair(place));
        float[] found = classifier.logits(encoding);
        double[] wanted = logits.get(place);
        if (found.length != wanted.length) {
            throw new Refused(
                    "the model gives " + found.length + " numbers, and golden.json has "
                            + wanted.length + ": bundle again");
        }
        boolean sameIds =
                Arrays.equals(encoding.ids, ids.get(place))
                        && (types == null || Arrays.equals(encoding.typeIds, types.get(place)));
        boolean sameLabel = isSameLabel(classifier, wanted, found);
        return new Row(text, pair(place), sameIds, sameLabel, off(wanted, found), tolerance);
    }

    private static double off(double[] wanted, float[] found) {
        double most = 0;
        for (int i = 0; i < found.length; i++) {
            double off = Math.abs(found[i] - wanted[i]);
            most = off >= 0 ? Math.max(most, off) : Double.POSITIVE_INFINITY; // NaN compares false
        }
        return most;
    }

    /** Whether the same labels hold; one that was undecided may fall either way. */
    private boolean isSameLabel(Classifier task, double[] wanted, float[] found) {
        if (task.kind.equals("regression")) return off(wanted, found) <= farthest();
        if (task.kind.equals("multi-label")) {
            for (int i = 0; i < found.length; i++) {
                boolean decided = Math.abs(wanted[i]) > tolerance;
                if (decided && found[i] > 0 != wanted[i] > 0) return false;
            }
            return true;
        }
        int chosen = 0;
        double most = wanted[0];
        for (int i = 1; i < found.length; i++) {
            if (found[i] > found[chosen]) chosen = i;
            most = Math.max(most, wanted[i]);
        }
        return most - wanted[chosen] <= 2 * tolerance;
    }

    /** Returns how far off a score may be that a rounding moved. */
    private double farthest() {
        double least = Double.POSITIVE_INFINITY;
        double most = Double.NEGATIVE_INFINITY;
        for (double[] row : logits) {
            least = Math.min(least, row[0]);
            most = Math.max(most, row[0]);
        }
        return Math.max(FAR * tolerance, FAR_SHARE * (most - least));
    }
}
