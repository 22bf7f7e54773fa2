// Verifies Ed25519 signatures (RFC 8032, 5.1.7), by the browser itself where it can.
// Chromium before 137 cannot; what stands in is for public keys and public messages alone: it takes
// no care to hide what it computes with.

const P = 2n ** 255n - 19n;
const ORDER = 2n ** 252n + 27742317777372353535851937790883648493n; // of the base point

const mod = (value) => ((value % P) + P) % P;

function power(base, exponent) {
  let result = 1n;
  for (let square = mod(base), rest = exponent; rest > 0n; rest >>= 1n) {
    if (rest & 1n) result = (result * square) % P;
    square = (square * square) % P;
  }
  return result;
}

const inverse = (value) => power(value, P - 2n);
const D = mod(-121665n * inverse(121666n)); // the curve's constant
const ROOT = power(2n, (P - 1n) / 4n); // of -1

// Points are [X, Y, Z, T]: x = X/Z, y = Y/Z, x y = T/Z.
const ZERO = [0n, 1n, 1n, 0n];
const BASE = point(bytesOf(mod(4n * inverse(5n))));

// The sum of two points; complete, so that it doubles as well (RFC 8032, 5.1.4).
function plus([x1, y1, z1, t1], [x2, y2, z2, t2]) {
  const a = mod((y1 - x1) * (y2 - x2));
  const b = mod((y1 + x1) * (y2 + x2));
  const c = mod(2n * D * t1 * t2);
  const d = mod(2n * z1 * z2);
  const [e, f, g, h] = [b - a, d - c, d + c, b + a];
  return [mod(e * f), mod(g * h), mod(f * g), mod(e * h)];
}

function times(factor, base) {
  let sum = ZERO;
  for (let double = base, rest = factor; rest > 0n; rest >>= 1n) {
    if (rest & 1n) sum = plus(sum, double);
    double = plus(double, double);
  }
  return sum;
}

const isSame = ([x1, y1, z1], [x2, y2, z2]) =>
  mod(x1 * z2 - x2 * z1) === 0n && mod(y1 * z2 - y2 * z1) === 0n;

// Numbers lie in bytes with the smallest first.
function number(bytes) {
  return Array.from(bytes).reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
}

function bytesOf(value) {
  return Uint8Array.from({ length: 32 }, (_, at) => Number((value >> BigInt(8 * at)) & 255n));
}

// Decodes a point (RFC 8032, 5.1.3); null where the bytes are none.
function point(bytes) {
  const odd = BigInt(bytes[31] >> 7);
  const y = BigInt.asUintN(255, number(bytes));
  if (y >= P) return null;
  const wanted = mod((y * y - 1n) * inverse(D * y * y + 1n)); // x squared
  let x = power(wanted, (P + 3n) / 8n);
  if (mod(x * x) !== wanted) x = mod(x * ROOT);
  if (mod(x * x) !== wanted || (x === 0n && odd)) return null;
  if ((x & 1n) !== odd) x = P - x;
  return [x, y, 1n, mod(x * y)];
}

// As `verify`, without the browser's help but for its digest.
export async function verifyHere(key, message, signature) {
  if (key.length !== 32 || signature.length !== 64) return false;
  const [first, second] = [signature.slice(0, 32), signature.slice(32)];
  const [place, nonce, scalar] = [point(key), point(first), number(second)];
  if (place === null || nonce === null || scalar >= ORDER) return false;
  const hashed = Uint8Array.from([...first, ...key, ...message]);
  const digest = await crypto.subtle.digest("SHA-512", hashed);
  const challenge = number(new Uint8Array(digest)) % ORDER;
  return isSame(times(scalar, BASE), plus(nonce, times(challenge, place)));
}

// Whether a signature of 64 bytes over a message was made with the key that belongs to a public
// key of 32 bytes; bytes that are no signature or no key are no error, but false.
export async function verify(key, message, signature) {
  let known;
  try {
    known = await crypto.subtle.importKey("raw", key, "Ed25519", false, ["verify"]);
  } catch {
    return verifyHere(key, message, signature);
  }
  return crypto.subtle.verify("Ed25519", known, signature, message);
}
