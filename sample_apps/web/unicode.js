// Unicode as the model's tokenizer saw it in training: the tables of unicode.txt, and BERT's
// normalisation by them. A browser's own Unicode is of another version in every browser.

const FORMAT = "kdc.unicode/1";
const SETS = ["removed", "space", "punctuation", "chinese", "mark"];
const LAST = 0x10ffff;
const SPACE = 0x20;
const REPLACEMENT = 0xfffd; // what UTF-8 makes of half a surrogate pair
const HANGUL = { first: 0xac00, last: 0xd7a3, l: 0x1100, v: 0x1161, t: 0x11a7, vs: 21, ts: 28 };

export class Unicode {
  // text: the content of unicode.txt
  constructor(text) {
    const [format, ...lines] = text.split("\n");
    if (format !== FORMAT) throw new Error(`unicode.txt is no ${FORMAT}`);
    const tables = new Map(lines.map((line) => [line.split(" ", 1)[0], line.split(" ").slice(1)]));
    this.flags = new Uint8Array(LAST + 1); // bit n: in the set SETS[n]
    SETS.forEach((name, bit) => {
      for (const entry of tables.get(name)) mark(this.flags, entry, 1 << bit);
    });
    this.classes = new Uint8Array(LAST + 1);
    for (const entry of tables.get("class")) {
      const [run, rank] = entry.split(":");
      mark(this.classes, run, parseInt(rank, 16));
    }
    this.decompositions = mapping(tables.get("decompose"));
    this.lowercases = mapping(tables.get("lower"));
  }

  isRemoved(code) {
    return (this.flags[code] & 1) !== 0;
  }

  isSpace(code) {
    return (this.flags[code] & 2) !== 0;
  }

  isPunctuation(code) {
    return (this.flags[code] & 4) !== 0;
  }

  isChinese(code) {
    return (this.flags[code] & 8) !== 0;
  }

  isMark(code) {
    return (this.flags[code] & 16) !== 0;
  }

  decompose(code) {
    const { first, last, l, v, t, vs, ts } = HANGUL;
    if (code < first || code > last) return this.decompositions.get(code);
    const index = code - first;
    const parts = [l + Math.floor(index / (vs * ts)), v + (Math.floor(index / ts) % vs)];
    return index % ts ? [...parts, t + (index % ts)] : parts;
  }
}

function mark(bytes, run, bits) {
  const [first, last = first] = run.split("-").map((number) => parseInt(number, 16));
  for (let code = first; code <= last; code += 1) bytes[code] |= bits;
}

function mapping(entries) {
  const pairs = entries.map((entry) => entry.split(">"));
  const codes = (numbers) => numbers.split(",").map((number) => parseInt(number, 16));
  return new Map(pairs.map(([code, to]) => [parseInt(code, 16), codes(to)]));
}

// A text as characters that know where they came from: three arrays of the same length, the code
// points and where each starts and ends in the text as it was given, counted in code points.
export function characters(text) {
  const codes = Array.from(text, (char) => {
    const code = char.codePointAt(0);
    return code >= 0xd800 && code <= 0xdfff ? REPLACEMENT : code;
  });
  return { codes, starts: codes.map((_, at) => at), ends: codes.map((_, at) => at + 1) };
}

export function slice({ codes, starts, ends }, from, to) {
  return {
    codes: codes.slice(from, to),
    starts: starts.slice(from, to),
    ends: ends.slice(from, to),
  };
}

// BERT's normalisation (tokenizer.json's BertNormalizer) of characters.
export function normalize(chars, options, unicode) {
  const { clean_text, handle_chinese_chars, strip_accents, lowercase } = options;
  let out = chars;
  if (clean_text) out = clean(out, unicode);
  if (handle_chinese_chars) out = spaceChinese(out, unicode);
  if (strip_accents ?? lowercase) out = stripAccents(out, unicode);
  if (lowercase) out = lower(out, unicode);
  return out;
}

function rewrite({ codes, starts, ends }, become) {
  const out = { codes: [], starts: [], ends: [] };
  for (let at = 0; at < codes.length; at += 1) {
    for (const code of become(codes[at])) {
      out.codes.push(code);
      out.starts.push(starts[at]);
      out.ends.push(ends[at]);
    }
  }
  return out;
}

function clean(chars, unicode) {
  return rewrite(chars, (code) => {
    if (unicode.isRemoved(code)) return [];
    return [unicode.isSpace(code) ? SPACE : code];
  });
}

function spaceChinese(chars, unicode) {
  return rewrite(chars, (code) => (unicode.isChinese(code) ? [SPACE, code, SPACE] : [code]));
}

function lower(chars, unicode) {
  return rewrite(chars, (code) => unicode.lowercases.get(code) ?? [code]);
}

// Canonical decomposition, then the non-spacing marks dropped. The Rust tokenizer deals offsets
// out after the marks are sorted: in order, one source character for each that is not an addition.
function stripAccents({ codes, starts, ends }, unicode) {
  const decomposed = []; // [code, whether it is an addition]
  for (const code of codes) {
    const parts = unicode.decompose(code) ?? [code];
    parts.forEach((part, place) => decomposed.push([part, place > 0]));
  }
  sortMarks(decomposed, unicode.classes);
  const out = { codes: [], starts: [], ends: [] };
  let source = -1;
  for (const [code, added] of decomposed) {
    if (!added) source += 1;
    if (unicode.isMark(code)) continue;
    out.codes.push(code);
    out.starts.push(source < 0 ? 0 : starts[source]);
    out.ends.push(source < 0 ? 0 : ends[source]);
  }
  return out;
}

// The canonical order of combining marks: each run of them sorted by class, stably.
function sortMarks(decomposed, classes) {
  let at = 0;
  while (at < decomposed.length) {
    let end = at;
    while (end < decomposed.length && classes[decomposed[end][0]] > 0) end += 1;
    if (end - at > 1) {
      const run = decomposed.slice(at, end);
      run.sort(([one], [other]) => classes[one] - classes[other]);
      run.forEach((entry, place) => {
        decomposed[at + place] = entry;
      });
    }
    at = end + 1;
  }
}
