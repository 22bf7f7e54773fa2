package kdc.core;

import java.io.IOException;
import java.util.List;

/** A checked model, its tokenizer and its task: text in, answer out. */
public final class Classifier {
    /** classification, multi-label or regression. */
    public final String kind;
    /** (C,) names of the classes; empty for regression. */
    public final List<String> labels;
    /** Whether an example is two texts. */
    public final boolean pair;

    private final Tokenizer tokenizer;
    private final int length;
    private final int padding;
    private final Model model;

    /** Takes a checked folder and a runtime that has opened its model. */
    public Classifier(PhoneFolder folder, UnicodeTables tables, Model model)
            throws Refused, IOException {
        Fields task = folder.manifest.object("task");
        kind = task.text("kind");
        labels = task.texts("labels");
        pair = task.flag("pair");
        boolean known = kind.equals("classification") || kind.equals("multi-label");
        if (!known && !kind.equals("regression")) throw task.wrong("kind");
        if (known == labels.isEmpty()) throw task.wrong("labels");
        tokenizer = Tokenizer.parse(folder.text("tokenizer.json"), tables);
        boolean fixed = folder.manifest.has("fixed_length");
        length = fixed ? folder.manifest.count("fixed_length") : 0;
        Fields config = Json.object(folder.text("config.json"), "config.json");
        padding = config.has("pad_token_id") ? config.count("pad_token_id") : 0;
        this.model = model;
    }

    /** Returns the tokens of a text, or of two; {@code second} is ignored by a task of one. */
    public Encoding encode(String text, String second) {
        return tokenizer.encode(text, pair ? second : null);
    }

    /** Returns the (C,) logits. */
    public float[] logits(Encoding encoding) throws Refused {
        return model.logits(new ModelInput(encoding, length, padding));
    }

    /** Answers a text, or a pair of them. */
    public Answer answer(String text, String second) throws Refused {
        return Answer.of(kind, labels, logits(encode(text, second)));
    }
}
