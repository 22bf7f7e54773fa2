package kdc.core;

import java.io.ByteArrayOutputStream;

/** Base64 (RFC 4648, 4), which Java's own class brings only to Android 8 and later. */
final class Base64 {
    private static final String DIGITS =
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    private Base64() {}

    /** Returns the bytes, or null where the text is not Base64 with its padding. */
    static byte[] decode(String text) {
        if (text.length() % 4 != 0) return null;
        int end = text.endsWith("==") ? text.length() - 2 : text.length();
        if (end == text.length() && text.endsWith("=")) end--;
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        int bits = 0;
        for (int i = 0; i < end; i++) {
            int digit = DIGITS.indexOf(text.charAt(i));
            if (digit < 0) return null;
            bits = bits << 6 | digit;
            int held = 6 * (i % 4 + 1) % 8; // bits that no byte has taken yet
            if (i % 4 != 0) out.write(bits >> held);
        }
        return out.toByteArray();
    }
}
