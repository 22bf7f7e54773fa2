package kdc.core;

import java.math.BigInteger;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;

/**
 * Verifies Ed25519 signatures (RFC 8032, 5.1.7), which phones before Android 13 cannot.
 *
 * <p>For public keys and public messages alone: it takes no care to hide what it computes with.
 */
public final class Ed25519 {
    private static final BigInteger TWO = BigInteger.valueOf(2);
    private static final BigInteger P = TWO.pow(255).subtract(BigInteger.valueOf(19));
    /** Order of the base point. */
    private static final BigInteger ORDER =
            TWO.pow(252).add(new BigInteger("27742317777372353535851937790883648493"));
    /** The curve's constant: -121665/121666. */
    private static final BigInteger D =
            BigInteger.valueOf(-121665).multiply(BigInteger.valueOf(121666).modInverse(P)).mod(P);
    private static final BigInteger ROOT = // of -1
            TWO.modPow(P.subtract(BigInteger.ONE).shiftRight(2), P);
    private static final Point ZERO =
            new Point(BigInteger.ZERO, BigInteger.ONE, BigInteger.ONE, BigInteger.ZERO);
    private static final Point BASE = base();

    private Ed25519() {}

    /** A point in extended homogeneous coordinates: x = X/Z, y = Y/Z, x y = T/Z. */
    private static final class Point {
        final BigInteger x;
        final BigInteger y;
        final BigInteger z;
        final BigInteger t;

        Point(BigInteger x, BigInteger y, BigInteger z, BigInteger t) {
            this.x = x;
            this.y = y;
            this.z = z;
            this.t = t;
        }

        /** The sum of two points; complete, so that it doubles as well (RFC 8032, 5.1.4). */
        Point plus(Point other) {
            BigInteger a = y.subtract(x).multiply(other.y.subtract(other.x)).mod(P);
            BigInteger b = y.add(x).multiply(other.y.add(other.x)).mod(P);
            BigInteger c = t.multiply(TWO).multiply(D).multiply(other.t).mod(P);
            BigInteger d = z.multiply(TWO).multiply(other.z).mod(P);
            BigInteger e = b.subtract(a);
            BigInteger f = d.subtract(c);
            BigInteger g = d.add(c);
            BigInteger h = b.add(a);
            return new Point(
                    e.multiply(f).mod(P), g.multiply(h).mod(P), f.multiply(g).mod(P),
                    e.multiply(h).mod(P));
        }

        Point times(BigInteger factor) {
            Point sum = ZERO;
            for (int bit = factor.bitLength() - 1; bit >= 0; bit--) {
                sum = sum.plus(sum);
                if (factor.testBit(bit)) sum = sum.plus(this);
            }
            return sum;
        }

        boolean isSame(Point other) {
            return x.multiply(other.z).subtract(other.x.multiply(z)).mod(P).signum() == 0
                    && y.multiply(other.z).subtract(other.y.multiply(z)).mod(P).signum() == 0;
        }
    }

    /**
     * Returns whether a signature of 64 bytes over a message was made with the key that belongs to
     * a public key of 32 bytes; bytes that are no signature or no key are no error, but false.
     */
    public static boolean verify(byte[] publicKey, byte[] message, byte[] signature) {
        if (publicKey.length != 32 || signature.length != 64) return false;
        byte[] first = Arrays.copyOf(signature, 32);
        Point key = point(publicKey);
        Point nonce = point(first);
        BigInteger scalar = number(Arrays.copyOfRange(signature, 32, 64));
        if (key == null || nonce == null || scalar.compareTo(ORDER) >= 0) return false;
        BigInteger challenge = number(sha512(first, publicKey, message)).mod(ORDER);
        return BASE.times(scalar).isSame(nonce.plus(key.times(challenge)));
    }

    /** Decodes a point (RFC 8032, 5.1.3), or returns null where the bytes are none. */
    private static Point point(byte[] bytes) {
        BigInteger y = number(bytes).clearBit(255);
        if (y.compareTo(P) >= 0) return null;
        BigInteger square = y.multiply(y).mod(P);
        BigInteger above = square.subtract(BigInteger.ONE).mod(P);
        BigInteger below = D.multiply(square).add(BigInteger.ONE).mod(P);
        BigInteger wanted = above.multiply(below.modInverse(P)).mod(P); // x squared
        BigInteger x = wanted.modPow(P.add(BigInteger.valueOf(3)).shiftRight(3), P);
        if (!x.multiply(x).mod(P).equals(wanted)) x = x.multiply(ROOT).mod(P);
        if (!x.multiply(x).mod(P).equals(wanted)) return null;
        boolean odd = (bytes[31] & 0x80) != 0;
        if (x.signum() == 0 && odd) return null;
        if (x.testBit(0) != odd) x = P.subtract(x);
        return new Point(x, y, BigInteger.ONE, x.multiply(y).mod(P));
    }

    private static Point base() {
        BigInteger y = BigInteger.valueOf(4).multiply(BigInteger.valueOf(5).modInverse(P)).mod(P);
        return point(Arrays.copyOf(reversed(y.toByteArray()), 32));
    }

    private static BigInteger number(byte[] littleEndian) {
        return new BigInteger(1, reversed(littleEndian));
    }

    private static byte[] reversed(byte[] bytes) {
        byte[] found = new byte[bytes.length];
        for (int i = 0; i < bytes.length; i++) found[i] = bytes[bytes.length - 1 - i];
        return found;
    }

    private static byte[] sha512(byte[]... parts) {
        try {
            MessageDigest digest = MessageDigest.getInstance("SHA-512");
            for (byte[] part : parts) digest.update(part);
            return digest.digest();
        } catch (NoSuchAlgorithmException error) {
            throw new IllegalStateException("every Android and every JVM has SHA-512", error);
        }
    }
}
