package kdc.core;

import java.nio.charset.StandardCharsets;

/**
 * What lies beside a signed {@code manifest.json}: the model's number, and a signature of both.
 *
 * <p>A newer model has a higher number, so that an older one cannot be brought back.
 */
final class Envelope {
    static final String NAME = "manifest.json.sig";
    private static final String FORMAT = "kdc.signature/1";
    private static final int BYTES = 64; // of an Ed25519 signature

    final long number;
    private final byte[] signature;

    /** Takes the file, of which nothing is known yet. */
    Envelope(Fields file) throws Refused {
        if (!file.text("format").equals(FORMAT)) throw file.wrong("format");
        number = file.size("number");
        if (number < 1 || number >= 1L << 53) throw file.wrong("number");
        signature = Base64.decode(file.text("signature"));
        if (signature == null || signature.length != BYTES) throw file.wrong("signature");
    }

    /** Whether the holder of a key signed this number for the manifest of a hex sha256. */
    boolean isSignedBy(byte[] key, String digest) {
        String message = "kdc.model/1\n" + number + "\n" + digest + "\n";
        return Ed25519.verify(key, message.getBytes(StandardCharsets.US_ASCII), signature);
    }
}
