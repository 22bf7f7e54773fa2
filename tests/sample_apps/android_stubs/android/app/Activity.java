package android.app;

import android.content.Context;
import android.content.Intent;
import android.content.res.AssetManager;
import android.os.Bundle;
import android.view.View;

public class Activity extends Context {
    public View content;
    public Intent started;
    public boolean left;

    protected void onCreate(Bundle state) {}

    public void onBackPressed() {
        left = true;
    }

    public AssetManager getAssets() {
        return new AssetManager();
    }

    public void setContentView(View view) {
        content = view;
    }

    public void startActivity(Intent intent) {
        started = intent;
    }
}
