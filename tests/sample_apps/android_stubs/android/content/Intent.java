package android.content;

import java.util.TreeMap;

public class Intent {
    public final String action;
    public final TreeMap<String, String> extras = new TreeMap<>();
    public String type;
    public Intent chosen;

    public Intent(String action) {
        this.action = action;
    }

    public Intent setType(String type) {
        this.type = type;
        return this;
    }

    public Intent putExtra(String name, String value) {
        extras.put(name, value);
        return this;
    }

    public static Intent createChooser(Intent target, CharSequence title) {
        Intent chooser = new Intent("chooser");
        chooser.chosen = target;
        return chooser;
    }
}
