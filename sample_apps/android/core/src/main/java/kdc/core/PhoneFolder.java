package kdc.core;

import java.io.ByteArrayOutputStream;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * A model with all that belongs to it, checked: signature, then digests, and only then its use.
 *
 * <p>The app is told whose models it takes by {@code app.json}, which is part of the app; the
 * folder itself may be replaced by a newer one that the same key has signed.
 */
public final class PhoneFolder {
    private static final String APP_FORMAT = "kdc.app-config/1";
    private static final String FORMAT = "kdc.phone/1";
    private static final String MANIFEST = "manifest.json";
    private static final int MOST = 64 << 20; // bytes of a file that is read as a whole

    /** {@code app.json}: what the app was told when it was made. */
    public final Fields app;
    /** {@code manifest.json}. */
    public final Fields manifest;
    /** Name of the model's file. */
    public final String model;
    /** Name of the file with its weights, or null where they are in the model itself. */
    public final String weights;

    private final Assets assets;
    private final Map<String, String> digests = new LinkedHashMap<>();

    private PhoneFolder(Assets assets) throws Refused, IOException {
        this.assets = assets;
        app = Json.object(utf8(bytes("app.json"), "app.json"), "app.json");
        if (!app.text("format").equals(APP_FORMAT)) throw app.wrong("format");
        byte[] signed = bytes(MANIFEST);
        checkSignature(signed);
        manifest = Json.object(utf8(signed, MANIFEST), MANIFEST);
        if (!manifest.text("format").equals(FORMAT)) {
            throw new Refused(
                    "this app reads models of the format " + FORMAT + ", and this one is "
                            + manifest.text("format") + ": bundle it with a newer app");
        }
        checkTask(manifest.object("task"), app.object("task"));
        Fields files = manifest.object("files");
        for (String name : files.names()) check(name, files.object(name));
        model = findModel();
        weights = digests.containsKey(model + "_data") ? model + "_data" : null;
    }

    /** Checks a folder and opens it. */
    public static PhoneFolder open(Assets assets) throws Refused, IOException {
        return new PhoneFolder(assets);
    }

    /** Returns a text file that the manifest names; it is checked once more as it is read. */
    public String text(String name) throws Refused, IOException {
        byte[] bytes = bytes(name);
        if (!hex(sha256().digest(bytes)).equals(digests.get(name))) throw changed(name);
        return utf8(bytes, name);
    }

    /** Returns the hex sha256 of a file that the manifest names. */
    public String digest(String name) {
        return digests.get(name);
    }

    private void checkSignature(byte[] signed) throws Refused, IOException {
        if (!app.has("public_key")) return;
        byte[] key = Base64.decode(app.text("public_key"));
        byte[] file;
        try {
            file = bytes(Envelope.NAME);
        } catch (Refused missing) {
            throw new Refused(MANIFEST + " is not signed, and this app asks for a signature");
        }
        Envelope envelope = new Envelope(Json.object(utf8(file, Envelope.NAME), Envelope.NAME));
        if (key == null || !envelope.isSignedBy(key, hex(sha256().digest(signed)))) {
            throw new Refused(
                    MANIFEST + " does not bear the signature of this app's maker: it was changed");
        }
        if (envelope.number < app.size("number")) {
            throw new Refused(
                    "the model is older (number " + envelope.number + ") than the one that the "
                            + "app was made with (" + app.size("number") + ")");
        }
    }

    /** Refuses a model whose answers the app would take for those of its own task. */
    private static void checkTask(Fields task, Fields own) throws Refused {
        boolean same = task.text("name").equals(own.text("name"))
                && task.text("kind").equals(own.text("kind"))
                && task.flag("pair") == own.flag("pair")
                && task.list("labels").size() == own.list("labels").size();
        if (!same) {
            throw new Refused(
                    "the model is for another task than this app: " + task.text("name")
                            + ", and the app's is " + own.text("name"));
        }
    }

    private void check(String name, Fields entry) throws Refused, IOException {
        if (name.isEmpty() || name.startsWith("/") || name.indexOf('\\') >= 0
                || ("/" + name + "/").contains("/../")) {
            throw new Refused(MANIFEST + " names a file outside its folder: " + name);
        }
        MessageDigest digest = sha256();
        long size = 0;
        try (InputStream in = assets.open(name)) {
            byte[] piece = new byte[1 << 16];
            for (int read = in.read(piece); read >= 0; read = in.read(piece)) {
                digest.update(piece, 0, read);
                size += read;
            }
        } catch (FileNotFoundException missing) {
            throw new Refused("the model is incomplete: " + name + " is missing");
        }
        String found = hex(digest.digest());
        if (size != entry.size("bytes") || !found.equals(entry.text("sha256"))) {
            throw changed(name);
        }
        digests.put(name, found);
    }

    private String findModel() throws Refused {
        String found = null;
        for (String name : digests.keySet()) {
            if (!name.matches("onnx/[^/]+\\.(onnx|ort)")) continue;
            if (found != null) throw new Refused(MANIFEST + " names two models: bundle again");
            found = name;
        }
        if (found == null) throw new Refused(MANIFEST + " names no model: bundle again");
        return found;
    }

    private byte[] bytes(String name) throws Refused, IOException {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        try (InputStream in = assets.open(name)) {
            byte[] piece = new byte[1 << 16];
            for (int read = in.read(piece); read >= 0; read = in.read(piece)) {
                if (out.size() + read > MOST) throw new Refused(name + " is too large to be read");
                out.write(piece, 0, read);
            }
        } catch (FileNotFoundException missing) {
            throw new Refused("the model is incomplete: " + name + " is missing");
        }
        return out.toByteArray();
    }

    private static Refused changed(String name) {
        return new Refused("the model was changed: " + name + " does not match its sha256");
    }

    private static String utf8(byte[] bytes, String name) throws Refused {
        try { // the String constructor would put question marks in silence
            return StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes)).toString();
        } catch (CharacterCodingException error) {
            throw new Refused(name + " is no UTF-8 text: it is damaged");
        }
    }

    private static String hex(byte[] bytes) {
        StringBuilder out = new StringBuilder();
        for (byte value : bytes) {
            out.append(Character.forDigit(value >> 4 & 15, 16));
            out.append(Character.forDigit(value & 15, 16));
        }
        return out.toString();
    }

    private static MessageDigest sha256() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException error) {
            throw new IllegalStateException("every Android and every JVM has SHA-256", error);
        }
    }
}
