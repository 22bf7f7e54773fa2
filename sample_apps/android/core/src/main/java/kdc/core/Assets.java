package kdc.core;

import java.io.IOException;
import java.io.InputStream;

/** Where an app's files are: the APK's assets, a folder. */
public interface Assets {
    /** Opens a file by its name, such as {@code onnx/model.onnx}. */
    InputStream open(String name) throws IOException;
}
