package kdc.tools;

import java.io.BufferedOutputStream;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Paths;
import kdc.core.Encoding;
import kdc.core.Fields;
import kdc.core.Json;
import kdc.core.Refused;
import kdc.core.Tokenizer;
import kdc.core.UnicodeTables;

/**
 * Encodes texts on a computer's JVM, to be compared with the Rust tokenizer.
 *
 * <p>{@code java kdc.tools.Vectors TOKENIZER_JSON UNICODE_TXT}: JSON lines with "text" and perhaps
 * "pair" come in, JSON lines with "ids", "types" and "offsets" go out.
 */
public final class Vectors {
    private Vectors() {}

    public static void main(String[] arguments) throws IOException {
        try {
            UnicodeTables tables = UnicodeTables.parse(read(arguments[1]));
            answer(Tokenizer.parse(read(arguments[0]), tables));
        } catch (Refused refused) {
            System.err.println(refused.getMessage());
            System.exit(1);
        }
    }

    private static String read(String path) throws IOException {
        return new String(Files.readAllBytes(Paths.get(path)), StandardCharsets.UTF_8);
    }

    private static void answer(Tokenizer tokenizer) throws IOException, Refused {
        InputStreamReader in = new InputStreamReader(System.in, StandardCharsets.UTF_8);
        BufferedReader lines = new BufferedReader(in, 1 << 16);
        PrintStream out = new PrintStream(new BufferedOutputStream(System.out, 1 << 16));
        StringBuilder line = new StringBuilder();
        for (String asked = lines.readLine(); asked != null; asked = lines.readLine()) {
            Fields vector = Json.object(asked, "a vector");
            String pair = vector.has("pair") ? vector.text("pair") : null;
            line.setLength(0);
            write(tokenizer.encode(vector.text("text"), pair), line);
            out.append(line);
        }
        out.flush();
    }

    private static void write(Encoding encoding, StringBuilder out) {
        row(encoding.ids, out.append("{\"ids\":["));
        row(encoding.typeIds, out.append("],\"types\":["));
        out.append("],\"offsets\":[");
        for (int i = 0; i < encoding.ids.length; i++) {
            out.append(i == 0 ? "[" : ",[").append(encoding.starts[i]);
            out.append(',').append(encoding.ends[i]).append(']');
        }
        out.append("]}\n");
    }

    private static void row(int[] values, StringBuilder out) {
        for (int i = 0; i < values.length; i++) out.append(i == 0 ? "" : ",").append(values[i]);
    }
}
