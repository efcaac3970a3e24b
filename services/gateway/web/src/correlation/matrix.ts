/** A correlation matrix as the interface gives it, in flat arrays: a cell is found at once. */

import {
  isFields,
  numberOf,
  reasonsOf,
  secondsOf,
  textOf,
  type Fields,
  type Reason,
} from "../contract";

export interface Cell {
  a: string;
  b: string;
  r: number | null;
  n: number | null;
  nEffective: number | null;
  low: number | null;
  high: number | null;
  reason: Reason | null;
  changed: boolean;
}

export class Matrix {
  readonly table: string;
  readonly asOf: number;
  readonly coins: string[];
  readonly repaired: boolean;
  /** Coins that have no price now. */
  readonly stale: string[];
  readonly isDelayed: boolean;
  readonly masked: string[];
  /** Share of the rows that were made from candles. */
  readonly restShare: number | null;
  /** The table that changes are told against; null where none is. */
  readonly against: string | null;
  readonly changedPairs: [a: string, b: string, z: number | null][];
  private readonly r: Float64Array;
  private readonly n: Float64Array;
  private readonly nEffective: Float64Array;
  private readonly low: Float64Array;
  private readonly high: Float64Array;
  private readonly changed: Uint8Array;
  private readonly reasons: Record<string, Reason>;

  constructor(fields: Fields) {
    this.table = textOf(fields["table"]);
    this.asOf = secondsOf(fields["as_of"]);
    this.coins = namesIn(fields["coins"]);
    this.repaired = fields["repaired"] === true;
    this.stale = namesIn(fields["stale"]);
    this.masked = namesIn(fields["masked"]);
    this.restShare = numberOf(fields["rest_share"]);
    this.reasons = reasonsOf(fields);
    this.isDelayed = this.reasons["as_of"] === "line_delayed";
    const flat = (name: string) => flatten(fields[name], this.coins.length);
    this.r = flat("matrix");
    this.n = flat("n");
    this.nEffective = flat("n_effective");
    this.low = flat("low");
    this.high = flat("high");
    const change = isFields(fields["change"]) ? fields["change"] : {};
    this.against = textOf(change["against"]) || null;
    this.changedPairs = pairsIn(change["pairs"]);
    this.changed = this.marked();
  }

  get size(): number {
    return this.coins.length;
  }

  /** NaN where undefined. */
  rAt(i: number, j: number): number {
    return this.r[i * this.size + j] ?? NaN;
  }

  isChanged(i: number, j: number): boolean {
    return this.changed[i * this.size + j] === 1;
  }

  cell(i: number, j: number): Cell {
    const at = i * this.size + j;
    const known = (values: Float64Array) => numberOf(values[at]);
    const r = known(this.r);
    return {
      a: this.coins[i] ?? "",
      b: this.coins[j] ?? "",
      r,
      n: known(this.n),
      nEffective: known(this.nEffective),
      low: known(this.low),
      high: known(this.high),
      reason: r === null ? this.reasonAt(i, j) : null,
      changed: this.isChanged(i, j),
    };
  }

  byRank(rankOf: (coin: string) => number): number[] {
    const ranks = this.coins.map(rankOf);
    return this.coins
      .map((_, index) => index)
      .sort((a, b) => (ranks[a] ?? Infinity) - (ranks[b] ?? Infinity) || a - b);
  }

  private reasonAt(i: number, j: number): Reason | null {
    const [a, b] = [this.coins[i], this.coins[j]];
    return this.reasons[`matrix.${a}.${b}`] ?? this.reasons[`matrix.${b}.${a}`] ?? null;
  }

  private marked(): Uint8Array {
    const { size } = this;
    const changed = new Uint8Array(size * size);
    const places = new Map(this.coins.map((coin, index) => [coin, index]));
    for (const [a, b] of this.changedPairs) {
      const [i, j] = [places.get(a), places.get(b)];
      if (i !== undefined && j !== undefined) changed[i * size + j] = changed[j * size + i] = 1;
    }
    return changed;
  }
}

export function isMatrix(data: unknown): data is Fields {
  return isFields(data) && Array.isArray(data["coins"]) && Array.isArray(data["matrix"]);
}

function namesIn(value: unknown): string[] {
  return Array.isArray(value)
    ? (value as unknown[]).filter((each) => typeof each === "string")
    : [];
}

function pairsIn(value: unknown): [string, string, number | null][] {
  if (!Array.isArray(value)) return [];
  return (value as unknown[])
    .filter(isFields)
    .flatMap((pair): [string, string, number | null][] => {
      const [a, b] = namesIn(pair["coins"]);
      return a !== undefined && b !== undefined ? [[a, b, numberOf(pair["z"])]] : [];
    });
}

function flatten(rows: unknown, size: number): Float64Array {
  const flat = new Float64Array(size * size).fill(NaN);
  if (!Array.isArray(rows)) return flat;
  for (let i = 0; i < size; i += 1) {
    const row: unknown = rows[i];
    if (!Array.isArray(row)) continue;
    for (let j = 0; j < size; j += 1) {
      const value: unknown = row[j];
      if (typeof value === "number") flat[i * size + j] = value;
    }
  }
  return flat;
}
