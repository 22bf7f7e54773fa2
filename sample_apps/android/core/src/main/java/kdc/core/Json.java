package kdc.core;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * JSON (RFC 8259) as plain values: Map, List, String, Double, Boolean and null.
 *
 * <p>Strict, for the files come from anywhere: one value, no member twice, limited nesting. Lone
 * surrogates, which JSON can spell, are kept as they are.
 */
public final class Json {
    private static final int DEEPEST = 64;

    private final String text;
    private final String where;
    private int place;

    private Json(String text, String where) {
        this.text = text;
        this.where = where;
    }

    /** Reads one value; {@code where} is the file that the sentence names. */
    public static Object parse(String text, String where) throws Refused {
        Json json = new Json(text, where);
        Object value = json.value(0);
        json.space();
        if (json.place < text.length()) throw json.damaged();
        return value;
    }

    /** Reads an object. */
    public static Fields object(String text, String where) throws Refused {
        return new Fields(parse(text, where), where);
    }

    private Object value(int depth) throws Refused {
        space();
        if (depth > DEEPEST) throw damaged();
        char c = peek();
        if (c == '{') return members(depth);
        if (c == '[') return items(depth);
        if (c == '"') return string();
        if (c == '-' || (c >= '0' && c <= '9')) return number();
        if (word("true")) return Boolean.TRUE;
        if (word("false")) return Boolean.FALSE;
        if (word("null")) return null;
        throw damaged();
    }

    private Map<String, Object> members(int depth) throws Refused {
        Map<String, Object> found = new LinkedHashMap<>();
        place++;
        space();
        if (taken('}')) return found;
        do {
            space();
            if (peek() != '"') throw damaged();
            String name = string();
            space();
            if (!taken(':') || found.containsKey(name)) throw damaged();
            found.put(name, value(depth + 1));
            space();
        } while (taken(','));
        if (!taken('}')) throw damaged();
        return found;
    }

    private List<Object> items(int depth) throws Refused {
        List<Object> found = new ArrayList<>();
        place++;
        space();
        if (taken(']')) return found;
        do {
            found.add(value(depth + 1));
            space();
        } while (taken(','));
        if (!taken(']')) throw damaged();
        return found;
    }

    private String string() throws Refused {
        int start = ++place;
        while (peek() != '"' && peek() != '\\') {
            if (peek() < ' ') throw damaged();
            place++;
        }
        if (peek() == '"') return text.substring(start, place++);
        StringBuilder found = new StringBuilder(text.substring(start, place));
        for (char c = peek(); c != '"'; c = peek()) {
            if (c < ' ') throw damaged();
            place++;
            found.append(c == '\\' ? escaped() : c);
        }
        place++;
        return found.toString();
    }

    private char escaped() throws Refused {
        char c = peek();
        place++;
        int plain = "\"\\/bfnrt".indexOf(c);
        if (plain >= 0) return "\"\\/\b\f\n\r\t".charAt(plain);
        if (c != 'u') throw damaged();
        int code = 0;
        for (int i = 0; i < 4; i++) {
            char hex = peek(); // Character.digit takes digits of other scripts too
            int digit = hex < 128 ? Character.digit(hex, 16) : -1;
            if (digit < 0) throw damaged();
            code = code << 4 | digit;
            place++;
        }
        return (char) code;
    }

    private Double number() throws Refused {
        int start = place;
        taken('-');
        if (!taken('0')) digits();
        if (taken('.')) digits();
        if (taken('e') || taken('E')) {
            if (!taken('+')) taken('-');
            digits();
        }
        double value = Double.parseDouble(text.substring(start, place));
        if (Double.isInfinite(value)) throw damaged();
        return value;
    }

    private void digits() throws Refused {
        int start = place;
        while (place < text.length() && text.charAt(place) >= '0' && text.charAt(place) <= '9') {
            place++;
        }
        if (place == start) throw damaged();
    }

    private boolean word(String wanted) {
        boolean found = text.startsWith(wanted, place);
        if (found) place += wanted.length();
        return found;
    }

    private boolean taken(char wanted) {
        boolean found = place < text.length() && text.charAt(place) == wanted;
        if (found) place++;
        return found;
    }

    private char peek() throws Refused {
        if (place >= text.length()) throw damaged();
        return text.charAt(place);
    }

    private void space() {
        while (place < text.length() && " \t\r\n".indexOf(text.charAt(place)) >= 0) place++;
    }

    private Refused damaged() {
        return new Refused(where + " is not valid JSON: it is damaged or half-written");
    }
}
