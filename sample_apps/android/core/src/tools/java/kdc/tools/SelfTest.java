package kdc.tools;

import java.io.BufferedReader;
import java.io.File;
import java.io.FileInputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Paths;
import java.util.Arrays;
import kdc.core.Answer;
import kdc.core.Classifier;
import kdc.core.Golden;
import kdc.core.Json;
import kdc.core.Model;
import kdc.core.ModelInput;
import kdc.core.PhoneFolder;
import kdc.core.Refused;
import kdc.core.UnicodeTables;

/**
 * The app's own checks on a computer: the signature, the digests and the golden texts.
 *
 * <p>{@code java kdc.tools.SelfTest ASSETS UNICODE_TXT}: the model itself is run by whoever is at
 * the other end. A line with the ids, the mask and the types of a text goes out, a JSON list of
 * logits comes in; at the end goes out what the app would show.
 */
public final class SelfTest {
    private SelfTest() {}

    public static void main(String[] arguments) throws IOException {
        try {
            run(new File(arguments[0]), new String(
                    Files.readAllBytes(Paths.get(arguments[1])), StandardCharsets.UTF_8));
        } catch (Refused refused) {
            System.err.println(refused.getMessage());
            System.exit(1);
        }
    }

    private static void run(File folder, String unicode) throws IOException, Refused {
        PhoneFolder phone = PhoneFolder.open(name -> new FileInputStream(new File(folder, name)));
        Classifier classifier =
                new Classifier(phone, UnicodeTables.parse(unicode), new Asked());
        Golden golden = Golden.parse(phone.text("golden.json"));
        Golden.Report report = golden.run(classifier);
        for (Golden.Row row : report.rows) {
            if (row.isExact()) continue;
            System.out.println("not exact: same ids " + row.sameIds + ", same label "
                    + row.sameLabel + ", off by " + row.off);
        }
        Answer answer = classifier.answer("a text", classifier.pair ? "another" : null);
        String best = answer.labels.isEmpty() ? "score " + answer.score : answer.labels.get(0).name;
        System.out.println("model " + phone.model + ", weights " + phone.weights);
        System.out.println("a text is " + best);
        System.out.println((report.isPassed() ? "passed: " : "failed: ") + report.exact()
                + " exact and " + report.wrong() + " wrong of " + report.rows.size());
    }

    /** A model that is run by another program. */
    private static final class Asked implements Model {
        private final BufferedReader answers =
                new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));

        @Override
        public float[] logits(ModelInput input) throws Refused {
            System.out.println("run " + Arrays.toString(input.row("input_ids")) + " "
                    + Arrays.toString(input.row("attention_mask")) + " "
                    + Arrays.toString(input.row("token_type_ids")));
            System.out.flush();
            try {
                String line = "{\"logits\": [" + answers.readLine() + "]}";
                double[] row = Json.object(line, "the answer").numbers("logits").get(0);
                float[] logits = new float[row.length];
                for (int i = 0; i < row.length; i++) logits[i] = (float) row[i];
                return logits;
            } catch (IOException error) {
                throw new Refused("nobody answers: " + error.getMessage());
            }
        }
    }
}
