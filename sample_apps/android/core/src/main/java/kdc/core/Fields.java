package kdc.core;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;

/** The members of a JSON object, each of the type that is asked for, or one sentence. */
public final class Fields {
    private final Map<String, Object> members;
    private final String where;

    /** Takes a value of {@link Json}; {@code where} names it in sentences. */
    @SuppressWarnings("unchecked") // Json makes no map with other keys
    Fields(Object value, String where) throws Refused {
        if (!(value instanceof Map)) {
            throw new Refused(where + " holds no JSON object where one is wanted: it is damaged");
        }
        this.members = (Map<String, Object>) value;
        this.where = where;
    }

    public Iterable<String> names() {
        return members.keySet();
    }

    public boolean has(String name) {
        return members.get(name) != null;
    }

    public String text(String name) throws Refused {
        return of(String.class, name);
    }

    public boolean flag(String name) throws Refused {
        return of(Boolean.class, name);
    }

    public double number(String name) throws Refused {
        return of(Double.class, name);
    }

    /** Returns a whole number from 0 to 2^31 - 1. */
    public int count(String name) throws Refused {
        double value = number(name);
        if (value != Math.rint(value) || value < 0 || value > Integer.MAX_VALUE) throw wrong(name);
        return (int) value;
    }

    /** Returns a whole number from 0 to 2^53, exact in a double: the size of a file. */
    public long size(String name) throws Refused {
        double value = number(name);
        if (value != Math.rint(value) || value < 0 || value > 1L << 53) throw wrong(name);
        return (long) value;
    }

    public Fields object(String name) throws Refused {
        return new Fields(of(Map.class, name), where + ": " + name);
    }

    public List<?> list(String name) throws Refused {
        return of(List.class, name);
    }

    public List<Fields> objects(String name) throws Refused {
        List<Fields> found = new ArrayList<>();
        for (Object item : list(name)) found.add(new Fields(item, where + ": " + name));
        return found;
    }

    public List<String> texts(String name) throws Refused {
        return texts(list(name), name);
    }

    /** Returns rows of whole numbers. */
    public List<int[]> counts(String name) throws Refused {
        List<int[]> found = new ArrayList<>();
        for (double[] row : numbers(name)) {
            int[] whole = new int[row.length];
            for (int i = 0; i < row.length; i++) {
                whole[i] = (int) row[i];
                if (whole[i] != row[i] || whole[i] < 0) throw wrong(name);
            }
            found.add(whole);
        }
        return found;
    }

    /** Returns rows of numbers. */
    public List<double[]> numbers(String name) throws Refused {
        List<double[]> found = new ArrayList<>();
        for (Object row : list(name)) {
            if (!(row instanceof List)) throw wrong(name);
            found.add(row((List<?>) row, name));
        }
        return found;
    }

    /** Returns one member as a row of numbers. */
    public int[] wholes(String name) throws Refused {
        double[] row = row(list(name), name);
        int[] whole = new int[row.length];
        for (int i = 0; i < row.length; i++) whole[i] = (int) row[i];
        return whole;
    }

    /** Builds the sentence for a member that is missing or of another type. */
    public Refused wrong(String name) {
        return new Refused(where + " is damaged: its \"" + name + "\" is missing or wrong");
    }

    List<String> texts(List<?> items, String name) throws Refused {
        List<String> found = new ArrayList<>();
        for (Object item : items) {
            if (!(item instanceof String)) throw wrong(name);
            found.add((String) item);
        }
        return Collections.unmodifiableList(found);
    }

    private double[] row(List<?> items, String name) throws Refused {
        double[] found = new double[items.size()];
        for (int i = 0; i < found.length; i++) {
            if (!(items.get(i) instanceof Double)) throw wrong(name);
            found[i] = (Double) items.get(i);
        }
        return found;
    }

    private <T> T of(Class<T> type, String name) throws Refused {
        Object value = members.get(name);
        if (!type.isInstance(value)) throw wrong(name);
        return type.cast(value);
    }
}
