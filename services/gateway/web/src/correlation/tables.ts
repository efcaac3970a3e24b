/** Which matrices there are: a window and a method to pick, out of the catalog. */

import { isFields, textOf, type Fields } from "../contract";

export interface Table {
  id: string;
  window: string;
  sampling: string | null;
  method: string;
}

const DEFAULTS = ["15m.10s.pearson", "1h.60s.pearson", "24h.5m.pearson"];
export const DEFAULT_WINDOW = "1h";
export const DEFAULT_METHOD = "pearson";

/** The catalog's tables; where it names none, those that a gateway has by default. */
export function tablesOf(catalog: Fields): Table[] {
  const told = catalog["tables"] ?? catalog["correlation_tables"];
  const ids = Array.isArray(told)
    ? (told as unknown[]).map((each) =>
        isFields(each) ? textOf(each["id"] ?? each["table"]) : textOf(each),
      )
    : DEFAULTS;
  return ids.map(tableOf).filter((table) => table !== null);
}

export function tableOf(id: string): Table | null {
  const parts = id.split(".");
  const [window = "", second = "", third] = parts;
  if (parts.length === 2) return { id, window, sampling: null, method: second };
  return third ? { id, window, sampling: second, method: third } : null;
}

/** 1h: one hour; what is no such word stays as it is. */
export function windowName(window: string): string {
  const [, count = "", unit = ""] = /^(\d+)([smhd])$/.exec(window) ?? [];
  const units: Record<string, string> = { s: "s", m: "min", h: "h", d: "d" };
  return count ? `${count} ${units[unit]}` : window;
}

export function methodName(method: string): string {
  const names: Record<string, string> = {
    pearson: "Pearson",
    spearman: "Spearman",
    ewma: "EWMA",
    hayashi_yoshida: "Hayashi–Yoshida",
  };
  return names[method] ?? method;
}
