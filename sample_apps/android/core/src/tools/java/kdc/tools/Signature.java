package kdc.tools;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import kdc.core.Ed25519;

/** Verifies signatures: lines of PUBLIC_KEY MESSAGE SIGNATURE in hex (- for none) come in. */
public final class Signature {
    private Signature() {}

    public static void main(String[] arguments) throws IOException {
        BufferedReader lines =
                new BufferedReader(new InputStreamReader(System.in, StandardCharsets.US_ASCII));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            String[] parts = line.split(" ");
            System.out.println(Ed25519.verify(bytes(parts[0]), bytes(parts[1]), bytes(parts[2])));
        }
    }

    private static byte[] bytes(String hex) {
        if (hex.equals("-")) return new byte[0];
        byte[] found = new byte[hex.length() / 2];
        for (int i = 0; i < found.length; i++) {
            found[i] = (byte) Integer.parseInt(hex.substring(2 * i, 2 * i + 2), 16);
        }
        return found;
    }
}
