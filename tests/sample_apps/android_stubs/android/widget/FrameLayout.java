package android.widget;

import android.content.Context;
import android.view.View;

public class FrameLayout extends View {
    public boolean fits;
    public View child;

    public FrameLayout(Context context) {}

    public void setFitsSystemWindows(boolean fits) {
        this.fits = fits;
    }

    public void addView(View child) {
        this.child = child;
    }
}
