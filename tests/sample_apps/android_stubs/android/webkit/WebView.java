package android.webkit;

import android.content.Context;
import android.view.View;

public class WebView extends View {
    public final WebSettings settings = new WebSettings();
    public WebViewClient client;
    public Object bridge;
    public String bridgeName;
    public String url;
    public boolean history;

    public WebView(Context context) {}

    public WebSettings getSettings() {
        return settings;
    }

    public void setWebViewClient(WebViewClient client) {
        this.client = client;
    }

    public void addJavascriptInterface(Object bridge, String name) {
        this.bridge = bridge;
        bridgeName = name;
    }

    public void loadUrl(String url) {
        this.url = url;
    }

    public boolean canGoBack() {
        return history;
    }

    public void goBack() {
        history = false;
    }
}
