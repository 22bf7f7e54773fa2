package kdc.core;

import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;

/** What logits mean for a task: probabilities of labels, or a score. */
public final class Answer {
    /** A label and its probability, 0 to 1. */
    public static final class Label {
        public final String name;
        public final double probability;
        /** Whether the model says that it holds: the likeliest one, or of several each above 1/2. */
        public final boolean holds;

        Label(String name, double probability, boolean holds) {
            this.name = name;
            this.probability = probability;
            this.holds = holds;
        }
    }

    /** The labels, the likeliest first; empty for regression. */
    public final List<Label> labels;
    /** The score; not a number where the task has labels. */
    public final double score;

    private Answer(List<Label> labels, double score) {
        this.labels = labels;
        this.score = score;
    }

    /**
     * Returns what logits mean.
     *
     * @param kind classification, multi-label or regression
     * @param names (C,) the labels in the order of the logits
     * @param logits (C,) of the model, or (1,) for regression
     */
    public static Answer of(String kind, List<String> names, float[] logits) throws Refused {
        boolean regression = kind.equals("regression");
        if (logits.length != (regression ? 1 : names.size())) {
            throw new Refused(
                    "the model gives " + logits.length + " numbers, and its task has "
                            + names.size() + " labels: bundle again");
        }
        if (regression) return new Answer(Collections.<Label>emptyList(), logits[0]);
        boolean several = kind.equals("multi-label");
        double[] probabilities = several ? sigmoid(logits) : softmax(logits);
        int best = best(logits);
        List<Label> labels = new ArrayList<>();
        for (int i = 0; i < logits.length; i++) {
            boolean holds = several ? logits[i] > 0 : i == best;
            labels.add(new Label(names.get(i), probabilities[i], holds));
        }
        Collections.sort(labels, new Comparator<Label>() { // stable: equal ones keep their order
            @Override
            public int compare(Label one, Label other) {
                return Double.compare(other.probability, one.probability);
            }
        });
        return new Answer(labels, Double.NaN);
    }

    /** Returns exp(x) / sum exp(x), without overflow. */
    public static double[] softmax(float[] logits) {
        double most = logits[best(logits)];
        double[] found = new double[logits.length];
        double sum = 0;
        for (int i = 0; i < found.length; i++) sum += found[i] = Math.exp(logits[i] - most);
        for (int i = 0; i < found.length; i++) found[i] /= sum;
        return found;
    }

    /** Returns 1 / (1 + exp(-x)). */
    public static double[] sigmoid(float[] logits) {
        double[] found = new double[logits.length];
        for (int i = 0; i < found.length; i++) found[i] = 1 / (1 + Math.exp(-logits[i]));
        return found;
    }

    private static int best(float[] logits) {
        int best = 0;
        for (int i = 1; i < logits.length; i++) if (logits[i] > logits[best]) best = i;
        return best;
    }
}
