package android.content.res;

import java.io.File;
import java.io.FileInputStream;
import java.io.IOException;
import java.io.InputStream;

/** Assets that were unpacked from an APK; the folder is in the property {@code assets}. */
public class AssetManager {
    public InputStream open(String name) throws IOException {
        return new FileInputStream(new File(System.getProperty("assets"), name));
    }
}
