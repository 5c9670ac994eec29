// Where Lua 5.1, which Redis runs, differs from Lua 5.3, which fengari runs, and a script of ours can see it.

const SPACE = "[ \\f\\n\\r\\t\\v]*";
const DECIMAL = new RegExp(`^${SPACE}([+-]?(?:\\d+\\.?\\d*|\\.\\d+)(?:[eE][+-]?\\d+)?)${SPACE}$`);
const HEXADECIMAL = new RegExp(
  `^${SPACE}([+-]?)0[xX]([\\da-fA-F]*)(?:\\.([\\da-fA-F]*))?(?:[pP]([+-]?\\d+))?${SPACE}$`,
);
const WORD = new RegExp(`^${SPACE}([+-]?)(inf|infinity|nan|nan\\(\\w*\\))${SPACE}$`, "i");

/** tonumber() of a string: what C's strtod takes, "inf", "nan" and hexadecimal included. */
export function parseNumber(bytes: string): number | undefined {
  const decimal = DECIMAL.exec(bytes);
  if (decimal) return Number(decimal[1]);
  const word = WORD.exec(bytes);
  if (word) {
    const value = word[2]!.toLowerCase().startsWith("inf") ? Infinity : NaN;
    return word[1] === "-" ? -value : value;
  }
  const hexadecimal = HEXADECIMAL.exec(bytes);
  if (!hexadecimal) return undefined;
  const [, sign, whole = "", fraction = "", exponent = "0"] = hexadecimal;
  if (whole + fraction === "") return undefined;
  let value = 0;
  for (const digit of whole + fraction) value = value * 16 + Number.parseInt(digit, 16);
  value *= 2 ** (Number(exponent) - 4 * fraction.length);
  return sign === "-" ? -value : value;
}

/**
 * string.format("%.0f"). Ties go to the even number, as in C and not as in toFixed(). A NaN's sign, which glibc prints
 * ("-nan" for 0/0 on x86) and JavaScript hides, is the one thing that is lost.
 */
export function formatWhole(n: number): string {
  if (Number.isNaN(n)) return "nan";
  if (!Number.isFinite(n)) return n > 0 ? "inf" : "-inf";
  const sign = n < 0 || Object.is(n, -0) ? "-" : "";
  const size = Math.abs(n);
  const floor = Math.floor(size);
  const rest = size - floor;
  const whole = rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor;
  return sign + (Number.isSafeInteger(whole) ? String(whole) : BigInt(whole).toString());
}

/** A number as an argument of redis.call: "%.17g". */
export function formatArgument(n: number): string {
  if (Number.isSafeInteger(n) && !Object.is(n, -0)) return String(n);
  if (!Number.isFinite(n)) return formatWhole(n);
  if (n === 0) return "-0";
  const [mantissa, power] = roundedTo17(Math.abs(n)).split("e") as [string, string];
  const [sign, exponent] = [n < 0 ? "-" : "", Number(power)];
  if (exponent < -4 || exponent >= 17) {
    const digits = String(Math.abs(exponent)).padStart(2, "0");
    return `${sign}${trimZeros(mantissa)}e${exponent < 0 ? "-" : "+"}${digits}`;
  }
  const digits = mantissa.replace(".", "");
  if (exponent < 0) return `${sign}${trimZeros(`0.${"0".repeat(-exponent - 1)}${digits}`)}`;
  return `${sign}${trimZeros(`${digits.slice(0, exponent + 1)}.${digits.slice(exponent + 1)}`)}`;
}

/** In exponential form. Of two that are equally near, C takes the even one and JavaScript the larger. */
function roundedTo17(n: number): string {
  // oxlint-disable-next-line oxc/number-arg-out-of-range -- up to 100 since ES2018; a tie shows only in exact digits
  const [digits, power] = n.toExponential(100).split("e") as [string, string];
  const [head, tail] = [digits.slice(0, 18), digits.slice(18)];
  return /^50*$/.test(tail) && /[02468]$/.test(head) ? `${head}e${power}` : n.toExponential(16);
}

function trimZeros(digits: string): string {
  return digits.includes(".") ? digits.replace(/\.?0*$/, "") : digits;
}

/** "perform arithmetic on a nil value (local 'x')" is 5.3; 5.1 says "perform arithmetic on local 'x' (a nil value)". */
export function messageOf51(message: string): string {
  return message.replace(/ a (\w+) value \((\w+) '([^']*)'\)$/, " $2 '$3' (a $1 value)");
}
