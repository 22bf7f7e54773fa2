// BERT's WordPiece tokenizer (Wu et al. 2016, arXiv 1609.08144) as tokenizer.json describes it,
// with offsets; ids and offsets are the Rust tokenizer's own, bit for bit (see unicode.js).

import { characters, normalize, slice } from "./unicode.js";

export class Tokenizer {
  // fields: tokenizer.json as an object; unicode: a Unicode. Throws where it is of another kind.
  constructor(fields, unicode) {
    const { model, normalizer, pre_tokenizer, added_tokens = [], truncation } = fields;
    require(model?.type === "WordPiece", "is no WordPiece tokenizer");
    require(normalizer?.type === "BertNormalizer", "does not normalise texts as BERT does");
    require(pre_tokenizer?.type === "BertPreTokenizer", "does not split texts as BERT does");
    const cut = truncation ?? { strategy: "LongestFirst" };
    const usual = cut.strategy === "LongestFirst" && (cut.direction ?? "Right") === "Right";
    require(usual, "cuts texts otherwise than BERT does (from the right, the longer first)");
    require(!added_tokens.some((token) => token.single_word), "has added tokens of whole words");
    this.unicode = unicode;
    this.normalizer = normalizer;
    this.vocabulary = new Map(Object.entries(model.vocab));
    this.longest = 0;
    for (const token of this.vocabulary.keys()) this.longest = Math.max(this.longest, token.length);
    this.prefix = model.continuing_subword_prefix;
    this.most = model.max_input_chars_per_word;
    this.unknown = this.vocabulary.get(model.unk_token);
    require(this.unknown !== undefined, "has no token for unknown words");
    this.raw = this.#patterns(added_tokens.filter((token) => !token.normalized));
    this.normal = this.#patterns(added_tokens.filter((token) => token.normalized));
    this.maxLength = truncation?.max_length ?? Infinity;
    this.templates = templates(fields.post_processor);
  }

  // Returns { ids, types, offsets, cut }; an offset is [start, end] in code points of its text, and
  // `cut` is whether tokens were dropped, for which there was no room.
  encode(text, pair = null) {
    const template = pair === null ? this.templates.single : this.templates.pair;
    const texts = pair === null ? [text] : [text, pair];
    const specials = template.reduce((count, piece) => count + (piece.ids?.length ?? 0), 0);
    const whole = texts.map((one) => this.#tokens(one));
    const parts = shorten(whole, this.maxLength - specials);
    const cut = parts.some((part, at) => part.length < whole[at].length);
    const out = { ids: [], types: [], offsets: [], cut };
    for (const { ids, sequence, type } of template) {
      const tokens = ids ? ids.map((id) => [id, 0, 0]) : parts[sequence];
      for (const [id, start, end] of tokens) {
        out.ids.push(id);
        out.types.push(type);
        out.offsets.push([start, end]);
      }
    }
    return out;
  }

  #patterns(added) {
    const pattern = (token) => {
      const chars = characters(token.content);
      const read = token.normalized ? normalize(chars, this.normalizer, this.unicode) : chars;
      return { ...token, codes: read.codes };
    };
    const found = added.map(pattern).filter((token) => token.codes.length > 0);
    return found.sort((one, other) => other.codes.length - one.codes.length);
  }

  // The tokens [id, start, end] of one text, nothing cut off, nothing added.
  #tokens(text) {
    const tokens = [];
    this.#divide(characters(text), this.raw, tokens, (piece) => {
      const normal = normalize(piece, this.normalizer, this.unicode);
      this.#divide(normal, this.normal, tokens, (words) => this.#words(words, tokens));
    });
    return tokens;
  }

  // Finds added tokens, at each place the longest, and hands what lies between them to `rest`.
  #divide(chars, patterns, tokens, rest) {
    const { codes, starts, ends } = chars;
    let from = 0;
    let at = 0;
    while (patterns.length > 0 && at < codes.length) {
      const found = patterns.find((token) => startsWith(codes, at, token.codes));
      if (!found) {
        at += 1;
        continue;
      }
      let start = at;
      let end = at + found.codes.length;
      at = end; // and not after the spaces: the next token may begin with one
      while (found.lstrip && start > from && this.unicode.isSpace(codes[start - 1])) start -= 1;
      if (found.lstrip && start < from && from < end) start = from; // taken by the one before
      while (found.rstrip && end < codes.length && this.unicode.isSpace(codes[end])) end += 1;
      if (from < start) rest(slice(chars, from, start));
      tokens.push([found.id, starts[start], ends[end - 1]]);
      from = end;
    }
    if (from < codes.length) rest(slice(chars, from, codes.length));
  }

  // Words end at white space; each punctuation mark is a word of its own.
  #words(chars, tokens) {
    const { codes } = chars;
    let from = 0;
    for (let at = 0; at <= codes.length; at += 1) {
      const ends = at === codes.length || this.unicode.isSpace(codes[at]);
      const stands = !ends && this.unicode.isPunctuation(codes[at]);
      if (!ends && !stands) continue;
      if (from < at) this.#pieces(chars, from, at, tokens);
      if (stands) this.#pieces(chars, at, at + 1, tokens);
      from = at + 1;
    }
  }

  // Cuts a word into the longest pieces that the vocabulary has, from the left.
  #pieces({ codes, starts, ends }, from, to, tokens) {
    const whole = [[this.unknown, starts[from], ends[to - 1]]];
    const found = [];
    let at = to - from > this.most ? to : from;
    while (at < to) {
      const prefix = at > from ? this.prefix : "";
      let end = Math.min(to, at + this.longest);
      let id;
      for (; end > at; end -= 1) {
        id = this.vocabulary.get(prefix + String.fromCodePoint(...codes.slice(at, end)));
        if (id !== undefined) break;
      }
      if (id === undefined) break;
      found.push([id, starts[at], ends[end - 1]]);
      at = end;
    }
    const cut = to - from <= this.most && at === to;
    tokens.push(...(cut ? found : whole));
  }
}

function require(holds, what) {
  if (!holds) throw new Error(`tokenizer.json ${what}, which this app cannot read`);
}

function startsWith(codes, at, pattern) {
  return pattern.every((code, place) => codes[at + place] === code);
}

// The longer of two texts loses its end first (longest_first, from the right).
function shorten(parts, most) {
  if (parts.length === 1) return [parts[0].slice(0, Math.max(most, 0))];
  const [short, long] = parts.map((part) => part.length).sort((one, other) => one - other);
  let first = short;
  let second = short > most ? short : Math.max(short, Math.min(long, most - short));
  if (first + second > most) {
    first = Math.floor(most / 2);
    second = first + (most % 2);
  }
  const swapped = parts[0].length > parts[1].length;
  const [a, b] = swapped ? [second, first] : [first, second];
  return [parts[0].slice(0, a), parts[1].slice(0, b)];
}

// What stands around the texts: lists of { ids, type } and { sequence, type }.
function templates(processor) {
  if (processor?.type === "BertProcessing") {
    const [cls, sep] = [processor.cls[1], processor.sep[1]];
    const single = [{ ids: [cls], type: 0 }, { sequence: 0, type: 0 }, { ids: [sep], type: 0 }];
    return { single, pair: [...single, { sequence: 1, type: 1 }, { ids: [sep], type: 1 }] };
  }
  require(processor?.type === "TemplateProcessing", "has a post-processor of another kind");
  const read = ({ SpecialToken: special, Sequence: sequence }) =>
    special
      ? { ids: processor.special_tokens[special.id].ids, type: special.type_id }
      : { sequence: sequence.id === "B" ? 1 : 0, type: sequence.type_id };
  return { single: processor.single.map(read), pair: processor.pair.map(read) };
}
