package android.webkit;

public class WebSettings {
    public boolean javaScript;
    public boolean storage;
    public boolean files = true;
    public boolean providers = true;

    public void setJavaScriptEnabled(boolean on) {
        javaScript = on;
    }

    public void setDomStorageEnabled(boolean on) {
        storage = on;
    }

    public void setAllowFileAccess(boolean on) {
        files = on;
    }

    public void setAllowContentAccess(boolean on) {
        providers = on;
    }
}
