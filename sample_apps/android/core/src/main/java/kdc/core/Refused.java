package kdc.core;

/** An expected fault, in one sentence that a user can read: what, where, what to do. */
public final class Refused extends Exception {
    private static final long serialVersionUID = 1L;

    public Refused(String sentence) {
        super(sentence);
    }
}
