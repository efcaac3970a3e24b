/** Numbers and times as text. Nothing here decides what a number means. */

export const NOTHING = "–";
// As wide as a digit, where a hyphen is not.
const MINUS = "−";

const SIGNIFICANT = 8;
const formats = new Map<number, Intl.NumberFormat>();

/** Decimals that a price needs to be shown whole, within eight significant digits. */
export function decimalsOf(price: number): number {
  const [digits = "", exponent = "0"] = String(price).split("e");
  const own = (digits.split(".")[1]?.length ?? 0) - Number(exponent);
  const magnitude = price > 0 ? Math.floor(Math.log10(price)) : 0;
  return Math.max(0, Math.min(own, SIGNIFICANT - 1 - magnitude, 12));
}

/** What rounds to 0 has no sign. */
export function fixed(value: number, decimals: number): string {
  let format = formats.get(decimals);
  if (!format) {
    format = new Intl.NumberFormat("en-US", {
      minimumFractionDigits: decimals,
      maximumFractionDigits: decimals,
    });
    formats.set(decimals, format);
  }
  const size = format.format(Math.abs(value));
  return value < 0 && /[1-9]/.test(size) ? MINUS + size : size;
}

/** Basis points: small ones keep their digits, large ones need none. */
export function basisPoints(value: number): string {
  const size = Math.abs(value);
  if (size === 0) return "0";
  return fixed(value, size < 0.1 ? 4 : size < 10 ? 3 : size < 100 ? 2 : 1);
}

/** A mark on an axis: as many decimals as the step from mark to mark asks for. */
export function mark(value: number, step: number): string {
  let decimals = Math.max(0, Math.min(12, Math.ceil(-Math.log10(step) - 1e-9)));
  // A step of a quarter needs two.
  const isWhole = () => Math.abs(step * 10 ** decimals - Math.round(step * 10 ** decimals)) < 1e-6;
  while (decimals < 12 && !isWhole()) decimals += 1;
  return fixed(value, decimals);
}

export function ratio(value: number): string {
  return value >= 100 ? "≥100×" : `${fixed(value, value < 10 ? 2 : 1)}×`;
}

export function percent(share: number): string {
  // 99.96 % is not all of it.
  return `${fixed(Math.floor(share * 100 + 1e-9), 0)}%`;
}

export function age(seconds: number): string {
  const s = Math.max(0, seconds);
  if (s < 10) return `${fixed(s, 1)} s`;
  if (s < 120) return `${Math.floor(s)} s`;
  if (s < 7200) return `${Math.floor(s / 60)} min`;
  if (s < 172_800) return `${Math.floor(s / 3600)} h`;
  return `${Math.floor(s / 86_400)} d`;
}

/** 10:00:15, in UTC. */
export function utcTime(milliseconds: number): string {
  return new Date(milliseconds).toISOString().slice(11, 19);
}

/** 2026-11-21 10:00:15, in UTC. */
export function utcDateTime(milliseconds: number): string {
  return new Date(milliseconds).toISOString().slice(0, 19).replace("T", " ");
}
