package kdc.core;

import java.util.ArrayList;
import java.util.List;

/** What stands around texts: [CLS] A [SEP], or [CLS] A [SEP] B [SEP]. */
final class Template {
    /** Ids that are added, or, where there are none, the place of a text. */
    private static final class Piece {
        final int[] ids;
        final boolean second;
        final int type;

        Piece(int[] ids, boolean second, int type) {
            this.ids = ids;
            this.second = second;
            this.type = type;
        }
    }

    private final List<Piece> pieces = new ArrayList<>();

    /** Reads what {@code tokenizer.json} says of one text, or of two. */
    static Template read(Fields processor, boolean pair) throws Refused {
        Template template = new Template();
        String type = processor.text("type");
        if (type.equals("TemplateProcessing")) template.readPieces(processor, pair);
        else if (type.equals("BertProcessing")) template.readBert(processor, pair);
        else throw processor.wrong("type");
        return template;
    }

    private void readPieces(Fields processor, boolean pair) throws Refused {
        Fields special = processor.object("special_tokens");
        for (Fields piece : processor.objects(pair ? "pair" : "single")) {
            boolean text = piece.has("Sequence");
            Fields fields = piece.object(text ? "Sequence" : "SpecialToken");
            int type = fields.count("type_id");
            String id = fields.text("id");
            if (text) pieces.add(new Piece(null, id.equals("B"), type));
            else pieces.add(new Piece(special.object(id).wholes("ids"), false, type));
        }
    }

    private void readBert(Fields processor, boolean pair) throws Refused {
        int[] start = {id(processor, "cls")};
        int[] end = {id(processor, "sep")};
        pieces.add(new Piece(start, false, 0));
        pieces.add(new Piece(null, false, 0));
        pieces.add(new Piece(end, false, 0));
        if (!pair) return;
        pieces.add(new Piece(null, true, 1));
        pieces.add(new Piece(end, false, 1));
    }

    private static int id(Fields processor, String name) throws Refused {
        List<?> entry = processor.list(name);
        if (entry.size() != 2 || !(entry.get(1) instanceof Double)) throw processor.wrong(name);
        return ((Double) entry.get(1)).intValue();
    }

    /** Returns how many tokens it adds. */
    int added() {
        int count = 0;
        for (Piece piece : pieces) count += piece.ids == null ? 0 : piece.ids.length;
        return count;
    }

    /** Puts texts in their places; {@code second} is null for one text alone. */
    Encoding fill(Tokens first, Tokens second) {
        int length = first.size() + (second == null ? 0 : second.size()) + added();
        Encoding out = new Encoding(length);
        int at = 0;
        for (Piece piece : pieces) {
            if (piece.ids == null) {
                Tokens text = piece.second ? second : first;
                for (int i = 0; i < text.size(); i++) {
                    out.set(at++, text.id(i), piece.type, text.start(i), text.end(i));
                }
            } else {
                for (int id : piece.ids) out.set(at++, id, piece.type, 0, 0);
            }
        }
        return out;
    }
}
