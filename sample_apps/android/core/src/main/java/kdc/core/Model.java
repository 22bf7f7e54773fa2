package kdc.core;

/** A model that answers; the one thing that the core leaves to a runtime. */
public interface Model {
    /** Returns the (C,) logits for one text. */
    float[] logits(ModelInput input) throws Refused;
}
